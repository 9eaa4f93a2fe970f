"""Robust relatives of MADDPG, each in a file of its own, and the penalty of ERNIE, which every network can have."""

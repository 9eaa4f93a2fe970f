"""Signals: what an agent learns from."""

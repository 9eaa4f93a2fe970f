"""Clocks: how long agents and server wait for each other."""

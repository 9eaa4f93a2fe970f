"""Hosts that are reached with ssh."""

"""Truncated Q-functions and temporal-difference learning."""

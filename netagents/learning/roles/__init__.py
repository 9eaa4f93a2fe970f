"""Roles: who learns and who is frozen."""

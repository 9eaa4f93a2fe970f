"""Adapters to other people's environments."""

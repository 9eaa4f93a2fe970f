"""Localized policies."""

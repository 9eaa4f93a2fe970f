"""Conformance checks for users\x27 own parts."""

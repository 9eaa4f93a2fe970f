"""Transports: links between nodes behind one small interface."""

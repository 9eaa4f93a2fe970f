"""Transports: links between nodes behind one interface."""

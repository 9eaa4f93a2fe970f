"""Algorithms: how an agent evaluates and improves its policy."""

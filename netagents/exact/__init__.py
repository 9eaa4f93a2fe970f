"""Exact values of small models by linear algebra."""

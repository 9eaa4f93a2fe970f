"""Graphs and kappa-hop neighbourhoods."""

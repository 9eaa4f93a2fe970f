"""General utilities of the local occupancy and their gradients, the shadow rewards."""

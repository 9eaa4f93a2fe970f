"""Security of links: keys, and who may connect."""

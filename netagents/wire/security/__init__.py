"""Security of links: keys, authentication and limits of connections."""

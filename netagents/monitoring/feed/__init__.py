"""Feed of the live page: the records of a run as they grow, sampled and summed up for a browser; it never writes."""

"""Bootstrap of nodes: addresses, keys, sockets, and how a node joins a run."""

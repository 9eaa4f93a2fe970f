"""Sessions: handshake, inbox and exchange of one node with its peers."""

"""The algorithms, and the agent as a state machine without input or output."""

"""Pictures of an episode one after the other: in a terminal, as a GIF, or as an HTML page."""

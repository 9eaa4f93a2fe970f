"""The three roles as processes."""

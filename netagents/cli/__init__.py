"""The netagents command."""

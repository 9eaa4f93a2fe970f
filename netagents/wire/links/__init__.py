"""Links: models of bad links, reliable delivery over them, and relay routing."""

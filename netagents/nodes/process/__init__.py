"""Process around a role: signals, endings, status and injected faults."""

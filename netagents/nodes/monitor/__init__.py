"""Monitor: its process, and the view of a run's progress that it makes; pages and sinks are in :mod:`netagents.monitoring`."""

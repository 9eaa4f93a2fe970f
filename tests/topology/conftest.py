"""Hypothesis in this room: the same examples everywhere and no limit on seconds, which a busy machine would break."""

from hypothesis import settings

settings.register_profile("topology", deadline=None)
settings.load_profile("topology")

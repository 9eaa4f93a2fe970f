"""Hosts of a Ray cluster.  Nothing but the bridge and the actor, which run in processes of their own, imports Ray."""

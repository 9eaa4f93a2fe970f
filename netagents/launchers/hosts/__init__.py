"""Hosts: nodes as processes of several hosts, each host run by one process that the launcher talks to over its standard streams."""

"""Keys of the nodes of a run: which ones each needs, and how a node reads its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netagents.learning import Setup
from netagents.learning.protocol.relay_routes import Routes, neighbours_used
from netagents.messages import ENVIRONMENT, MONITOR, NEIGHBOUR_KINDS
from netagents.wire.security.key_bundles import CurveCredentials, KeyBundle, load_bundle, make_bundles
from netagents.wire.transport.transport import LinkSettings

WITHOUT_KEYS = "links have no keys: every user of this machine can read, steer and stop the run"
"""What a run without keys over tcp says about itself."""


def run_bundles(setup: Setup) -> dict[int, KeyBundle]:
    """Fresh keys for every node of a run: a node knows those with which it has links, nobody else."""
    return make_bundles(node_links(setup))


def node_links(setup: Setup) -> dict[int, set[int]]:
    """Node index -> the nodes with which it has links, for every node of a run; the same from both ends.

    The server has links with all; an agent with the server and the agents within its radii or, with relay routing, its neighbours in the
    relay trees; the monitor with the server alone.
    """
    agents = range(setup.n)
    links: dict[int, set[int]] = {ENVIRONMENT: {MONITOR, *agents}, MONITOR: {ENVIRONMENT}}
    routes = Routes(setup) if setup.experiment.routing == "relay" else None
    for agent in agents:
        if routes is not None:
            near = set().union(*neighbours_used(routes.places(agent), agent))
        else:
            near = {j for kind in NEIGHBOUR_KINDS for j in (*setup.in_neighbours(kind, agent), *setup.out_neighbours(kind, agent))}
        links[agent] = {ENVIRONMENT, *near} - {agent}
    return links


def link_settings(arguments: Mapping[str, Any], index: int) -> LinkSettings:
    """The settings of a node's links, from its optional arguments ``keys`` (folder), ``insecure`` and ``advertise`` (host).

    Raises:
        SecurityError: the keys cannot be used.
    """
    keys = arguments.get("keys")
    credentials = CurveCredentials(load_bundle(Path(keys), index)) if keys else None
    return LinkSettings(credentials=credentials, advertise=arguments.get("advertise"), insecure="insecure" in arguments)


def known_users(settings: LinkSettings) -> dict[int, str]:
    """The authenticated name of every node that may send to this one; empty without keys."""
    credentials = settings.credentials
    return credentials.users_by_index() if isinstance(credentials, CurveCredentials) else {}

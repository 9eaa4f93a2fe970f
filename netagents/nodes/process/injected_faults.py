"""Injected faults: what an experiment puts between a node's exchange and its transport."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from netagents.experiment import Experiment
from netagents.experiment.agent_fault_settings import AgentFault
from netagents.experiment.clock_settings import FreeRunningSettings
from netagents.messages import MONITOR, NEIGHBOUR_KINDS, Kind, Pace, node_name
from netagents.records.jsonl import JsonLinesWriter
from netagents.wire.links.link_layer import RELIABLE_KINDS, LinkLayer
from netagents.wire.links.link_model import link_faults
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.transport.message_history import LinkEvent
from netagents.wire.transport.transport import Listener


def faulty_feed(experiment: Experiment, node: int) -> FaultyFeed | None:
    """The delivery faults of a node; None if the experiment has none."""
    models = link_faults(experiment.faults)
    single = [fault for number, fault in enumerate(experiment.faults) if number not in models and not isinstance(fault, AgentFault)]
    return FaultyFeed(single, node, experiment.seed) if single else None


def link_layer(experiment: Experiment, node: int, listener: Listener, run: bytes, users: Mapping[int, str]) -> LinkLayer | None:
    """The link layer of a node; None for the monitor, and if the experiment has no models of links.

    Args:
        experiment: the settings.
        node: its index.
        listener: of the transport.
        run: 8 bytes that name the run.
        users: the authenticated name of each peer, where links have keys.
    """
    if node == MONITOR or not link_faults(experiment.faults):
        return None
    return LinkLayer(
        node,
        listener,
        experiment.faults,
        seed=experiment.seed,
        run=run,
        # Where a run continues without lost agents, those that wait for them notice it, and links do not end the run.
        deadline=experiment.timeouts.seconds("answer" if experiment.does_without else "exchange"),
        gives_up=experiment.does_without,
        reliable=reliable_kinds(experiment),
        users=users,
        history=None if experiment.runtime.history is None else _History(Path(experiment.runtime.history), node),
    )


def reliable_kinds(experiment: Experiment) -> frozenset[Kind]:
    """The kinds that are acknowledged and retransmitted.

    A free-running agent soon receives a newer State, so it uses the last one.  With bounded staleness States are retransmitted, because
    all agents would wait after too many losses, and no newer State would be sent.
    """
    if isinstance(experiment.clock, FreeRunningSettings):
        return frozenset(kind for kind in RELIABLE_KINDS if kind not in NEIGHBOUR_KINDS or kind.row.pace is not Pace.STEP)
    return RELIABLE_KINDS


class _History:
    """Appends the events of modelled links to ``FOLDER/agent_3.jsonl``."""

    def __init__(self, folder: Path, node: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = JsonLinesWriter(folder / f"{node_name(node).replace(' ', '_')}.jsonl")

    def __call__(self, event: LinkEvent) -> None:
        self._writer.write({"event": list(event)})

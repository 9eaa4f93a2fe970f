"""What an experiment's faults put between a node's exchange and the wire; nothing where none are configured."""

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
    """Faults of single deliveries at a node; None where the experiment has none."""
    models = link_faults(experiment.faults)
    single = [fault for number, fault in enumerate(experiment.faults) if number not in models and not isinstance(fault, AgentFault)]
    return FaultyFeed(single, node, experiment.seed) if single else None


def link_layer(experiment: Experiment, node: int, listener: Listener, run: bytes, users: Mapping[int, str]) -> LinkLayer | None:
    """The link layer of a node; None for the monitor, and where the experiment has no models of links.

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
        # Where a run goes on without an agent, whoever waits for it finds out, and nobody else ends over it.
        deadline=experiment.timeouts.seconds("answer" if experiment.does_without else "exchange"),
        gives_up=experiment.does_without,
        reliable=reliable_kinds(experiment),
        users=users,
        history=None if experiment.runtime.history is None else _History(Path(experiment.runtime.history), node),
    )


def reliable_kinds(experiment: Experiment) -> frozenset[Kind]:
    """The kinds that are acknowledged and sent again.

    A free-running agent has a newer State soon, and does with the last one.  With bounded staleness it is sent again: when
    too many in a row are lost, everybody waits, and nobody sends a newer one.
    """
    if isinstance(experiment.clock, FreeRunningSettings):
        return frozenset(kind for kind in RELIABLE_KINDS if kind not in NEIGHBOUR_KINDS or kind.row.pace is not Pace.STEP)
    return RELIABLE_KINDS


class _History:
    """Appends what happens on modelled links to ``FOLDER/agent_3.jsonl``."""

    def __init__(self, folder: Path, node: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = JsonLinesWriter(folder / f"{node_name(node).replace(' ', '_')}.jsonl")

    def __call__(self, event: LinkEvent) -> None:
        self._writer.write({"event": list(event)})

"""A message kind is one row: a made-up kind needs a message type and its row, and nothing else, to travel everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from experiments import line_msg

from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.messages import NEIGHBOUR_KINDS, Absence, Kind, Pace

MADE_UP = """
from typing import NamedTuple

import numpy as np

from netagents.messages import message_kinds
from netagents.messages.array_fields import FLOAT64, array_field
from netagents.messages.message_kinds import Absence, Kind, MessageRow, Pace, RadiusKind


class Gossip(NamedTuple):
    rumour: np.ndarray


row = MessageRow(
    Gossip, (array_field("rumour", FLOAT64, 2),), pace=Pace.ITERATION, phase=11, radius=RadiusKind.CRITIC, must_arrive=True,
    absence=Absence.ZERO, traffic=lambda facts, agent: ((Gossip(np.zeros((facts.horizon, facts.batch))), 1),),
)
# Python's enums are closed; these lines stand for the member that a developer would write into the class.
kind = int.__new__(Kind, 99)
kind._value_, kind._name_, kind.row = 99, "GOSSIP", row
Kind._member_map_["GOSSIP"] = Kind._value2member_map_[99] = kind
Kind._member_names_.append("GOSSIP")
message_kinds.NEIGHBOUR_KINDS = (*message_kinds.NEIGHBOUR_KINDS, kind)
import netagents.messages
netagents.messages.NEIGHBOUR_KINDS = message_kinds.NEIGHBOUR_KINDS
"""

EVERY_TRANSPORT = """
import sys

from netagents.errors import DecodeError
from netagents.experiment import Timeouts
from netagents.messages import Envelope
from netagents.wire import Exchange, Inbox, LinkSettings, open_transport
from netagents.wire.codec import Codec

sent = Gossip(np.arange(6.0).reshape(2, 3))
for scheme, address in {"memory": "memory://*", "unix": f"unix://{sys.argv[1]}/u%d", "ipc": f"ipc://{sys.argv[1]}/%d", "tcp": "tcp://127.0.0.1:0"}.items():
    transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.3))
    listeners = [transport.listen(address % node if "%d" in address else address) for node in range(2)]
    nodes = [
        Exchange(node, listener, Inbox(b"run-id-8", {kind: {0, 1}}, nodes=2), timeouts=Timeouts(exchange=10.0))
        for node, listener in enumerate(listeners)
    ]
    nodes[0].link(1, transport.connect(listeners[1].endpoint))
    nodes[0].send(sent, kind, 0, 0, (1,))
    (received,) = nodes[1].receive(0, kind, 0, (0,))
    assert type(received) is Gossip and np.array_equal(received.rumour, sent.rumour), scheme
    transport.close()
    print(scheme)
"""

A_WHOLE_RUN_KNOWS_IT = """
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.learning.protocol.missing_neighbours import LastKnown
from netagents.learning.protocol.requests import ExchangeRequest
from netagents.nodes.bootstrap.run_shapes import shapes_of
from netagents.studies.cost_model import predict
from netagents.wire.links.link_layer import RELIABLE_KINDS

document = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 4}, "kappa": 1, "learning": {"batch": 3, "horizon": 5}}
setup = prepare(load_experiment(document).experiment).setup
assert setup.in_neighbours(kind, 1) == (0, 2), "the radius of its row"
assert str(shapes_of(setup, 1)[kind, 0][0][0]) == "float64 (5, 3)", "the shapes of what is sent"
stand_in = LastKnown(setup, AgeCounts()).substitute(ExchangeRequest([], kind, 0, 0, (0,)), 0)
assert type(stand_in) is Gossip and stand_in.rumour.shape == (5, 3) and not stand_in.rumour.any(), "zeros in its absence"
assert kind in RELIABLE_KINDS, "sent again where links lose it"
cost = predict(setup)
assert cost.flows[kind, 1][:2] == (6, 6 * 5 * 3 * 8), "counted by the cost model"
muted = prepare(load_experiment(document, ["mute=[gossip@1]"]).experiment).setup
assert muted.in_neighbours(kind, 1) == (), "muted by its name"
print("known")
"""


def run(*parts: str, argument: str = "") -> list[str]:
    code = "\n".join(parts)
    result = subprocess.run([sys.executable, "-W", "error", "-c", code, argument], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_a_made_up_kind_travels_through_every_transport(tmp_path: Path) -> None:
    assert run(MADE_UP, EVERY_TRANSPORT, argument=str(tmp_path)) == ["memory", "unix", "ipc", "tcp"]


def test_shapes_absence_links_muting_and_costs_follow_from_its_row() -> None:
    assert run(MADE_UP, A_WHOLE_RUN_KNOWS_IT) == ["known"]


@pytest.mark.parametrize("kind", NEIGHBOUR_KINDS)
def test_a_kind_between_agents_says_what_is_sent_and_what_stands_for_it(kind: Kind) -> None:
    assert kind.row.traffic is not None
    assert kind.row.absence in Absence
    assert kind.row.pace is not Pace.CONTROL


def test_numbers_names_and_types_occur_once() -> None:
    assert len({int(kind) for kind in Kind}) == len(Kind) == len({kind.row.message for kind in Kind})
    assert Kind(12) is Kind.STATE
    phases = [kind.row.phase for kind in Kind if kind.row.pace is not Pace.CONTROL]
    assert len(set(phases)) == len(phases)


def test_muting_what_agents_never_send_is_one_line_that_names_what_they_send() -> None:
    document = line_msg(4, mute=["states"])
    with pytest.raises(ExperimentError, match=r"mute\.0: 'states' is no kind of message between agents; mute state, trace"):
        prepare(load_experiment(document).experiment)

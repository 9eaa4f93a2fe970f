"""The cost model says exactly what runs send."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import Outgoing
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Envelope, Kind
from netagents.records.ledger_view import LedgerView
from netagents.records.relay_view import RelayView
from netagents.studies.cost_model import Rates, default_rates, parse_link, predict
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import frame_bytes

LINE = {"kind": "line", "n": 6}
SHORT = {"iterations": 4, "batch": 4, "horizon": 5}
CASES: list[dict[str, Any]] = [
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 0},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 2, "kappa_policy": 1},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 2, "learning.credit": "shared_reward"},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 2, "utility": {"kind": "entropy"}, "learning.credit": "shared_reward"},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 5, "learning.task_weight": 0.0, "utility": {"kind": "entropy"}},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 2, "learning.evaluation": "fresh", "learning.evaluation_steps": 3},
    {
        "environment": {"kind": "line_msg"},
        "topology": LINE,
        "kappa": 2,
        "learning.evaluation": "fresh",
        "learning.credit": "shared_reward",
        "learning.evaluation_steps": 7,
    },
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 2, "mute": ["truncated_q@1", "state"]},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 1, "kappa_critic": [0, 1, 2, 3, 2, 1]},
    {"environment": {"kind": "random_networked", "states": 3}, "topology": {"kind": "ring", "n": 7}, "kappa": 2},
    {"environment": {"kind": "sis"}, "topology": {"kind": "star", "n": 6}, "kappa": 1},
    {"environment": {"kind": "wireless_spdac"}, "topology": {"kind": "access_grid", "rows": 3, "columns": 3}, "kappa": 1},
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 1, "learning.batch": 700, "learning.horizon": 9},
    {
        "environment": {"kind": "line_msg"},
        "topology": LINE,
        "kappa": 1,
        "learning.credit": "shared_reward",
        "agents": [
            {"agents": [1], "policy": {"kind": "mlp"}, "learning": {"algorithm": {"kind": "ppo"}}, "kappa_policy": 3},
            {"agents": [2], "role": "frozen"},
            {"agents": [4], "utility": {"kind": "entropy"}, "learning": {"task_weight": 0.0}, "kappa_critic": 2},
        ],
    },
]


POPULATION: dict[str, Any] = {
    "environment": {"kind": "line_msg"},
    "topology": LINE,
    "kappa": 2,
    "kappa_policy": 0,
    "agents": [{"agents": [1, 2, 3], "role": "population", "members": 2, "homes": [1, 3], "learners": 1, "generation": 2}],
}


AUDIT = {"every": 2, "visits": 4, "replicates": 2, "tail": 0.5}
AUDITED: list[dict[str, Any]] = [
    {"environment": {"kind": "line_msg"}, "topology": LINE, "kappa": 2, "kappa_policy": 1, "power.audit": {**AUDIT, "replicates": 128}},
    {**POPULATION, "power.audit": {**AUDIT, "every": 3, "holders": [0, 4]}},
]
"""The first needs several rollouts, of which the last is smaller."""


@pytest.mark.parametrize("case", [*CASES, POPULATION, *AUDITED], ids=range(len(CASES) + 3))
@pytest.mark.parametrize("iterations", [1, 4])
def test_messages_and_payload_equal_the_ledger_and_framed_bytes_what_the_codec_makes(case: dict[str, Any], iterations: int) -> None:
    merged = {f"learning.{key}": value for key, value in SHORT.items()} | case | {"learning.iterations": iterations}
    base = {"environment": merged.pop("environment"), "topology": merged.pop("topology")}
    prepared = prepare(load_experiment(base, merged).experiment)
    # Somebody looks, so every message is passed on by itself.
    network = InProcessNetwork(prepared.setup, prepared.environment, lambda *_: None)
    framed: dict[tuple[Kind, int], int] = {}
    codec, deliver = Codec(), network._deliver

    def spy(sender: int, outgoing: Outgoing) -> None:
        for receiver in outgoing.receivers:
            hop = 0 if min(sender, receiver) < 0 else prepared.topology.hops.distance(sender, receiver)
            envelope = Envelope(bytes(8), 0, sender, outgoing.kind, outgoing.iteration, outgoing.step, outgoing.message)
            key = (outgoing.kind, hop)
            framed[key] = framed.get(key, 0) + frame_bytes(codec.encode(envelope))
        deliver(sender, outgoing)

    network._deliver = spy  # type: ignore[method-assign]
    ledger: dict[tuple[Kind, int], list[int]] = {}
    for record in network.run(0, iterations):
        for _, kind, _, hop, messages, size in record.ledger.tolist():
            row = ledger.setdefault((Kind(kind), hop), [0, 0])
            row[0] += messages
            row[1] += size
    predicted = predict(prepared.setup).total(iterations)
    assert {key: [int(flow.messages), int(flow.payload)] for key, flow in predicted.items()} == ledger
    for key, flow in predicted.items():
        if key[0] is not Kind.REPORT:
            assert abs(flow.framed - framed[key]) <= 0.02 * framed[key], key


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_relayed_messages_and_payload_equal_what_the_ledger_says_of_links(case: dict[str, Any]) -> None:
    merged = {f"learning.{key}": value for key, value in SHORT.items()} | case | {"routing": "relay"}
    base = {"environment": merged.pop("environment"), "topology": merged.pop("topology")}
    prepared = prepare(load_experiment(base, merged).experiment)
    rows = np.concatenate([record.ledger for record in InProcessNetwork(prepared.setup, prepared.environment).run(0, 1)])
    changes = np.column_stack([np.zeros(len(rows), dtype=np.int64), rows])
    changes = changes[np.lexsort(changes[:, 3:0:-1].T)]
    carried = RelayView(prepared.setup, LedgerView(changes, 1))
    cost = predict(prepared.setup)
    assert {kind.name.lower(): (m, size) for kind, (m, size, _) in cost.relay.crossings.items()} == dict(carried.by_kind())
    assert (cost.relay.messages, cost.relay.payload) == tuple(carried.total) == cost.on_links()[:2]
    # An edge is crossed once by what goes to several agents behind it, so there are no more crossings than hops.
    assert cost.between_agents().messages <= cost.relay.messages <= cost.between_agents(hop_weighted=True).messages
    low, high = cost.relay.framed_range
    assert sum(framed for _, _, framed in cost.relay.crossings.values()) <= low <= high
    table = carried.table()
    pairs = {tuple(sorted(pair)) for pair in zip(table["sender"].tolist(), table["receiver"].tolist(), strict=True)}
    assert pairs <= set(prepared.topology.edges)
    assert len(pairs) <= cost.relay.links <= len(prepared.topology.edges)
    assert cost.sockets == cost.relay.sockets
    assert cost.sockets[1] <= 1 + max(len(near) for near in prepared.topology.adjacency)


@pytest.mark.parametrize("words", [["learning.credit=shared_q"], ["learning.credit=shared_reward"]], ids=str)
@pytest.mark.parametrize("name", ["rendezvous", "wireless_neural"])
def test_networks_masks_and_graphs_that_move_are_predicted_too(name: str, words: list[str]) -> None:
    short = ["learning.iterations=2", "learning.batch=2", "learning.horizon=4", "kappa_critic=1", "kappa_gradient=1"]
    loaded = load_experiment(f"launch/{name}.yaml", [*short, *words])
    prepared = prepare(loaded.experiment, loaded.base)
    ledger: dict[tuple[Kind, int], list[int]] = {}
    for record in InProcessNetwork(prepared.setup, prepared.environment).run(0, 2):
        for _, kind, _, hop, messages, size in record.ledger.tolist():
            row = ledger.setdefault((Kind(kind), hop), [0, 0])
            row[0] += messages
            row[1] += size
    assert {key: [int(flow.messages), int(flow.payload)] for key, flow in predict(prepared.setup).total(2).items()} == ledger


@pytest.mark.parametrize(
    ("words", "wakeups", "messages", "waits"),
    [
        (["kappa_policy=0"], 6, 12, 2),  # the server's step, and an action back
        (["kappa_policy=1"], 12, 12 + 10, 3),  # and neighbours' states
        (["kappa_policy=2"], 12, 12 + 18, 3),  # from two hops away, over links of their own
        (["kappa_policy=2", "routing=relay"], 18, 12 + 18, 4),  # or by way of a neighbour, who has to be woken first
        (["kappa_policy=2", "routing=relay", "information=aged"], 12, 12 + 18, 3),  # which nobody waits for if it may be old
    ],
    ids=str,
)
def test_a_step_is_made_of_wake_ups_and_messages(words: list[str], wakeups: int, messages: int, waits: int) -> None:
    base = {"environment": {"kind": "line_msg"}, "topology": LINE}
    cost = predict(prepare(load_experiment(base, words).experiment).setup)
    assert cost.step_work == (wakeups, messages)
    assert cost.waits == waits
    assert cost.step_seconds(rates=Rates(1.0, 0.0, 0.0)) == wakeups
    assert cost.step_seconds(rates=Rates(0.0, 1.0, 0.5)) == messages + 0.5
    # Between hosts each wait is a latency; learning's exchanges at the end of an iteration are spread over its steps.
    latency = cost.step_seconds(parse_link("1000Gbit/1s"), Rates(0.0, 0.0, 0.0))
    assert latency == pytest.approx(waits + cost.exchanges / cost.steps, rel=1e-3)


def test_a_link_is_read_with_its_units() -> None:
    assert parse_link("1Gbit/0.2ms")[1:] == (1e9, 0.2e-3)
    assert parse_link("250kbit")[1:] == (250e3, 0.0)


def test_links_of_one_host_have_rates_of_their_own() -> None:
    base = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 16}, "kappa": 1}
    cost = predict(prepare(load_experiment(base).experiment).setup)
    # Measured on two idle cores: 0.55 to 0.60 ms over unix, 1.49 ms over ipc.
    assert cost.step_seconds() == cost.step_seconds(rates=default_rates("unix")) == pytest.approx(0.575e-3, rel=0.05)
    for scheme in ("ipc", "tcp"):
        assert cost.step_seconds(rates=default_rates(scheme)) == pytest.approx(1.49e-3, rel=0.05)

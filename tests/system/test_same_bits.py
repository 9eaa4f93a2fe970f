"""The same experiment leaves the same bits under every launcher; a lost or a swapped message does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from live_run import LINE, WIRELESS, Settings, merged

import netagents
from netagents.errors import NodeFailedError
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

DELAYS: Settings = {"faults": [{"kind": "delay", "low": 0.0, "high": 0.001}]}
"""Every message arrives late, each by another time."""


def in_process(settings: Settings, path: Path) -> netagents.Run:
    return netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}, "faults": []}), directory=path)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
@pytest.mark.parametrize("settings", [LINE, WIRELESS], ids=["line_msg", "wireless"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_processes_leave_the_same_bits_as_one_process(seed: int, settings: Settings, credit: str, tmp_path: Path) -> None:
    agents = {"n": 6 + 2 * seed} if settings is LINE else {}
    selection = merged(settings, {"seed": seed, "topology": agents, "learning": {"credit": credit}})
    one = in_process(selection, tmp_path / "one")
    # Started in a random order, each message delayed by a random time; one of the twelve runs over tcp.
    transport = "tcp" if (seed, settings, credit) == (1, LINE, "shared_q") else "auto"
    local = {"runtime": {"launcher": "local", "start_order_seed": seed, "transport": transport}}
    many = netagents.run(merged(selection, DELAYS, local), directory=tmp_path / "many")
    assert many.state == one.state == "finished"
    assert same_bits(one, many) == []
    # The comparison compared something.
    assert len(many.iterations) == selection["learning"]["iterations"]
    assert len(many.power_readings()) == len(many.iterations)
    assert len(many.policies()) == many.n
    assert many.experiment.runtime.transport == transport


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("transport", ["unix", "ipc"])
def test_rounded_messages_leave_the_same_bits_over_every_transport(transport: str, precision: str, tmp_path: Path) -> None:
    settings = merged(
        LINE, {"topology": {"n": 4}, "utility": {"kind": "entropy"}, "learning": {"wire_precision": precision, "iterations": 3}}
    )
    one = in_process(settings, tmp_path / "one")
    many = netagents.run(merged(settings, {"runtime": {"transport": transport}}), directory=tmp_path / "many")
    assert same_bits(one, many) == []
    exact = in_process(merged(settings, {"learning": {"wire_precision": "float64"}}), tmp_path / "exact")
    assert same_bits(one, exact) != []


def test_another_seed_leaves_other_bits(tmp_path: Path) -> None:
    runs = [in_process(merged(LINE, {"seed": seed}), tmp_path / str(seed)) for seed in (0, 1)]
    assert any(line.startswith("parameters") for line in same_bits(*runs))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"message": "truncated_q", "sender": 1, "receiver": 3, "iteration": 1}, "truncated_q of iteration 1, step 0 from agent 1"),
        ({"message": "state", "sender": 4, "receiver": 3, "iteration": 2, "step": 5}, "state of iteration 2, step 5 from agent 4"),
        ({"message": "action", "sender": 2, "receiver": -1, "iteration": 1, "step": 3}, "action of iteration 1, step 3 from agent 2"),
        ({"message": "step", "sender": -1, "receiver": 5, "iteration": 0, "step": 7}, "step of iteration 0, step 7 from environment"),
    ],
    ids=lambda value: value["message"] if isinstance(value, dict) else "",
)
def test_a_lost_message_ends_the_run_and_is_named(fault: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = merged(LINE, {"faults": [{"kind": "drop", **fault}], "timeouts": {"exchange": 1.5}})
    with pytest.raises(NodeFailedError) as caught:
        netagents.run(settings, directory=tmp_path / "lost")
    # Whoever's patience ended first is named; so is the wait that all others follow from.
    line = str(caught.value)
    assert "exit code 11" in line
    assert "waited 1.5 s for" in line
    assert message in line
    receiver = fault["receiver"]
    assert ("environment" if receiver < 0 else f"agent_{receiver}") in line
    lost = netagents.Run.open(tmp_path / "lost")
    assert lost.state == "failed"
    assert message in lost.ending["line"]
    one = in_process(settings, tmp_path / "one")
    assert same_bits(one, lost) != []


def test_swapped_messages_leave_other_bits(tmp_path: Path) -> None:
    # An agent in the middle hears the values of its two neighbours under each other's name, once.
    swap = {"kind": "swap", "message": "truncated_q", "senders": [2, 4], "receiver": 3, "iteration": 0}
    swapped = netagents.run(merged(LINE, {"faults": [swap]}), directory=tmp_path / "swapped")
    differences = same_bits(in_process(LINE, tmp_path / "one"), swapped)
    assert any(line.startswith("parameters: policy.logits of agent 3") for line in differences), differences

"""What agents are made of, by hand: roles, the dial, a lottery of interventions, populations and memory leave the bits of one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from live_run import LINE, Settings, merged
from node_windows import ByHand

import netagents
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SMALL: Settings = merged(LINE, {"topology": {"n": 3}, "kappa": 1, "learning": {"iterations": 4}, "checkpoints": {"every": 2}})

SETTINGS: dict[str, Settings] = {
    "mixed roles": merged(SMALL, {"agents": [{"agents": [0], "role": "adversary"}, {"agents": [1], "role": "frozen", "greedy": True}]}),
    "dial": merged(SMALL, {"kappa_gradient": 2, "agents": [{"agents": [0, 2], "incentive": {"kind": "alpha", "alpha": 0.5}, "start": 1}]}),
    "intervention lottery": merged(
        SMALL, {"kappa": 2, "interventions": [{"kind": "sbpr", "probability": 0.3}, {"kind": "random", "agents": [1], "probability": 0.3}]}
    ),
    "population": {
        "environment": {"kind": "game", "horizon": 6, "rules": {"kind": "stag_hunt"}, "memory": "last_action"},
        "topology": {"kind": "complete", "n": 3},
        "kappa": 1,
        "kappa_policy": 0,
        "learning": {"iterations": 4, "batch": 8},
        "checkpoints": {"every": 2},
        "agents": [{"agents": [0, 1, 2], "role": "population", "members": 2, "homes": [0, 1], "learners": 1, "generation": 2}],
    },
    "memory": {
        "environment": {"kind": "cue_recall", "cues": 2, "delay": 2},
        "topology": {"kind": "line", "n": 2},
        "kappa": 1,
        "policy": {"kind": "gru", "units": 4},
        "learning": {"iterations": 3, "batch": 8, "algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [4], "steps": 2}}},
        "timeouts": {"exchange": 120},  # the first update imports torch
    },
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_nodes_started_by_hand_leave_the_bits_of_one_process(kind: str, tmp_path: Path, shell: ByHand) -> None:
    settings = SETTINGS[kind]
    file = tmp_path / "experiment.yaml"
    file.write_text(json.dumps(settings))
    listen = ["--listen", "tcp://127.0.0.1:0", "--announce", str(tmp_path / "address"), "--out", str(tmp_path / "run")]
    roles = ["monitor", *(f"agent-{i}" for i in range(settings["topology"]["n"]))]
    shell.node("environment", "environment", "--experiment", str(file), *listen)
    for role in roles:
        shell.node(role, role, "--join", f"file://{tmp_path}/address")
    codes = {role: shell.code(role, 120.0) for role in ("environment", *roles)}
    assert set(codes.values()) == {0}, {role: shell.log_lines(role) for role in codes}
    by_hand = netagents.Run.open(tmp_path / "run")
    assert by_hand.state == "finished"
    one = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, by_hand) == []
    assert len(by_hand.iterations) == settings["learning"]["iterations"]


def test_a_population_that_was_ended_goes_on_by_hand_to_the_same_bits(tmp_path: Path, shell: ByHand) -> None:
    settings = merged(SETTINGS["population"], {"learning": {"iterations": 3}})
    netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "run")
    whole = netagents.run(merged(SETTINGS["population"], {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "whole")
    listen = ["--listen", "tcp://127.0.0.1:0", "--announce", str(tmp_path / "address")]
    shell.node("environment", "environment", "learning.iterations=4", "--resume", str(tmp_path / "run"), *listen)
    for role in ("monitor", "agent-0", "agent-1", "agent-2"):
        shell.node(role, role, "--join", f"file://{tmp_path}/address")
    assert shell.code("environment", 60.0) == 0, shell.log_lines("environment")
    assert same_bits(whole, netagents.Run.open(tmp_path / "run")) == []

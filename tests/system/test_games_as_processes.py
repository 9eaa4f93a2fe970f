"""Games as processes: the same bits as in one process, in tables and in networks, on graphs that stand still and that move."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_run import Settings, merged

import netagents
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

TABLES: Settings = {"kappa": 1, "learning": {"iterations": 3, "batch": 4, "horizon": 6}}

NETWORKS: Settings = merged(
    TABLES,
    {
        "policy": {"kind": "mlp", "hidden": [8]},
        "learning": {"algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [8], "steps": 2}}},
    },
)


def complete(n: int) -> Settings:
    return {"kind": "complete", "n": n}


GAMES: dict[str, Settings] = {
    "file": {**TABLES, "environment": {"kind": "game", "rules": {"kind": "file", "path": "coin.yaml"}}, "topology": complete(2)},
    "rely": {**TABLES, "environment": {"kind": "game", "rules": {"kind": "rely"}, "memory": "last_action"}, "topology": complete(4)},
    "gathering": {**TABLES, "environment": {"kind": "gathering", "cells": 5, "sight": 1}, "topology": complete(3)},
    "load_balancing": {**TABLES, "environment": {"kind": "load_balancing"}, "topology": {"kind": "ring", "n": 4}},
    "predator_prey": {**NETWORKS, "environment": {"kind": "predator_prey", "side": 4, "sight": 1}, "topology": complete(3)},
    "matrix_grid": {**NETWORKS, "environment": {"kind": "matrix_grid", "freeze": 1}, "topology": complete(2)},
    "kitchen": {
        **NETWORKS,
        "environment": {
            "kind": "kitchen",
            "observation": "local",
            "graph": "proximity",
            "random_start": True,
            "shaping": {"until_iteration": 2},
        },
        "topology": complete(3),
    },
}

COIN = """\
players: 2
actions: [heads, tails]
states: [heads, tails]
start: {heads: 0.5, tails: 0.5}
rewards: {heads: [[1, 0], [0, 0]], tails: [[0, 0], [0, 1]]}
transitions:
  heads: [[{heads: 0.5, tails: 0.5}, heads], [tails, tails]]
  tails: [[heads, tails], [heads, {heads: 0.1, tails: 0.9}]]
"""


@pytest.mark.parametrize("name", GAMES)
def test_processes_leave_the_same_bits_as_one_process(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("coin.yaml").write_text(COIN)
    one, many = (
        netagents.run(merged(GAMES[name], {"runtime": {"launcher": launcher}}), directory=tmp_path / launcher)
        for launcher in ("in_process", "local")
    )
    assert one.state == many.state == "finished"
    assert same_bits(one, many) == []
    assert len(many.iterations) == 3

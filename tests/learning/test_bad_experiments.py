"""What cannot work is said in one clear line, before a run directory or a process exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents import run
from netagents.errors import NetagentsError

BASE: dict[str, Any] = line_msg(3)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"utility": {"kind": "kl", "target": [1.0, 0.0]}},
            "agent 0, utility: the target is 0 at state 1, which is visited with probability",
        ),
        ({"utility": {"kind": "kl", "target": [0.6, 0.3]}}, "agent 0, utility: the target sums to 0.9; probabilities sum to 1"),
        (
            {"constraints": [{"utility": {"kind": "entropy"}, "threshold": 0.8}]},
            "agent 0, constraints[0]: no policy can meet entropy >= 0.8: its largest possible value is 0.735757",
        ),
        (
            {"constraints": [{"utility": {"kind": "kl", "target": [1.0, 0.0]}, "threshold": -0.1}]},
            "agent 0, constraints[0].utility: the target is 0 at state 1",
        ),
        (
            {"constraints": [{"utility": {"kind": "entropy"}, "threshold": 0.1, "agents": [5]}]},
            "constraints[0].agents: there is no agent 5; agents are 0 to 2",
        ),
        (
            {"utility": {"kind": "per_agent", "groups": [{"agents": [9], "utility": {"kind": "entropy"}}]}},
            "utility.groups[0].agents: there is no agent 9; agents are 0 to 2",
        ),
        ({"utility": {"kind": "import:nowhere:X"}}, "agent 0, utility.kind 'import:nowhere:X': importing nowhere failed"),
        ({"environment": {"kind": "import:nowhere:X"}}, "environment.kind 'import:nowhere:X': importing nowhere failed"),
        ({"policy": {"kind": "import:nowhere:X"}}, "agent 0, policy.kind 'import:nowhere:X': importing nowhere failed"),
        ({"policy": {"kind": "import:numpy:nothing"}}, "module numpy has no 'nothing'; write import:package.module:Class"),
        ({"policy": {"kind": "import:numpy:zeros"}}, "agent 0, policy.kind 'import:numpy:zeros': calling it with (window, state_sizes"),
        ({"policy": {"kind": "softmaxx"}}, "policy.kind: no policy is called 'softmaxx'; choose one of gru, mlp, softmax"),
        (
            {"kappa": 2, "learning": {"batch": 4, "horizon": 5, "critic": {"full_table_limit": 1, "visited_limit": 10}}},
            "learning.critic.visited_limit: one batch of agent 0 can have 20 different keys, and its critic keeps 10; set it to",
        ),
        ({"learning": {"evaluation_steps": 5}}, "evaluation_steps belongs to evaluation fresh; set evaluation: fresh"),
        ({"learning": {"schedule": {"kind": "linear"}}}, "learning.schedule.over"),
    ],
)
def test_it_is_one_line_and_nothing_is_written(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    with pytest.raises(NetagentsError) as caught:
        run({**BASE, **change, "runtime": {"directory": str(tmp_path / "runs"), "launcher": "in_process"}})
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()

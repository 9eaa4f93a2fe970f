"""Faults of agents and links that a run does not have are one line, before anything is written."""

from __future__ import annotations

from typing import Any

import pytest
from experiments import line_msg

from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare

LINE = line_msg(6, kappa=2)


def failure(*faults: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ExperimentError) as caught:
        prepare(load_experiment({**LINE, **changes, "faults": list(faults)}).experiment)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            {"kind": "link", "edges": [[0, 1], [1, 4]]},
            "faults.0.edges: agent 1 and agent 4 have no link: neither is within a radius of the other; name two that talk to each other",
        ),
        ({"kind": "link", "edges": [[0, 6]]}, "faults.0: there is no agent 6; agents are 0 to 5"),
        (
            {"kind": "partition", "groups": [[0, 1, 2, 3, 4, 5]]},
            "faults.0.groups: the partition cuts nothing: all agents stand in one group; leave some out",
        ),
        ({"kind": "link", "agents": [3, 9]}, "faults.0: there is no agent 9; agents are 0 to 5"),
        ({"kind": "partition", "groups": [[0, 1], [6]]}, "faults.0: there is no agent 6; agents are 0 to 5"),
        (
            {"kind": "drop", "message": "state", "sender": 8, "receiver": 0, "iteration": 1},
            "faults.0: there is no agent 8; agents are 0 to 5",
        ),
        (
            {"kind": "swap", "message": "state", "senders": [1, 6], "receiver": 0, "iteration": 1},
            "faults.0: there is no agent 6; agents are 0 to 5",
        ),
        ({"kind": "link", "start": 3, "until": 3}, "faults.0: until 3 must be above start 3, or it never acts"),
        ({"kind": "partition", "groups": [[0]], "start": 9, "until": 2}, "faults.0: until 2 must be above start 9, or it never acts"),
        ({"kind": "link", "jitter": 0.2, "delay": 0.1}, "faults.0: jitter 0.2 is above delay 0.1; nothing arrives before it was sent"),
        ({"kind": "link", "reorder": 0.2}, "faults.0: reorder needs a delay, which those that overtake do not take"),
        ({"kind": "link", "one_way": True}, "faults.0: one_way needs edges as pairs"),
        ({"kind": "link", "edges": [[2, 2]]}, "faults.0: edges: [2, 2] is no link; name two ends"),
        ({"kind": "link", "edges": [[2]]}, "faults.0.edges.0.1: is missing"),
        ({"kind": "link", "loss": 1.5}, "faults.0.loss: must be at most 1.0, not 1.5"),
        ({"kind": "link", "edges": "servers"}, "faults.0.edges: unknown choice 'servers'; did you mean 'server'? (known: "),
        (
            {"kind": "link", "loss": 0.6},
            "faults: environment -> agent 0 loses 60% and 60% on the way back: 16% of what is sent would be acknowledged, and below 25% "
            "sending again is given up; lose at most 50% both ways or 75% one way, or use failures.agent: continue_without",
        ),
        ({"kind": "link", "edges": [[2, 3]], "one_way": True, "loss": 0.8}, "faults: agent 2 -> agent 3 loses 80% and 0% on the way back"),
        ({"kind": "link", "edges": [[2, 3]], "loss": 1.0, "start": 2, "until": 4}, "faults: agent 2 -> agent 3 loses 100% and 100% on"),
        ({"kind": "partition", "groups": [[0, 1], [1]]}, "faults.0: groups: agent 1 stands in group 0 and in group 1"),
        ({"kind": "partition", "groups": [[0]], "server": 1}, "faults.0: server: there is no group 1; groups are 0 to 0"),
    ],
)
def test_a_fault_that_cannot_be_is_one_line(fault: dict[str, Any], line: str) -> None:
    assert failure(fault).startswith(line)


def test_links_are_those_that_messages_pass_over() -> None:
    fault = {"kind": "link", "edges": [[0, 2], [3, -1]], "loss": 0.1}
    prepare(load_experiment({**LINE, "faults": [fault]}).experiment)
    # With a smaller radius, or where neighbours hand messages on, these two have no link.
    assert "agent 0 and agent 2 have no link" in failure(fault, kappa=1)
    assert "agent 0 and agent 2 have no link" in failure(fault, routing="relay")
    # One radius of one agent is enough, whoever needs whom.
    prepare(load_experiment({**LINE, "kappa": 1, "kappa_critic": [2, 1, 1, 1, 1, 1], "faults": [fault]}).experiment)


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ({"kind": "link", "loss": 0.5}, {}),
        ({"kind": "link", "edges": [[2, 3]], "one_way": True, "loss": 0.75}, {}),
        # Messages are given up one by one there.
        ({"kind": "link", "loss": 0.8}, {"failures": {"agent": "continue_without"}}),
        ({"kind": "link", "loss": 0.9, "start": 1000}, {}),
    ],
)
def test_what_loses_less_or_never_acts_is_no_error(fault: dict[str, Any], changes: dict[str, Any]) -> None:
    prepare(load_experiment({**LINE, **changes, "faults": [fault]}).experiment)

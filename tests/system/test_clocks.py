"""The clocks with real processes: bounds that hold, a bound of 0 that is lockstep to the bit, and a world that waits for nobody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from live_run import LINE, Settings, merged
from oracle_run import Oracle, assert_same_parameters

import netagents
from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.messages import Kind
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

STEPS = 10


def staleness(run: netagents.Run) -> dict[str, Any]:
    return next((event for event in run.events if event["event"] == "staleness"), {})


def uses(run: netagents.Run) -> dict[tuple[str, str], dict[str, int]]:
    """(agent, kind) -> age -> uses."""
    return {(agent, kind): bins for agent, kinds in staleness(run).get("ages", {}).items() for kind, bins in kinds.items()}


def test_a_bound_of_0_is_lockstep_to_the_bit(tmp_path: Path) -> None:
    delays: Settings = {"faults": [{"kind": "delay", "low": 0.0, "high": 0.002}]}
    clock: Settings = {"clock": {"kind": "bounded_staleness", "steps": 0, "grace": 0.0}}
    bounded = netagents.run(merged(LINE, delays, clock), directory=tmp_path / "bounded")
    plain = netagents.run(merged(LINE, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "plain")
    assert same_bits(plain, bounded) == []
    assert uses(bounded) == {}


def test_nothing_older_than_the_bound_is_used_and_every_use_is_counted(tmp_path: Path) -> None:
    # Whatever agent 2 says to agent 3 takes longer than a step.
    link: Settings = {"faults": [{"kind": "link", "edges": [[2, 3]], "one_way": True, "delay": 0.02}]}
    clock: Settings = {"clock": {"kind": "bounded_staleness", "steps": 2, "grace": 0.0}}
    iterations = 12
    run = netagents.run(merged(LINE, link, clock, {"learning": {"iterations": iterations}}), directory=tmp_path / "run")
    counted = uses(run)
    assert {age for bins in counted.values() for age in bins} <= {"0", "1", "2"}
    setup = run.setup
    for (agent, kind), bins in counted.items():
        index = int(agent.split()[1])
        neighbours = len(setup.in_neighbours(Kind[kind.upper()], index))
        assert sum(bins.values()) == iterations * neighbours * (STEPS + 1 if kind == "state" else 1), (agent, kind)
    late = counted["agent 3", "state"]
    # At step 0 there is nothing older; beyond it the state of agent 2 is never there in time.
    assert late.get("1", 0) + late.get("2", 0) >= iterations * STEPS * 0.5
    assert run.state == "finished"


def test_the_world_runs_free_of_a_slow_agent(tmp_path: Path) -> None:
    clock: Settings = {"clock": {"kind": "free_running", "period": 0.004}}
    slow: Settings = {"faults": [{"kind": "slow", "agent": 3, "seconds": 0.02}]}
    iterations = 6
    run = netagents.run(merged(LINE, clock, slow, {"learning": {"iterations": iterations}}), directory=tmp_path / "run")
    assert run.state == "finished"
    assert len(run.iterations) == iterations
    links = {tuple(row[:3]): int(row[4]) for row in run.ledger.links.tolist()}
    for agent in range(6):
        # As many steps of its own as in lockstep, out of more ticks than that.
        assert links[agent, int(Kind.ACTION), -1] == iterations * STEPS
        assert links[-1, int(Kind.STEP), agent] > iterations * (STEPS + 1)
    ticks = links[-1, int(Kind.STEP), 0] - iterations
    # The slow agent takes five ticks for each of its steps, and the world went on meanwhile.
    assert ticks >= iterations * STEPS * 3
    for agent in range(6):
        ages = staleness(run)["actions"][f"agent {agent}"]
        assert sum(ages.values()) == ticks
        assert sum(count for age, count in ages.items() if int(age) >= 2) > 0.3 * ticks
    # What it says ages with it.
    assert any(int(age.split()[0]) >= 2 for age in uses(run)["agent 2", "state"])
    assert np.isfinite(run.returns).all()


@pytest.mark.parametrize(
    ("straggler", "stand_in", "late"),
    [
        ({"kind": "drop_step", "after": 0.1}, "noop", range(4, STEPS)),
        ({"kind": "use_last", "after": 0.1, "max_age": 20}, "last", range(4, STEPS)),
        ({"kind": "use_last", "after": 0.1, "max_age": 2}, "last", range(4, 6)),
    ],
    ids=["drop_step", "use_last", "use_last_at_most_twice"],
)
def test_a_straggler_is_replaced_and_all_learn_from_what_was_executed(
    straggler: Settings, stand_in: str, late: range, start: Starter
) -> None:
    # Nobody needs its states, so that it alone is late: from step 4 of iteration 3 on, for longer than the steps that are left.
    settings = merged(LINE, {"kappa_policy": 0, "learning": {"iterations": 7}})
    frozen: Settings = {"faults": [{"kind": "freeze", "agent": 3, "iteration": 3, "step": 4, "seconds": 2.0}]}
    run = start(merged(settings, frozen, {"clock": {"kind": "lockstep", "straggler": straggler}}))
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert staleness(run.records)["late"] == {"agent 3": len(late)}
    # It stands in the records as soon as it happens, before the checkpoint and the end.
    names = [event["event"] for event in run.records.events]
    first = next(event for event in run.records.events if event["event"] == "late")
    assert first["late"]["agent 3"] >= 1
    assert first["iteration"] == 3
    assert names.index("late") < names.index("traffic")
    refused = next(event for event in run.records.events if event["event"] == "traffic")["refused"]["environment"]
    assert refused["late"] == len(late)
    oracle = Oracle(settings, stand_in, replaced=[(3, 3, step) for step in late])
    assert_same_parameters(run, oracle, list(range(6)))
    # What the agents count is what the server counts, the replaced steps included.
    own = run.records.agent_metric("return").mean(axis=1)
    assert own == pytest.approx(run.records.returns, rel=1e-12)
    # What was executed travelled: a byte for each of the 8 copies.
    steps = {row[2]: row[4:6] for row in run.records.ledger.links.tolist() if row[1] == int(Kind.STEP)}
    assert steps[3][0] == steps[2][0]
    assert steps[3][1] - steps[2][1] == 8 * len(late)


@pytest.mark.parametrize("credit", ["shared_q", "shared_reward"])
def test_random_actions_are_the_same_under_both_launchers_and_teach_the_policy_nothing(credit: str, tmp_path: Path) -> None:
    fault: Settings = {"faults": [{"kind": "random_actions", "agent": 2}, {"kind": "random_actions", "agent": 4, "start": 1, "until": 3}]}
    settings = merged(LINE, fault, {"learning": {"credit": credit}})
    one = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    many = netagents.run(settings, directory=tmp_path / "many")
    assert same_bits(one, many) == []
    assert (many.parameters(2)["policy.logits"] == 0.0).all()
    assert (many.parameters(4)["policy.logits"] != 0.0).any()
    plain = netagents.run(
        merged(LINE, {"learning": {"credit": credit}, "runtime": {"launcher": "in_process"}}), directory=tmp_path / "plain"
    )
    assert same_bits(plain, many) != []


def test_what_needs_processes_is_refused_without_them() -> None:
    alone: Settings = {"runtime": {"launcher": "in_process"}}
    for clock in ({"kind": "bounded_staleness", "steps": 1}, {"kind": "free_running", "period": 0.1}):
        with pytest.raises(ExperimentError, match=f"clock {clock['kind']} needs processes"):
            load_experiment(merged(LINE, alone, {"clock": clock}))
    with pytest.raises(ExperimentError, match="straggler use_last needs processes"):
        load_experiment(merged(LINE, alone, {"clock": {"kind": "lockstep", "straggler": {"kind": "use_last"}}}))

"""What happens, where it happens, and what is to be done about it: every cell ends as promised, in time, and leaves nothing.

The matrix is one agent's crash and freeze in every phase under every policy, each started in another order.  The usual tests take one half
of it; ``make chaos`` takes the other, and draws more cells at random.
"""

from __future__ import annotations

import signal
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from live_run import LINE, WIRELESS, LiveRun, Settings, merged, patience, undisturbed
from oracle_run import Oracle, assert_same_parameters

import netagents
from netagents.experiment.timeouts import Timeouts
from netagents.records.process_log import read_log
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

EXCHANGE, ANSWER = 2.0, 0.8
"""Deadlines, in seconds: of one phase, and for a sign of life."""

LINGER = Timeouts().seconds("linger")

KINDS = ("crash", "freeze")
POLICIES = ("stop_all", "restart", "continue_without")
PHASES = ("sample", "trace", "shadow_reward", "truncated_q")


class Cell(NamedTuple):
    """Who is struck by what, where, under which policy, and in which order the processes start."""

    kind: str
    phase: str
    policy: str
    order: int
    agent: int = 2
    iteration: int = 5
    step: int = 4
    base: Settings = LINE

    @property
    def settings(self) -> Settings:
        fault = {"kind": self.kind, "agent": self.agent, "iteration": self.iteration, "phase": self.phase, "step": self.step}
        return merged(
            self.base,
            {
                "learning": {"iterations": 9},
                "faults": [{**fault, **({"seconds": 600.0} if self.kind == "freeze" else {})}],
                "failures": {"agent": self.policy, "delay": 0.1, "restarts": 2},
                "checkpoints": {"every": 3},
                "timeouts": {"exchange": EXCHANGE, "answer": ANSWER},
                "runtime": {"start_order_seed": self.order},
            },
        )

    @property
    def undisturbed(self) -> Settings:
        return merged(self.settings, {"faults": [], "failures": {"agent": "stop_all"}, "runtime": {"launcher": "in_process"}})

    @property
    def deadline(self) -> float:
        """Seconds within which somebody must have noticed."""
        if self.kind == "crash":
            # The end is written down when all others are home, who first give their last messages time to leave.
            return LINGER if self.policy == "stop_all" else 0.0
        return EXCHANGE if self.policy == "stop_all" else ANSWER


def struck(run: LiveRun, agent: int) -> float:
    """When the fault struck, as the agent itself wrote it down last."""
    entries = list(read_log(run.path / "logs" / f"agent_{agent}.jsonl"))
    (entry,) = [entry for entry in entries if str(entry.get("message", "")).startswith("scheduled ")]
    return float(entry["time"])


def check(cell: Cell, start: Starter, tmp_path: Path) -> None:
    run = start(cell.settings)
    ended = run.ended(60.0)
    run.assert_nothing_left()
    records = run.records
    noticed = {"stop_all": "failed", "restart": "restarted", "continue_without": "lost"}[cell.policy]
    event = next(event for event in records.events if event["event"] == noticed)
    # A deadline is kept to a second; a busy machine gets more.
    assert event["time"] - struck(run, cell.agent) <= cell.deadline + patience(1.0), event
    if cell.policy == "stop_all":
        assert ended.code == 10, ended.err
        role = f"agent_{cell.agent}"
        if cell.kind == "crash":
            assert ended.last_line.startswith(f"netagents: error: {role}: killed by SIGKILL"), ended.last_line
        else:
            assert f"from agent {cell.agent}" in ended.last_line, ended.last_line
        assert records.state == "failed"
        return
    assert ended.code == 0, ended.err
    assert records.state == "finished"
    assert event["agent"] == cell.agent
    if cell.policy == "restart":
        undisturbed = netagents.run(cell.undisturbed, directory=tmp_path / "undisturbed")
        assert same_bits(undisturbed, records) == []
    else:
        assert event["line"] == ("was killed by SIGKILL" if cell.kind == "crash" else f"gave no sign of life for {ANSWER:g} s")
        oracle = Oracle(cell.undisturbed, "noop", {cell.agent: event["iteration"]})
        assert_same_parameters(run, oracle, [agent for agent in range(records.n) if agent != cell.agent])


CELLS = [Cell(kind, phase, policy, order) for order, (kind, phase, policy) in enumerate(product(KINDS, PHASES, POLICIES))]
# Every phase under every policy, with either kind in turn; the other half of the matrix belongs to the long tests.
USUAL = [cell for cell in CELLS if (KINDS.index(cell.kind) + PHASES.index(cell.phase)) % 2 == 0]
WHOLE = [cell if cell in USUAL else pytest.param(cell, marks=pytest.mark.chaos) for cell in CELLS]


@pytest.mark.parametrize("cell", WHOLE, ids=lambda cell: f"{cell.kind}-{cell.phase}-{cell.policy}")
def test_every_cell_ends_as_promised(cell: Cell, start: Starter, tmp_path: Path) -> None:
    check(cell, start, tmp_path)


def test_a_stopped_agent_is_killed_and_started_again(start: Starter, tmp_path: Path) -> None:
    """SIGSTOP from outside, which the agent cannot even sleep through: it is found silent, and the bits are those of no failure."""
    settings = merged(Cell("freeze", "sample", "restart", 0).settings, {"faults": [], "learning": {"iterations": 60}})
    run = start(settings)
    run.wait_for_rows(3)
    run.send("agent_2", signal.SIGSTOP)
    stopped = time.time()
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    event = next(event for event in run.records.events if event["event"] == "restarted")
    assert event["agent"] == 2
    assert event["time"] - stopped <= ANSWER + patience(1.0)
    assert same_bits(undisturbed(settings, tmp_path / "undisturbed"), run.records) == []


@pytest.mark.chaos
@pytest.mark.parametrize("number", range(100))
def test_cells_drawn_at_random_end_as_promised(number: int, start: Starter, tmp_path: Path) -> None:
    chance = np.random.default_rng(number)
    base = WIRELESS if number % 3 == 0 else LINE
    cell = Cell(
        str(chance.choice(KINDS)),
        str(chance.choice(PHASES)),
        POLICIES[number % 3] if number % 2 else str(chance.choice(POLICIES)),
        number,
        agent=int(chance.integers(6)),
        iteration=int(chance.integers(9)),
        step=int(chance.integers(8)),
        base=base,
    )
    check(cell, start, tmp_path)

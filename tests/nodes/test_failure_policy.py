"""The server's failure policy and participation as tables: every cell, and what holds after any sequence of events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.experiment import load_experiment
from netagents.nodes.server.failure_policy import TABLES, AgentEvent, AgentState, FailurePolicy, PolicyAction, Replacement
from netagents.nodes.server.participation import STAGES, MemberEvent, Participation, Rollback, Stage
from netagents.nodes.server.transition_table import read_table

AGENTS = 3
POLICIES = ("stop_all", "restart", "continue_without")
ENDING = {PolicyAction.FAIL, PolicyAction.GIVE_UP}


def policy(agent: str, straggler: dict[str, Any] | None = None) -> FailurePolicy:
    settings: dict[str, Any] = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": AGENTS},
        "failures": {"agent": agent},
        "clock": {"kind": "lockstep", **({} if straggler is None else {"straggler": straggler})},
    }
    return FailurePolicy(load_experiment(settings).experiment, AGENTS)


# What brings an agent of a new run into each state.
WAYS: dict[AgentState, tuple[AgentEvent, ...]] = {
    AgentState.TAKING_PART: (),
    AgentState.LATE: (AgentEvent.ACTION_OVERDUE,),
    AgentState.ASKED: (AgentEvent.MESSAGE_OVERDUE,),
    AgentState.SILENT: (AgentEvent.MESSAGE_OVERDUE, AgentEvent.NO_ANSWER),
    AgentState.RESTARTING: (AgentEvent.FAILED,),
    AgentState.LOST: (AgentEvent.DEADLINE,),
}

CELLS = [(name, state, event) for name in POLICIES for state, event in TABLES[name]]


@pytest.mark.parametrize(
    ("name", "state", "event"), CELLS, ids=[f"{name}-{state}-{event}".replace(" ", "_") for name, state, event in CELLS]
)
def test_every_cell_does_what_its_row_promises(name: str, state: AgentState, event: AgentEvent) -> None:
    machine = policy(name)
    for step in WAYS[state]:
        machine.handle(1, step)
    assert machine.state(1) is state, "every column can be reached"
    actions = machine.handle(1, event)
    after = machine.state(1)
    if state is AgentState.LOST:
        assert (after, actions) == (AgentState.LOST, ())
        return
    expected: dict[AgentEvent, tuple[AgentState, tuple[PolicyAction, ...]]] = {
        AgentEvent.HELLO_AGAIN: (AgentState.TAKING_PART, (PolicyAction.RESTORE,)),
        AgentEvent.BEGIN: (AgentState.TAKING_PART, ()),
        AgentEvent.DEADLINE: (AgentState.LOST, (PolicyAction.GIVE_UP,)),
    }
    if event in expected:
        assert (after, actions) == expected[event]
    elif event is AgentEvent.GONE:
        assert after is AgentState.LOST
        assert actions == ((PolicyAction.DROP,) if name == "continue_without" else (PolicyAction.FAIL,))
    elif event is AgentEvent.FAILED:
        target = {"stop_all": AgentState.LOST, "restart": AgentState.RESTARTING, "continue_without": AgentState.LOST}[name]
        assert after is (AgentState.SILENT if state is AgentState.SILENT else target)
        assert (PolicyAction.FAIL in actions, PolicyAction.DROP in actions) == (name == "stop_all", name == "continue_without")
    elif event is AgentEvent.MISBEHAVED:
        # A liar is done with whatever it was doing: it ends the run, is killed and started again, or is done without.
        assert after is {"stop_all": AgentState.LOST, "restart": AgentState.SILENT, "continue_without": AgentState.LOST}[name]
        assert (PolicyAction.FAIL in actions, PolicyAction.DROP in actions) == (name == "stop_all", name == "continue_without")
        assert (PolicyAction.REPORT in actions) == (name != "stop_all")
    elif event is AgentEvent.NO_ANSWER:
        # Only who was asked is judged; the launcher decides whether the process has had its time.
        judged = state in (AgentState.ASKED, AgentState.SILENT, AgentState.RESTARTING)
        assert (PolicyAction.REPORT in actions) == judged
        assert (PolicyAction.NOTE in actions) == (judged and state is not AgentState.SILENT)
        assert (PolicyAction.DROP in actions) == (judged and name == "continue_without")
        if judged:
            assert after is (AgentState.LOST if name == "continue_without" else AgentState.SILENT)
    elif event is AgentEvent.MESSAGE_OVERDUE:
        assert (PolicyAction.ASK in actions) == (name != "stop_all")
        assert (1 in machine.unanswered([1])) == (name != "stop_all")
    elif event is AgentEvent.ACTION_OVERDUE:
        assert actions == (PolicyAction.REPLACE,)
        assert after is (state if state in (AgentState.SILENT, AgentState.RESTARTING) else AgentState.LATE)
    elif event is AgentEvent.MESSAGE:
        assert (after, actions) == (state if state is AgentState.RESTARTING else AgentState.TAKING_PART, ())
    else:
        assert event is AgentEvent.HEARTBEAT
        alive = state in (AgentState.ASKED, AgentState.SILENT)
        assert (after, actions) == (AgentState.TAKING_PART if alive else state, ())
    assert machine.state(0) is machine.state(2) is AgentState.TAKING_PART, "one agent's failure is not another's"


EVENTS = st.lists(st.tuples(st.integers(0, AGENTS - 1), st.sampled_from(AgentEvent)), max_size=60)


@pytest.mark.parametrize("name", POLICIES)
@given(events=EVENTS)
def test_whatever_happens_no_agent_is_undefined_and_who_is_lost_stays_lost(name: str, events: list[tuple[int, AgentEvent]]) -> None:
    machine = policy(name)
    columns = {state for state, _ in TABLES[name]}
    lost: set[int] = set()
    dropped: list[int] = []
    for agent, event in events:
        unanswered = machine.unanswered([agent])
        actions = machine.handle(agent, event)
        assert machine.state(agent) in columns
        assert lost <= machine.lost
        lost = set(machine.lost)
        assert lost == {each for each in range(AGENTS) if machine.state(each) is AgentState.LOST}
        assert set(machine.unanswered(range(AGENTS))).isdisjoint(lost)
        # An agent is lost by a word that says what follows, and is dropped once at most.
        if PolicyAction.DROP in actions:
            dropped.append(agent)
        assert (agent in lost) or not (ENDING | {PolicyAction.DROP}).intersection(actions)
        # Nobody's process is killed that did not lie, and was not asked before, or has answered since.
        judged = event is AgentEvent.MISBEHAVED or (unanswered == [agent] and event is AgentEvent.NO_ANSWER)
        assert PolicyAction.REPORT not in actions or judged
    assert len(dropped) == len(set(dropped))
    machine.begin()
    assert all(machine.state(each) is AgentState.TAKING_PART for each in range(AGENTS) if each not in lost)
    assert machine.lost == lost


def test_a_late_action_is_repeated_up_to_its_age_and_then_waited_for() -> None:
    machine = policy("stop_all", {"kind": "use_last", "max_age": 2})
    assert machine.replaces == 0.1
    # Who has not acted yet is waited for, and with it everybody.
    assert machine.replace_late((0, 1, 2), [1]) is None
    machine.messages_arrived((0, 1, 2), actions=True)
    for _ in range(2):
        assert machine.replace_late((0, 1, 2), [1]) == {1: Replacement.REPEAT_LAST}
        assert machine.state(1) is AgentState.LATE
        assert machine.replaced == {1}
    assert machine.replace_late((0, 1, 2), [1]) is None
    machine.messages_arrived((0, 1, 2), actions=True)
    assert (machine.state(1), machine.replaced) == (AgentState.TAKING_PART, frozenset())
    assert machine.replace_late((0, 1, 2), [1, 2]) == {1: Replacement.REPEAT_LAST, 2: Replacement.REPEAT_LAST}
    assert machine.times_late == {1: 3, 2: 1}


def test_a_dropped_step_is_a_no_op_whoever_is_late() -> None:
    machine = policy("restart", {"kind": "drop_step"})
    assert machine.replace_late((0, 1, 2), [0, 2]) == {0: Replacement.NO_OP, 2: Replacement.NO_OP}
    machine.messages_arrived((0, 1, 2), actions=False)
    assert machine.replaced == frozenset()
    assert policy("restart").replaces is None


@pytest.mark.parametrize(("stage", "event"), list(STAGES))
def test_every_cell_of_participation(stage: Stage, event: MemberEvent) -> None:
    after, actions = STAGES[stage, event]
    if Stage.LEAVING in (stage, after):
        assert (after, actions) == (Stage.LEAVING, ())
    elif event is MemberEvent.ALL_READY:
        assert (after, actions) == (Stage.TAKING_PART, ())
    elif stage is Stage.JOINING:
        assert (after, actions) == (Stage.JOINING, ())
    else:
        from_checkpoint = event is MemberEvent.HELLO_AGAIN or stage is Stage.RESTORING
        assert after is (Stage.RESTORING if from_checkpoint else Stage.UNDOING)
        assert actions == ((Rollback.RESTORE if from_checkpoint else Rollback.UNDO), Rollback.INTERRUPT)


@given(
    first=st.integers(0, 5),
    steps=st.lists(st.one_of(st.sampled_from(MemberEvent), st.booleans()), max_size=60),
)
def test_all_begin_again_at_the_checkpoint_or_at_what_is_not_recorded(first: int, steps: list[MemberEvent | bool]) -> None:
    """A boolean is one more iteration that ended; true: with a checkpoint."""
    machine = Participation(first)
    checkpoint, iteration, rows = first, first, []
    for step in steps:
        if isinstance(step, bool):
            if machine.stage is not Stage.TAKING_PART:
                continue
            if machine.record(iteration):
                rows.append(iteration)
                if step:
                    machine.keep(iteration)
                    checkpoint = iteration + 1
            iteration += 1
            continue
        actions = machine.handle(step)
        if Rollback.INTERRUPT in actions:
            assert machine.first == (
                checkpoint if Rollback.RESTORE in actions else max(iteration, machine.recorded) if rows else machine.first
            )
            iteration = machine.first
        assert checkpoint <= machine.first <= machine.recorded
    # Every row is written once, in order.
    assert rows == list(range(first, machine.recorded))


def test_an_agent_dropped_while_others_are_restored_leaves_them_at_the_checkpoint() -> None:
    machine = Participation(0)
    machine.handle(MemberEvent.ALL_READY)
    for iteration in range(6):
        machine.record(iteration)
    machine.keep(3)
    assert machine.handle(MemberEvent.HELLO_AGAIN) == (Rollback.RESTORE, Rollback.INTERRUPT)
    assert machine.first == 4
    assert machine.handle(MemberEvent.DROPPED) == (Rollback.RESTORE, Rollback.INTERRUPT)
    assert machine.first == 4
    machine.handle(MemberEvent.ALL_READY)
    assert machine.handle(MemberEvent.DROPPED) == (Rollback.UNDO, Rollback.INTERRUPT)
    assert machine.first == 6
    # Who is started again now has kept nothing of iteration 6.
    assert machine.handle(MemberEvent.HELLO_AGAIN) == (Rollback.RESTORE, Rollback.INTERRUPT)
    assert machine.first == 4


def test_a_table_with_a_gap_or_a_misspelt_name_is_refused() -> None:
    rows = "\n".join(f"{event} | leaving" for event in MemberEvent)
    head = "event | leaving"
    assert len(read_table(f"{head}\n{rows}", Stage, MemberEvent, Rollback)) == len(MemberEvent)
    for text, match in [
        (head, "no row for all ready"),
        (f"{head}\n{rows}\nstop | leaving", "two rows"),
        (f"{head}\n{rows}".replace("stop | leaving", "stop | joining"), "has no column"),
        (f"{head}\n{rows}".replace("stop | leaving", "stop | leaving: dance"), "dance"),
        (f"{head}\n{rows}".replace("stop | leaving", "stop | leaving | leaving"), "zip"),
    ]:
        with pytest.raises(ValueError, match=match):
            read_table(text, Stage, MemberEvent, Rollback)

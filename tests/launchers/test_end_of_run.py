"""When a run's end has taken too long: by whom, since when, and who may take longer."""

from __future__ import annotations

from netagents.launchers.supervision.end_of_run import EndOfRun

ALL = ["environment", "agent_0", "agent_1"]


def test_nothing_is_overdue_while_the_work_goes_on() -> None:
    end = EndOfRun("environment", 3.0, 30.0, lambda: 0)
    assert not end.overdue(0.0, ALL, [])
    assert not end.overdue(1e6, ALL, [])
    # An agent that has left before the others, as with agents that end one by one, begins no end.
    assert not end.overdue(2e6, ALL[:2], ["agent_1"])
    assert not end.overdue(3e6, ALL[:2], ["agent_1"])


def test_those_who_remain_after_the_host_have_their_time_from_the_last_that_left() -> None:
    end = EndOfRun("environment", 3.0, 30.0, lambda: 0)
    assert not end.overdue(10.0, ALL[1:], ["environment"])
    assert not end.overdue(12.9, ALL[1:], ["environment"])
    assert not end.overdue(13.5, ["agent_1"], ["environment", "agent_0"])
    assert not end.overdue(16.4, ["agent_1"], ["environment", "agent_0"])
    assert end.overdue(16.5, ["agent_1"], ["environment", "agent_0"])
    assert not end.overdue(99.0, [], ALL)


def test_a_host_that_remains_alone_may_take_as_long_as_it_computes() -> None:
    ticks = [0]
    end = EndOfRun("environment", 3.0, 30.0, lambda: ticks[0])
    for second in range(200):
        ticks[0] += 1
        assert not end.overdue(float(second), ["environment"], ALL[1:])
    assert not end.overdue(228.9, ["environment"], ALL[1:])
    assert end.overdue(229.0, ["environment"], ALL[1:])


def test_a_host_of_which_nothing_is_known_is_not_judged() -> None:
    end = EndOfRun("environment", 3.0, 30.0, lambda: None)
    assert not end.overdue(0.0, ["environment"], ALL[1:])
    assert not end.overdue(1e6, ["environment"], ALL[1:])

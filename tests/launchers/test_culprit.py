"""Of several processes that ended, the one that failed first is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import DeadlineError, NodeFailedError, NumericalError, SimulatorError, exit_code_of
from netagents.launchers.supervision.root_cause import Exit, first_failure


def ended(role: str, code: int | None, time: float, *, asked: float | None = None, log: Path | None = None) -> Exit:
    return Exit(role, 1234, code, time, 0.0, asked, log)


def written(path: Path, error: Exception, time: float) -> Path:
    facts = {"error": type(error).__name__, "line": f"{error}", "exit_code": exit_code_of(error)}
    rows = [
        {"time": time - 1, "level": "info", "role": path.stem, "phase": "sample", "message": "hello"},
        {
            "time": time,
            "level": "error",
            "role": path.stem,
            "phase": "sample",
            "message": str(error),
            "traceback": "Traceback: here",
            "failure": facts,
        },
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_nobody_is_named_when_all_ended_well() -> None:
    assert first_failure([ended("agent_0", 0, 1.0), ended("agent_1", 0, 2.0)]) is None


def test_the_time_of_writing_counts_and_not_that_of_leaving(tmp_path: Path) -> None:
    late = ended("agent_0", 1, 10.0, log=written(tmp_path / "agent_0.jsonl", ValueError("second"), 9.5))
    early = ended("agent_1", 9, 10.2, log=written(tmp_path / "agent_1.jsonl", NumericalError("first"), 9.4))
    failure = first_failure([late, early])
    assert failure is not None
    assert (failure.role, failure.line, failure.time, failure.traceback) == ("agent_1", "first", 9.4, "Traceback: here")
    assert failure.last_lines[-1].strip() == "Traceback: here"


def test_what_a_simulator_refuses_is_told_in_one_line_with_its_exit_code(tmp_path: Path) -> None:
    refused = written(tmp_path / "environment.jsonl", SimulatorError("no such road"), 1.0)
    failure = first_failure([ended("environment", 5, 1.0, log=refused)])
    assert failure is not None
    assert (failure.line, failure.details, failure.error().exit_code) == ("no such road", "", 5)
    bug = first_failure([ended("environment", 1, 1.0, log=written(tmp_path / "environment.jsonl", ValueError("mine"), 1.0))])
    assert bug is not None
    assert "Traceback: here" in bug.details


@pytest.mark.parametrize(
    "error", [DeadlineError("waiting"), NodeFailedError("peer"), ConnectionResetError("gone"), BrokenPipeError("gone")]
)
def test_those_that_only_followed_never_win(tmp_path: Path, error: Exception) -> None:
    follower = ended("agent_0", exit_code_of(error), 1.0, log=written(tmp_path / "agent_0.jsonl", error, 1.0))
    culprit = ended("agent_1", 1, 9.0, log=written(tmp_path / "agent_1.jsonl", ValueError("mine"), 8.0))
    failure = first_failure([follower, culprit])
    assert failure is not None
    assert failure.role == "agent_1"


def test_a_follower_is_named_when_there_is_nobody_else(tmp_path: Path) -> None:
    failure = first_failure([ended("agent_0", 11, 1.0, log=written(tmp_path / "agent_0.jsonl", DeadlineError("waiting for agent 3"), 1.0))])
    assert failure is not None
    assert str(failure.error()) == "agent_0: exit code 11 (process 1234): waiting for agent 3"


def test_a_process_that_we_ended_never_wins(tmp_path: Path) -> None:
    ended_by_us = ended("agent_0", -9, 5.0, asked=4.0)
    in_ending = ended("agent_1", 1, 4.6, asked=4.0, log=written(tmp_path / "agent_1.jsonl", ValueError("while closing"), 4.5))
    before = ended("agent_2", 1, 5.0, asked=4.0, log=written(tmp_path / "agent_2.jsonl", ValueError("before"), 3.9))
    failure = first_failure([ended_by_us, in_ending, before])
    assert failure is not None
    assert failure.role == "agent_2"


def test_a_death_by_signal_explains_the_errors_around_it(tmp_path: Path) -> None:
    error = ended("agent_0", 1, 1.0, log=written(tmp_path / "agent_0.jsonl", ValueError("bad frame"), 1.0))
    failure = first_failure([error, ended("environment", -9, 1.01)])
    assert failure is not None
    assert failure.cause == "killed by SIGKILL"
    assert failure.error().exit_code == 10


def test_a_failure_of_an_earlier_start_in_the_same_log_is_not_told_again(tmp_path: Path) -> None:
    log = written(tmp_path / "agent_0.jsonl", ValueError("of yesterday"), 50.0)
    failure = first_failure([Exit("agent_0", 7, 1, 101.0, 100.0, None, log)])
    assert failure is not None
    assert (failure.line, failure.traceback) == ("", "")


def test_a_lost_exit_code_is_taken_from_what_the_process_wrote(tmp_path: Path) -> None:
    follower = ended("agent_0", 11, 1.0, log=written(tmp_path / "agent_0.jsonl", DeadlineError("waiting"), 1.0))
    failure = first_failure([follower, ended("agent_1", None, 9.0, log=written(tmp_path / "agent_1.jsonl", NumericalError("nan"), 2.0))])
    assert failure is not None
    assert (failure.role, failure.exit_code) == ("agent_1", 9)


def test_a_lost_exit_code_is_said_to_be_lost() -> None:
    failure = first_failure([ended("agent_0", None, 1.0)])
    assert failure is not None
    assert failure.error().args[0].startswith("agent_0: ended, its exit code is lost")


@given(order=st.permutations(range(5)))
def test_the_order_of_reading_does_not_matter(order: list[int]) -> None:
    exits = [ended("a", 0, 0.5), ended("b", -15, 1.0, asked=0.9), ended("c", -11, 3.0), ended("d", -9, 2.0), ended("e", None, 1.0)]
    failure = first_failure([exits[index] for index in order])
    assert failure is not None
    assert failure.role == "d"

"""One JSON-lines log per process: who, where in the protocol, and why it ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from netagents.errors import DeadlineError, RunDirectoryError
from netagents.records import failure_of, open_log, read_log, tail


@pytest.fixture(autouse=True)
def _quiet_logger() -> Iterator[None]:
    logger = logging.getLogger("netagents")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    for handler in set(logger.handlers) - set(before[0]):
        logger.removeHandler(handler)
        handler.close()
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_hostile_text_is_one_printable_line_and_comes_back_as_it_was(tmp_path: Path) -> None:
    text = "<script>\x1b[31m\u202e\u2028\r\x00</svg>\n"
    log = open_log(tmp_path / "agent_3.jsonl", "agent_3")
    log.phase(text)
    logging.getLogger("netagents.wire").warning("%s", text)
    log.close()
    written = (tmp_path / "agent_3.jsonl").read_text()
    assert written.count("\n") == 1
    assert written[:-1].isprintable()
    (entry,) = read_log(tmp_path / "agent_3.jsonl")
    assert (entry["phase"], entry["message"]) == (text, text)


def test_each_line_says_when_who_where_and_what(tmp_path: Path) -> None:
    log = open_log(tmp_path / "agent_3.jsonl", "agent_3")
    log.phase("iteration 2, step 5, waiting for state")
    logging.getLogger("netagents.wire").info("peer %d is late", 4)
    log.close()
    (entry,) = read_log(tmp_path / "agent_3.jsonl")
    assert entry.pop("time") > 1e9
    assert entry == {
        "level": "info",
        "role": "agent_3",
        "phase": "iteration 2, step 5, waiting for state",
        "message": "peer 4 is late",
    }


def test_a_failure_carries_its_line_exit_code_and_traceback(tmp_path: Path) -> None:
    path = tmp_path / "environment.jsonl"
    log = open_log(path, "environment")
    try:
        raise DeadlineError("no action from agent 7", where="iteration 3, step 1")
    except DeadlineError as error:
        log.failure(error)
    log.failure(ValueError("what came after"))
    log.close()
    result = failure_of(path)
    assert result is not None
    assert result["error"] == "DeadlineError"
    assert result["exit_code"] == DeadlineError.exit_code
    assert result["line"] == "iteration 3, step 1: no action from agent 7"
    assert "test_a_failure_carries" in result["traceback"]
    text = tail(path, 100)
    assert any("no action from agent 7" in line for line in text)
    assert any("Traceback" in line for line in text)
    assert len(tail(path, 3)) == 3


def test_a_second_role_in_a_forked_process_takes_over(tmp_path: Path) -> None:
    open_log(tmp_path / "launcher.jsonl", "launcher").logger.info("one")
    open_log(tmp_path / "agent_0.jsonl", "agent_0").logger.info("two")
    assert [entry["message"] for entry in read_log(tmp_path / "launcher.jsonl")] == ["one"]
    assert [entry["message"] for entry in read_log(tmp_path / "agent_0.jsonl")] == ["two"]


def test_lines_of_other_programs_and_torn_ends_are_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / "agent_0.jsonl"
    path.write_bytes(b'a library printed this\n{"level":"info","message":"fine"}\n{"level":"in')
    assert [entry["message"] for entry in read_log(path)] == ["a library printed this", "fine", '{"level":"in']
    assert tail(tmp_path / "nobody.jsonl") == []
    assert failure_of(path) is None


def test_the_tail_of_a_large_log_is_its_end(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    with path.open("w") as file:
        file.writelines(json.dumps({"level": "info", "message": f"entry {k} {'x' * 500}"}) + "\n" for k in range(2000))
    (last,) = read_log(path, last=1)
    assert last["message"].startswith("entry 1999 ")
    assert len(tail(path, 20)) == 20


def test_no_path_writes_lines_for_people_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log(None, "agent_1")
    log.logger.warning("hello")
    log.phase("joining")
    log.failure(RunDirectoryError("is no run", where="x"))
    assert capsys.readouterr().err == "netagents: agent_1: hello\nnetagents: error: x: is no run\n"
    try:
        raise ZeroDivisionError("an inner fault")
    except ZeroDivisionError as error:
        log.failure(error)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "netagents: error: ZeroDivisionError: an inner fault"


def test_a_log_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="the log cannot be written"):
        open_log(tmp_path / "missing" / "agent.jsonl", "agent_0")

"""The short table at the end of a run says what it reached, who holds power, what was sent, and how it ended."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from netagents.reports import byte_size, summary_rows, summary_table, summary_text


def test_a_finished_run_is_told_in_a_few_lines(recorded_run: Callable) -> None:
    run = recorded_run(iterations=4, much=True)
    rows = dict(summary_rows(run))
    assert rows["return"].startswith(f"{run.returns[0]:.2f} -> ")
    assert "(equal shares: 20%)" in rows["top power"]
    assert rows["messages"].startswith(f"{run.ledger.total.messages:,} with ")
    assert rows["  state"].startswith("1 hop: ")
    assert "2 hops: " in rows["  truncated_q"]
    assert "state" not in rows
    assert rows["time"].endswith("messages/s")


def test_the_return_is_set_beside_what_is_known_of_the_environment(recorded_run: Callable) -> None:
    assert "best known" in dict(summary_rows(recorded_run(horizon=None)))["return"]


def test_where_little_was_seen_nobody_is_named(recorded_run: Callable) -> None:
    rows = dict(summary_rows(recorded_run()))
    assert "top power" not in rows
    assert "pairs is reliable" in rows["power"]


def test_a_failed_run_says_who_and_why(recorded_run: Callable) -> None:
    rows = dict(summary_rows(recorded_run(close="failed")))
    assert rows["state"] == "failed agent_3 agent 3 is gone"


def test_a_run_without_records_or_reliable_power_says_so(recorded_run: Callable) -> None:
    assert dict(summary_rows(recorded_run(iterations=0)))["return"] == "no iteration recorded"
    assert "not known: kappa_critic is 1" in summary_text(recorded_run(kappa=1))


@pytest.mark.parametrize("width", [60, 120])
def test_the_table_fits_the_terminal(recorded_run: Callable, width: int) -> None:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, no_color=True)
    console.print(summary_table(recorded_run()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in text.splitlines())
    assert "truncated_q" in text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (4_560_000, "4.56 MB"), (7.2e12, "7.2 TB")])
def test_bytes_are_written_as_people_read_them(size: int, text: str) -> None:
    assert byte_size(size) == text

"""The short table at the end of a run says what it reached, who holds power, what was sent, and how it ended."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np
import pytest

from netagents.reports import byte_size, summary_rows, summary_table, summary_text
from netagents.reports.constraint_section import agent_violations
from netagents.reports.html import short
from netagents.reports.price_section import power_terms, priced_history, warnings_of
from netagents.reports.run_report import report


def test_a_finished_run_is_told_in_a_few_lines(recorded_run: Callable) -> None:
    run = recorded_run(iterations=4, much=True)
    rows = dict(summary_rows(run))
    assert rows["return"].startswith(f"{run.returns[0]:.4g} -> ")
    assert "undiscounted" in rows["return"]
    first, _, last = rows["discounted"].removesuffix(" per agent").partition(" -> ")
    assert (float(first), float(last)) == pytest.approx(tuple(run.discounted_returns[[0, -1]]), rel=1e-3)
    assert "(equal shares: 20%)" in rows["top power"]
    assert rows["messages"].startswith(f"{run.ledger.total.messages:,} with ")
    assert rows["  state"].startswith("1 hop: ")
    assert "2 hops: " in rows["  truncated_q"]
    # The lines below the total add up to it.
    kinds = [value for name, value in rows.items() if name.startswith("  ")]
    assert sum(int(count.replace(",", "")) for line in kinds for count in re.findall(r": ([\d,]+), ", line)) == run.ledger.total.messages
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


def test_warnings_of_a_price_of_power_are_told_where_the_run_ends(recorded_run: Callable) -> None:
    priced = recorded_run(iterations=6, signals=[{"kind": "power", "lambda": 0.5}])
    warnings = [value for what, value in summary_rows(priced) if what == "price of power"]
    assert warnings == [f"{each.name}: {each.what}; {each.advice}" for each in warnings_of(priced)]
    assert warnings


def test_groups_that_pay_for_power_are_warned_apart(recorded_run: Callable) -> None:
    priced = [{"agents": group, "signals": [{"kind": "power", "lambda": price}]} for group, price in (([0, 1], 0.5), ([3], 2.0))]
    terms = power_terms(recorded_run(iterations=6, agents=priced))
    assert [(getattr(term, "lambda"), agents) for term, agents in terms] == [(0.5, [0, 1]), (2.0, [3])]
    run = recorded_run(iterations=6, agents=priced)
    np.testing.assert_array_equal(priced_history(run, *terms[1]).weight, -2.0)
    assert len([what for what, _ in summary_rows(run) if what == "price of power"]) == len(warnings_of(run)) >= 2


def test_a_run_without_a_price_of_power_is_not_warned_of_one(recorded_run: Callable) -> None:
    assert "price of power" not in dict(summary_rows(recorded_run()))


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


def test_violations_are_told_per_agent_the_worst_first(recorded_run: Callable) -> None:
    entropy = {"kind": "entropy", "over": "state"}
    run = recorded_run(
        iterations=12,
        constraints=[{"utility": entropy, "threshold": 0.35, "agents": [0, 1, 3]}, {"utility": entropy, "threshold": -1.0, "agents": [4]}],
    )
    mean = run.agent_metric("violation")[-10:].mean(axis=0)
    # At ten steps the occupancy has a tenth of its mass, and so little entropy that 0.35 is out of reach.
    order = sorted((0, 1, 3), key=lambda agent: -mean[agent])
    text = dict(summary_rows(run))["constraints"]
    named = ", ".join(f"agent {agent} {mean[agent]:.3g}" for agent in order)
    assert text == f"violated by 3 of 4 agents, worst first: {named} (mean of the last 10 iterations)"
    listed = agent_violations(run)
    assert [each.agent for each in listed] == [*order, 4]
    assert [each.share for each in listed] == [1.0, 1.0, 1.0, 0.0]
    page = report(run)
    places = [page.index(f"<td>{agent}</td><td>{short(run.agent_metric('violation')[0, agent])}") for agent in [*order, 4]]
    assert places == sorted(places)
    assert "best known without constraints" in report(recorded_run(horizon=None, constraints=[{"utility": entropy, "threshold": 0.3}]))


def test_constraints_that_hold_are_told_with_the_narrowest_margin_and_no_constraints_not_at_all(recorded_run: Callable) -> None:
    run = recorded_run(constraints=[{"utility": {"kind": "entropy", "over": "state"}, "threshold": -1.0}])
    mean = run.agent_metric("violation").mean(axis=0)
    worst = int(mean.argmax())
    text = dict(summary_rows(run))["constraints"]
    assert text == f"met by all 5 agents that have any, agent {worst} by least: {-mean[worst]:.3g} (mean of the last 3 iterations)"
    plain = recorded_run()
    assert "constraints" not in dict(summary_rows(plain))
    assert "<h2>Constraints</h2>" not in report(plain)


def test_the_report_lists_what_the_parts_of_this_run_measure_and_nothing_else(recorded_run: Callable) -> None:
    constrained = report(recorded_run(constraints=[{"utility": {"kind": "entropy", "over": "state"}, "threshold": -1.0}]))
    plain = recorded_run()
    page = report(plain)
    for name in plain.metric_names:
        assert f"<td>{name}</td>" in page or not np.isfinite(plain.agent_metric(name)).any()
    assert "<td>violation</td>" in constrained
    assert "<td>violation</td>" not in page
    returns = plain.agent_metric("return")
    assert f"<td>return</td><td>{short(returns[0].mean())}</td><td>{short(returns.mean())}</td>" in page

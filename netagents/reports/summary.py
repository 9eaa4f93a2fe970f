"""The short table at the end of a run: return, power, messages, time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from netagents.errors import printable
from netagents.measures.power import held_entries
from netagents.records import LedgerView, Run
from netagents.records.recorded_link_costs import total_costs
from netagents.reports.constraint_section import best_name, constraint_rows
from netagents.reports.fault_section import fault_rows
from netagents.reports.final_power import FinalPower, final_power
from netagents.reports.html import short
from netagents.reports.learning_curve import progress
from netagents.reports.power_picture import no_entry, percent, top_power
from netagents.reports.price_section import warnings_of

if TYPE_CHECKING:
    from rich.table import Table


def summary_rows(run: Run) -> list[tuple[str, str]]:
    """What a run came to, as (what, value) lines; works for a run that was stopped or still goes on."""
    rows: list[tuple[str, str]] = []
    if run.state != "finished":
        ending = run.ending
        rows.append(("state", " ".join(part for part in (run.state, ending.get("role", ""), ending.get("line", "")) if part)))
    recorded = len(run.iterations)
    if recorded == 0:
        return [*rows, ("return", "no iteration recorded")]
    rows.append(("return", _return_line(run)))
    rows.append(("discounted", _discounted_line(run)))
    if learns_utility(run):
        objective = np.nanmean(run.agent_metric("objective"), axis=1)
        rows.append(("objective", f"{objective[0]:.4g} -> {objective[-1]:.4g} per agent"))
    rows.extend(constraint_rows(run))
    rows.extend(_power_rows(run))
    rows.extend(("price of power", f"{each.name}: {each.what}; {each.advice}") for each in warnings_of(run))
    rows.extend(_message_rows(run.ledger))
    rows.extend(_relay_rows(run))
    rows.extend(_link_rows(run))
    rows.extend(_refused_rows(run))
    rows.extend(fault_rows(run))
    rows.append(("time", _time_line(run)))
    return rows


def learns_utility(run: Run) -> bool:
    """Whether a general utility is part of what the agents learn from."""
    return bool(np.nansum(np.abs(run.agent_metric("utility"))) > 0.0) or any(each.learning.task_weight != 1.0 for each in run.setup.agents)


def summary_text(run: Run) -> str:
    """The summary as plain lines."""
    rows = summary_rows(run)
    width = max(len(what) for what, _ in rows)
    return "\n".join(printable(f"{what:<{width}}  {value}") for what, value in rows)


def summary_table(run: Run) -> Table:
    """The summary as a rich table that folds into any width."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in summary_rows(run):
        table.add_row(Text(printable(what)), Text(printable(value)))
    return table


def _return_line(run: Run) -> str:
    reached = progress(run)
    known = [
        f"{name} {short(value)}" for name, value in (("untrained", reached.untrained), (best_name(run), reached.best)) if value is not None
    ]
    beside = f" ({', '.join(known)})" if known else ""
    return f"{short(reached.first)} -> {short(reached.last)} per agent, undiscounted{beside}"


def _discounted_line(run: Run) -> str:
    """The same iterations as the line before, discounted."""
    returns = run.discounted_returns
    return f"{returns[0]:.4g} -> {returns[-progress(run).averaged :].mean():.4g} per agent"


def _power_rows(run: Run) -> list[tuple[str, str]]:
    power = final_power(run)
    concentration = power.concentration
    if concentration.top_holder < 0:
        return [("power", " ".join(no_entry(run).split()).lower())]
    floor = power.matrix.noise_floor
    noise = f"; noise floor {floor:.2g}" if math.isfinite(floor) and not power.audited else ""
    return [
        ("true power" if power.audited else "top power", f"{top_power(concentration)} (equal shares: {percent(1 / run.n)})"),
        ("concentration", f"Herfindahl {concentration.herfindahl:.3f}, Gini {concentration.gini:.2f}, {_largest(run, power)}{noise}"),
    ]


def _largest(run: Run, power: FinalPower) -> str:
    """The largest entry that counts, with its holder and sufferer."""
    entries = np.nan_to_num(held_entries(power.matrix), nan=-np.inf)
    j, i = np.unravel_index(int(np.argmax(entries)), entries.shape)
    value, error = float(entries[j, i]), float(power.matrix.error[j, i])
    return f"largest entry {value:.2g} (± {error:.1g}) of {run.topology.labels[int(j)]} over {run.topology.labels[int(i)]}"


def _message_rows(ledger: LedgerView) -> list[tuple[str, str]]:
    """All messages, then one line per kind that travels between agents, with what went how far, and one for the server's."""
    total = ledger.total
    rows = [("messages", f"{total.messages:,} with {byte_size(total.bytes)}")]
    between: dict[str, list[str]] = {}
    messages = size = 0
    for (kind, hop), traffic in ledger.by_kind_and_hop().items():
        if hop > 0:
            between.setdefault(kind, []).append(f"{hop} hop{'s' if hop > 1 else ''}: {traffic.messages:,}, {byte_size(traffic.bytes)}")
        else:
            messages, size = messages + traffic.messages, size + traffic.bytes
    rows.extend((f"  {kind}", " | ".join(parts)) for kind, parts in between.items())
    if messages:
        rows.append(("  server", f"to and from the environment server: {messages:,}, {byte_size(size)}"))
    return rows


def _relay_rows(run: Run) -> list[tuple[str, str]]:
    """With relay routing, what neighbours carried for one another."""
    if run.experiment.routing != "relay":
        return []
    total = run.carried.total
    carried = next((event["carried"] for event in reversed(run.events) if "carried" in event), None)
    hop = (
        f"; {carried['handed_on']:,} handed on in {carried['bundles']:,} bundles, {carried['hop_milliseconds']:.3g} ms a hop"
        if carried
        else ""
    )
    return [("relayed", f"{total.messages:,} crossings of links with {byte_size(total.bytes)}{hop}")]


def _link_rows(run: Run) -> list[tuple[str, str]]:
    """What bad links cost; nothing where no link had a model."""
    total = total_costs(run.link_costs)
    if not total["messages"]:
        return []
    cost = (
        f"{total['messages']:,} messages took {total['transmissions']:,} transmissions with {byte_size(total['transmissions_bytes'])}: "
        f"{total['resent']:,} sent again, {total['acknowledgements']:,} acknowledgements alone; "
        f"{total['lost']:,} lost, {total['duplicates']:,} duplicates dropped"
    )
    return [("bad links", cost)]


def _refused_rows(run: Run) -> list[tuple[str, str]]:
    """What each node refused, by reason; nothing in a run that nobody disturbed."""
    nodes: dict[str, dict[str, int]] = {}
    for event in run.events:
        if event.get("event") == "traffic":
            for node, reasons in event.get("refused", {}).items():
                for reason, count in reasons.items():
                    counted = nodes.setdefault(node, {})
                    counted[reason] = counted.get(reason, 0) + count
    parts = [f"{node}: {', '.join(f'{reason} {count:,}' for reason, count in sorted(reasons.items()))}" for node, reasons in nodes.items()]
    return [("refused", " | ".join(parts))] if parts else []


def _time_line(run: Run) -> str:
    seconds = float(run.seconds[-1])
    count = len(run.iterations)
    if seconds <= 0.0:
        return f"{count} iterations"
    return f"{seconds:.1f} s, {count / seconds:.3g} iterations/s, {run.ledger.total.messages / seconds:,.0f} messages/s"


def byte_size(size: int) -> str:
    """Bytes as people read them: 950 B, 12.3 kB, 4.56 MB (powers of 1000)."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError("unreachable")

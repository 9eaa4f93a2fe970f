"""The tables of the report: every agent, every kind of message, every setting, and how the run ended."""

from __future__ import annotations

import math
import re

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from netagents.measures.power import Concentration
from netagents.records import Run, tail
from netagents.reports.chart_svg import sparkline
from netagents.reports.html import html, joined, section, short, table
from netagents.reports.power_picture import percent
from netagents.reports.settings_table import settings_rows
from netagents.reports.summary import byte_size, learns_utility

FloatArray = NDArray[np.float64]

_MOST_AGENTS = 400


def agent_table(run: Run, concentration: Concentration) -> Markup:
    """One row per agent, those who hold most power first."""
    general = learns_utility(run)
    returns = run.agent_metric("return")
    utility = run.agent_metric("utility")
    drawn = utility if general else returns
    averaged = max(1, len(returns) // 10)
    total = float(concentration.held.sum())
    sent = _sent_bytes(run)
    entropy = run.agent_metric("policy_entropy")
    timing = {name: run.agent_timing(name).mean(axis=0) for name in ("compute", "wait", "serialise")}
    timed = any(values.any() for values in timing.values())
    heads = [("agent", ""), ("utility over time" if general else "return over time", "left"), ("return first", ""), ("return last", "")]
    if general:
        heads += [("utility first", ""), ("utility last", "")]
    heads += [("power held", ""), ("neighbours", ""), ("bytes sent", ""), ("policy entropy", "")]
    if timed:
        heads += [("compute", ""), ("wait", "")]
    order = sorted(range(run.n), key=lambda agent: (-concentration.held[agent], agent))
    rows = []
    for agent in order[:_MOST_AGENTS]:
        name = run.topology.labels[agent]
        label = f"{agent} ({name})" if name != str(agent) else name
        share = concentration.held[agent] / total if total > 0.0 else math.nan
        cells = [
            _cell(label, agent),
            html('<td class="left">{}</td>', sparkline(drawn[:, agent])),
            *_first_last(returns[:, agent], averaged),
            *(_first_last(utility[:, agent], averaged) if general else ()),
            _cell(percent(share) if math.isfinite(share) else "-", share),
            _cell(str(len(run.topology.neighbours(agent))), len(run.topology.neighbours(agent))),
            _cell(byte_size(int(sent[agent])), int(sent[agent])),
            _cell(short(float(entropy[-1, agent])), float(entropy[-1, agent])),
        ]
        if timed:
            cells += [_milliseconds(timing["compute"][agent] + timing["serialise"][agent]), _milliseconds(timing["wait"][agent])]
        rows.append(html("<tr>{}</tr>", joined(cells)))
    top = joined(html('<th class="{}">{}</th>', kind or "sort", head) for head, kind in heads)
    frame = '<div class="scroll tall"><table class="sortable"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    body = html(frame, top, joined(rows))
    span = f"the last {averaged} iterations" if averaged > 1 else "the last iteration"
    note = f"Each small curve has its own scale. Last is the mean of {span}{'; times are per iteration' if timed else ''}."
    if run.n > _MOST_AGENTS:
        note += f" The {_MOST_AGENTS} agents of {run.n} that hold most power; all are in tables/metrics.parquet."
    return section("Every agent", body, caption=note, wide=True)


def _sent_bytes(run: Run) -> FloatArray:
    links = run.ledger.links
    agents = links[links[:, 0] >= 0]
    return np.bincount(agents[:, 0], weights=agents[:, 5], minlength=run.n).astype(np.float64)


def _first_last(values: FloatArray, averaged: int) -> tuple[Markup, Markup]:
    last = float(values[-averaged:].mean())
    return _cell(short(float(values[0])), float(values[0])), _cell(html("<b>{}</b>", short(last)), last)


def _milliseconds(seconds: float) -> Markup:
    return _cell(f"{1000.0 * float(seconds):.1f} ms", seconds)


def _cell(content: str, value: float) -> Markup:
    return html('<td data-value="{}">{}</td>', f"{value:.6g}", content)


def messages_section(run: Run) -> Markup:
    """Bytes by kind and hop as bars, then what was dropped."""
    split = run.ledger.by_kind_and_hop()
    largest = max((traffic.bytes for traffic in split.values()), default=1) or 1
    total = run.ledger.total
    rows = []
    for (kind, hop), traffic in sorted(split.items(), key=lambda item: (item[0][1] == 0, item[0])):
        way = "environment" if hop == 0 else f"{hop} hop{'s' if hop > 1 else ''}"
        size = f"{max(1.0, 70 * traffic.bytes / largest):.0f}"
        bar = html('<span class="bar hop{}" style="width:{}px"></span>', min(hop, 6), size)
        share = percent(traffic.bytes / total.bytes) if total.bytes else "-"
        direction = html('<span class="left">{}</span>', way)
        rows.append((kind, direction, f"{traffic.messages:,}", byte_size(traffic.bytes), html("{} {}", share, bar)))
    between = sum(traffic.bytes for (_, hop), traffic in split.items() if hop > 0)
    caption = (
        f"{percent(between / total.bytes) if total.bytes else '0%'} of all bytes went between agents, over as many hops as the radius of "
        "the kind allows; the rest went to or from the environment server. Bytes are those of the arrays, without headers and framing."
    )
    return section(
        "What was said, and how far it went",
        table(("kind", "way", "messages", "bytes", "share of bytes"), rows, "bars"),
        _dropped(run),
        caption=caption,
    )


def _dropped(run: Run) -> Markup:
    """What nodes refused to take, by node and reason, and the copies that the monitor never got."""
    events = [event for event in run.events if event.get("event") == "traffic"]
    if not events:
        return Markup('<p class="say">Refused messages were not counted (all agents in one process, or the run has not ended).</p>')
    counted: dict[tuple[str, str], int] = {}
    for event in events:
        # Records of one process's refusals alone have no names in them.
        by_node = event.get("refused") or {"environment": event.get("dropped") or {}}
        for node, reasons in by_node.items():
            for reason, count in reasons.items():
                if count:
                    counted[str(node), str(reason)] = counted.get((str(node), str(reason)), 0) + int(count)
    views = sum(int(event.get("digests_dropped", 0)) for event in events)
    late = f" {views} copies for the monitor were dropped; nothing that is learned or recorded depends on them." if views else ""
    if not counted:
        return html("<p>No message was refused: nothing came twice, too late, or from where it may not come.{}</p>", late)
    rows = [(node, reason.replace("_", " "), f"{count:,}") for (node, reason), count in sorted(counted.items())]
    return html('<p class="alarm">Messages were refused.{}</p>{}', late, table(("by", "because it was", "messages"), rows))


def settings_section(run: Run) -> Markup:
    """The settings that differ from the defaults, then all others folded away."""
    rows = settings_rows(run.experiment)
    changed = [row for row in rows if row.changed]
    others = [row for row in rows if not row.changed]

    def body(part: list[tuple[str, str, str | None, bool]]) -> Markup:
        row = '<tr class="{}"><td>{}</td><td>{}</td><td>{}</td></tr>'
        lines = joined(
            html(row, "changed" if differs else "", key, value, "-" if default is None else default)
            for key, value, default, differs in part
        )
        heads = Markup('<th>setting</th><th class="left">value</th><th class="left">default</th>')
        frame = '<div class="scroll"><table class="settings"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
        return html(frame, heads, lines)

    rest = html("<details><summary>{} settings are at their defaults</summary>{}</details>", len(others), body([*others]))
    return section("The settings that made it", body([*changed]), rest, caption="Only what was chosen; everything else is at its default.")


def ending_section(run: Run) -> Markup:
    """State, versions and machine; for a run that ended badly, the last log lines of who failed."""
    manifest = run.manifest
    versions = manifest.get("versions", {})
    seconds = float(run.seconds[-1]) if len(run.seconds) else 0.0
    facts = [
        ("state", run.state),
        ("iterations", f"{len(run.iterations)} of {run.experiment.learning.iterations}"),
        ("recorded for", f"{seconds:.1f} s"),
        ("checkpoints", ", ".join(str(each) for each in run.checkpoints) or "none"),
        ("launcher", str(manifest.get("launcher", ""))),
        ("seed", str(manifest.get("seed", ""))),
        ("graph", f"{run.n} agents, {len(run.topology.edges)} edges, digest {str(manifest['graph_digest'])[:12]}"),
        ("netagents", str(versions.get("netagents", ""))),
        ("python, numpy", f"{versions.get('python', '')}, {versions.get('numpy', '')}"),
        ("processor", f"{manifest.get('processor', '')}, {manifest.get('cores', '')} cores"),
        ("run id", str(manifest.get("run", ""))),
    ]
    rows = joined(html("<tr><td>{}</td><td>{}</td></tr>", what, value) for what, value in facts)
    parts = [html('<table class="settings"><tbody>{}</tbody></table>', rows)]
    role = str(run.ending.get("role", ""))
    if run.state in ("failed", "interrupted") and role:
        log = role.replace("agent ", "agent_")
        # A role names a file of the logs, and nothing elsewhere.
        lines = tail(run.directory.log(log), 20) if re.fullmatch(r"[a-z]+(_[0-9]{1,6})?", log) else []
        if lines:
            frame = '<p class="say">Last lines of the log of {}:</p><pre>{}</pre>'
            parts.append(html(frame, role, "\n".join(lines)))
    return section("How it ended, and where", *parts)

"""Events of a run as its page shows them: when, what, who, one line of facts, and whether something went wrong."""

from __future__ import annotations

from typing import Any

from netagents.messages import node_name
from netagents.monitoring.feed.run_overview import clipped

_ODD = ("restarted", "interrupted", "tables_failed", "resumed", "power_warning", "refused", "late", "overdue")


def shown_event(event: dict[str, Any]) -> dict[str, Any]:
    """An event as the page shows it: when, what, who, a line, and whether something went wrong."""
    kind = str(event["event"])
    agent = event.get("agent")
    role = str(event.get("role") or "") or (node_name(int(agent)) if isinstance(agent, int) else "")
    facts = {key: value for key, value in event.items() if key not in ("event", "time", "role", "agent", "line", "pid", "sent", "received")}
    if kind in ("links", "staleness"):
        facts = {}
    if kind == "traffic":
        counts = {key: facts[key] for key in ("digests_dropped", "wait_seconds") if facts.get(key)}
        facts = ({"refused": _by_node(facts["refused"])} if facts.get("refused") else {}) | counts
    if kind in ("refused", "late"):
        facts = {"": _by_node(facts.get(kind, {})), "up to iteration": facts.get("iteration")}
    if kind == "overdue":
        facts = {}
    line = str(event.get("line") or "")
    text = ", ".join(
        f"{key.replace('_', ' ')} {f'{value:.4g}' if isinstance(value, float) else value}"
        for key, value in facts.items()
        if value not in ("", None, 0, [], {})
    )
    text = text.strip()
    return {
        "time": event.get("time", 0.0),
        "event": kind,
        "who": clipped(role, 60),
        "line": clipped(line or text, 600),
        "tone": "bad" if kind in ("failed", "lost") else "odd" if kind in _ODD else "",
    }


def _by_node(counts: dict[str, Any]) -> str:
    return "; ".join(f"{node.replace('_', ' ')}: {_counted(each)}" for node, each in counts.items())


def _counted(counts: dict[str, int] | int) -> str:
    """A count, or counts by reason, in words."""
    return str(counts) if isinstance(counts, int) else ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))


def absent_agents(events: list[dict[str, Any]]) -> list[int]:
    """The agents that are lost at the end of these events."""
    absent: set[int] = set()
    for event in events:
        if event["event"] in ("started", "resumed"):
            absent.clear()
        elif event["event"] == "lost":
            absent.add(int(event["agent"]))
        elif event["event"] == "restarted":
            absent.discard(int(event["agent"]))
        elif event["event"] == "failed":
            head, _, number = str(event.get("role", "")).rpartition("_")
            if head == "agent" and number.isdecimal():
                absent.add(int(number))
    return sorted(absent)


def shown_log_line(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a log as the page shows it."""
    text = str(entry.get("message", ""))
    trace = str(entry.get("traceback", ""))
    return {
        "time": entry.get("time"),
        "role": clipped(str(entry.get("role", "")), 60),
        "level": clipped(str(entry.get("level", "")), 20),
        "phase": clipped(str(entry.get("phase", "")), 120),
        "text": clipped(text, 2000) + (f"\n{clipped(trace, 4000)}" if trace else ""),
    }

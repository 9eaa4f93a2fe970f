"""Overview of a run: what never changes, sent to a browser once - graph, places, metrics, settings."""

from __future__ import annotations

import platform
from typing import Any

from netagents.experiment import Experiment
from netagents.experiment.topology_settings import EdgesSettings
from netagents.monitoring.feed.graph_layout import unit_layout
from netagents.monitoring.feed.json_numbers import rounded
from netagents.monitoring.feed.run_history import RunHistory

LONGEST = 400
"""Characters of a name or value that are sent; the rest is left out, with a sign."""


def clipped(text: str, longest: int = LONGEST) -> str:
    """A text without control characters that turn or hide others, at most so long."""
    visible = "".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text[: longest + 1])
    return visible if len(text) <= longest else f"{visible[:longest]}…"


def overview(history: RunHistory) -> dict[str, Any]:
    """Name, graph, places, metrics with their meaning, settings, machine."""
    run = history.run
    topology, experiment = run.topology, run.experiment
    graph = experiment.topology
    made = graph.source if isinstance(graph, EdgesSettings) and graph.source else graph.kind
    return {
        "name": clipped(str(run.manifest["name"])),
        "folder": clipped(run.path.name),
        "environment": clipped(run.setup.spec.name),
        "graph": clipped(made),
        "n": run.n,
        "seed": experiment.seed,
        "kappa": {name: _radius(experiment.radius(name)) for name in ("policy", "critic", "gradient")},
        "labels": [clipped(label, 60) for label in topology.labels],
        "edges": [list(edge) for edge in topology.edges],
        "places": rounded(unit_layout(topology)),
        "choices": {clipped(name, 60): text for name, text in history.choices.items()},
        "planned": experiment.learning.iterations,
        "settings": settings_rows(experiment),
        "machine": {
            **{name: clipped(str(run.manifest.get(name, ""))) for name in ("created", "launcher", "platform", "processor")},
            "versions": clipped(", ".join(f"{name} {version}" for name, version in run.manifest["versions"].items())),
            "host": platform.node(),
        },
        "untrained": run.setup.spec.untrained_return,
        "best": run.setup.spec.best_return,
    }


def _radius(radius: int | tuple[int, ...]) -> str:
    if isinstance(radius, int):
        return str(radius)
    return str(radius[0]) if len(set(radius)) == 1 else f"{min(radius)} to {max(radius)}"


def settings_rows(experiment: Experiment) -> list[list[str]]:
    """Key and value of every setting, and ``1`` where the value is not the default."""
    non_defaults = experiment.model_dump(mode="json", exclude_defaults=True)
    rows: list[list[str]] = []
    _walk(experiment.model_dump(mode="json"), non_defaults, "", rows)
    return rows


def _walk(values: dict[str, Any], non_defaults: Any, prefix: str, rows: list[list[str]]) -> None:
    for key, value in values.items():
        own = non_defaults.get(key) if isinstance(non_defaults, dict) else None
        if isinstance(value, dict) and value:
            _walk(value, own, f"{prefix}{key}.", rows)
        else:
            rows.append([clipped(f"{prefix}{key}", 120), clipped(str(value), 200), "1" if own is not None else ""])

"""Colours of the theme by their names, and the line that says which run a picture is of."""

from __future__ import annotations

from netagents.experiment.topology_settings import EdgesSettings
from netagents.records import Run

INK = "var(--ink)"
QUIET = "var(--quiet)"
MAIN = "var(--main)"
ACCENT = "var(--accent)"
GOOD = "var(--good)"


def describe(run: Run) -> str:
    """One line that says which run this is."""
    setup, experiment = run.setup, run.experiment
    kappa = {name: experiment.radius(name) for name in ("policy", "critic", "gradient")}
    if len(set(map(str, kappa.values()))) == 1:
        radii = f"kappa {_short(kappa['policy'])}"
    else:
        radii = "kappa " + ", ".join(f"{name} {_short(value)}" for name, value in kappa.items())
    ended = "" if run.state == "finished" else f" · {run.state}"
    graph = experiment.topology
    made = graph.source if isinstance(graph, EdgesSettings) and graph.source else graph.kind
    return f"{setup.spec.name} · {made} · {setup.n} agents · {radii} · seed {experiment.seed}{ended}"


def _short(radius: int | tuple[int, ...]) -> str:
    if isinstance(radius, tuple):
        return str(radius[0]) if len(set(radius)) == 1 else f"{min(radius)}-{max(radius)}"
    return str(radius)

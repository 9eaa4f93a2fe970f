"""Experiment settings that tests of several rooms use: the message chain, as small as a test wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def line_msg(
    n: Any,
    *,
    iterations: Any = None,
    batch: Any = None,
    horizon: Any = None,
    learning: Mapping[str, Any] | None = None,
    launcher: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """LineMsg on a line of ``n`` agents, as an experiment file has it; what is not given keeps its default.

    Args:
        n: number of agents.
        iterations, batch, horizon: below ``learning``.
        learning: further settings there; they win over the three.
        launcher: of ``runtime``.
        settings: everything else, by its key; a mapping ``environment`` adds parameters of the environment.

    Returns:
        New mappings at every call.
    """
    short = {"iterations": iterations, "batch": batch, "horizon": horizon}
    learned = {key: value for key, value in short.items() if value is not None} | dict(learning or {})
    environment = {"kind": "line_msg"} | dict(settings.pop("environment", {}))
    described: dict[str, Any] = {"environment": environment, "topology": {"kind": "line", "n": n}, **settings}
    if learned:
        described["learning"] = learned
    if launcher is not None:
        described["runtime"] = {"launcher": launcher}
    return described

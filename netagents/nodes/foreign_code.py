"""Code that a server's welcome names: run only where somebody allowed it.

An agent builds its policy, utility and constraints from the experiment that the server sends.  ``import:package.module:Class`` would let
whoever runs the server call anything on the agent's host, so a node started by hand refuses it unless it was started with
``--allow-imports``.  Parts that an installed package offers under an entry point of netagents are that host's own choice, and allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from netagents.errors import SecurityError
from netagents.experiment import Experiment

_BUILT_BY_THE_SERVER = frozenset({"environment", "topology"})
_PREFIX = "import:"


def imported_parts(experiment: Experiment) -> list[str]:
    """The import paths of all parts that a node other than the server would build."""
    return sorted(set(_imports(experiment.model_dump(mode="json", exclude=set(_BUILT_BY_THE_SERVER)))))


def refuse_foreign_code(experiment: Experiment, *, allowed: bool) -> None:
    """Refuse to go on when the experiment names code of its own and nobody allowed that.

    Raises:
        SecurityError: names the first such part.
    """
    named = [] if allowed else imported_parts(experiment)
    if named:
        raise SecurityError(
            f"the server's experiment names code to run here: {named[0][:200]}",
            fix="start this node with --allow-imports if you trust the server and that code",
        )


def _imports(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        kind = value.get("kind")
        if isinstance(kind, str) and kind.startswith(_PREFIX):
            yield kind
        for inner in value.values():
            yield from _imports(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _imports(inner)

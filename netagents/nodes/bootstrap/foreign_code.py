"""Code that a server's Welcome names: a node runs it only if it was started with permission.

An agent builds its policy, utility and constraints from the experiment that the server sends.  With ``import:package.module:Class`` the
server could call anything on the agent's host, so a node started by hand refuses it unless it was started with ``--allow-imports``.  Parts
that an installed package registers as entry points of netagents are that host's own choice, and allowed.
"""

from __future__ import annotations

from netagents.errors import SecurityError
from netagents.experiment import Experiment
from netagents.experiment.named_code import named_code

_BUILT_BY_THE_SERVER = ("environment.", "topology.", "runtime.")


def imported_parts(experiment: Experiment) -> list[str]:
    """The import paths of all parts that nodes other than the server build."""
    return sorted({name for key, name in named_code(experiment) if not key.startswith(_BUILT_BY_THE_SERVER)})


def refuse_foreign_code(experiment: Experiment, *, allowed: bool) -> None:
    """Refuse an experiment that names code to import, unless that is allowed.

    Raises:
        SecurityError: names the first such part.
    """
    named = [] if allowed else imported_parts(experiment)
    if named:
        raise SecurityError(
            f"the server's experiment names code to run here: {named[0][:200]}",
            fix="start this node with --allow-imports if you trust the server and that code",
        )

"""netagents: networked multi-agent reinforcement learning, one process per agent.

``run = netagents.run("launch/quickstart.yaml", kappa=2)`` trains and returns the records; ``netagents.Run.open(path)`` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netagents.experiment import Experiment, load_experiment
    from netagents.launchers.launch import run
    from netagents.launchers.resumed_run import resume
    from netagents.records.run_reader import Run

__version__ = "0.1.0"

__all__ = ["Experiment", "Run", "__version__", "load_experiment", "resume", "run"]

_HOMES = {
    "Experiment": "netagents.experiment",
    "load_experiment": "netagents.experiment",
    "run": "netagents.launchers.launch",
    "resume": "netagents.launchers.resumed_run",
    "Run": "netagents.records.run_reader",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line answers --help without numpy.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'netagents' has no attribute '{name}'")

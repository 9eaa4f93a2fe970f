"""netagents: networked multi-agent reinforcement learning, one process per agent.

``run = netagents.run("launch/quickstart.yaml", kappa=2)`` trains and returns the records; ``netagents.Run.open(path)`` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netagents.experiment import Experiment, load_experiment
    from netagents.launchers.influence_of_run import influence
    from netagents.launchers.iteration_callback import RecordedIteration
    from netagents.launchers.launch import run
    from netagents.launchers.policy_evaluation import evaluate
    from netagents.launchers.power_audit import audit
    from netagents.launchers.resumed_run import resume
    from netagents.records.run_reader import Run, runs
    from netagents.reports.comparison_page import compare
    from netagents.reports.run_report import write_report
    from netagents.reports.study_report import write_study_report
    from netagents.studies.exact_of_run import exact_values
    from netagents.studies.finished_study import study, study_mute, study_power, study_seeds, study_sweep
    from netagents.studies.measured_studies import (
        attack,
        study_allocation,
        study_budget,
        study_failures,
        study_robustness,
        study_samples,
    )

__version__ = "0.1.0"

__all__ = [
    "Experiment",
    "RecordedIteration",
    "Run",
    "__version__",
    "attack",
    "audit",
    "compare",
    "evaluate",
    "exact_values",
    "influence",
    "load_experiment",
    "resume",
    "run",
    "runs",
    "study",
    "study_allocation",
    "study_budget",
    "study_failures",
    "study_mute",
    "study_power",
    "study_robustness",
    "study_samples",
    "study_seeds",
    "study_sweep",
    "write_report",
    "write_study_report",
]

_HOMES = {
    "Experiment": "netagents.experiment",
    "load_experiment": "netagents.experiment",
    "run": "netagents.launchers.launch",
    "resume": "netagents.launchers.resumed_run",
    "RecordedIteration": "netagents.launchers.iteration_callback",
    "Run": "netagents.records.run_reader",
    "audit": "netagents.launchers.power_audit",
    "influence": "netagents.launchers.influence_of_run",
    "compare": "netagents.reports.comparison_page",
    "evaluate": "netagents.launchers.policy_evaluation",
    "exact_values": "netagents.studies.exact_of_run",
    "runs": "netagents.records.run_reader",
    "write_report": "netagents.reports.run_report",
    "write_study_report": "netagents.reports.study_report",
    **dict.fromkeys(("study", "study_mute", "study_power", "study_seeds", "study_sweep"), "netagents.studies.finished_study"),
    **dict.fromkeys(
        ("attack", "study_allocation", "study_budget", "study_failures", "study_robustness", "study_samples"),
        "netagents.studies.measured_studies",
    ),
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line answers --help without numpy.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'netagents' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "Any", "annotations", "_HOMES"})

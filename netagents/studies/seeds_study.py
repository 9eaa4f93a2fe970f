"""Study of seeds: one experiment, nothing varied but the seed, as ``netagents run FILE --seeds`` carries it out."""

from __future__ import annotations

from collections.abc import Sequence

from netagents.errors import ExperimentError
from netagents.experiment import load_experiment
from netagents.experiment.load import LoadedExperiment
from netagents.studies.study_specification import Measure, Study, StudySetting, default_measure, self_contained


def seeds_study(loaded: LoadedExperiment, seeds: Sequence[int], measure: Measure | None = None) -> Study:
    """One setting, as many runs as there are seeds.

    The runs take place in one process where the experiment allows it, which changes no bit of what is learned.

    Args:
        loaded: the experiment.
        seeds: of the runs.
        measure: what the table is about (default: as the task says).

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    base, _, notes = self_contained(loaded)
    try:
        load_experiment(base, {})
    except ExperimentError:
        # Clocks and faults of processes need processes.
        base = base.model_copy(update={"runtime": loaded.experiment.runtime})
        notes.append("this experiment needs a process per agent, so its runs take longer")
    return Study(
        "seeds", base.name, base, (StudySetting(base.name, {}, base),), tuple(seeds), (), measure or default_measure(base), tuple(notes)
    )

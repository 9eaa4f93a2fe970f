"""The allocation study: every scenario trained with every population size, so that an allocation by influence has a rank among all."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import ExperimentError, UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.measures.influence import PUBLISHED_SIZES, population_conditions
from netagents.studies.study_specification import Study, StudySetting


def allocation_study(
    source: str | Path | Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    overrides: Sequence[str] = (),
    *,
    seeds: Sequence[int],
    sizes: Sequence[int] = PUBLISHED_SIZES,
    lengths: str = "equal",
) -> Study:
    """Every scenario with every population size.

    Args:
        source, overrides: the experiment: self-play of a population with one home (``learning.iterations`` is its length).
        axes: dotted key to values; their combinations are the scenarios.
        seeds: of the runs, at least two: co-players in evaluation come from other seeds.
        sizes: population sizes, 1 among them.
        lengths: ``equal``: each member learns as long as self-play; ``published``: twice as long in populations, as in the paper.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    if lengths not in ("equal", "published"):
        raise UsageError(f"there is no '{lengths}'", where="--lengths", fix="choose equal or published")
    if len(seeds) < 2:
        raise UsageError("one seed leaves no co-players of other seeds for the evaluation", where="--seeds", fix="use at least 2")
    if 1 not in sizes or len(set(sizes)) < 2:
        raise UsageError(f"sizes {list(sizes)} do not compare self-play with populations", where="--sizes", fix="write 1,3,5")
    loaded = load_experiment(source, overrides)
    base = loaded.experiment
    number = _population_group(base)
    conditions = population_conditions("equal" if lengths == "equal" else "published", sizes)
    unit = min(condition.steps_per_member for condition in conditions)
    settings = []
    for values in itertools.product(*axes.values()):
        combination = dict(zip(axes, values, strict=True))
        scenario = ", ".join(str(value) for value in values) or base.name
        for condition in conditions:
            iterations = base.learning.iterations * condition.members * condition.steps_per_member // unit
            words = {**combination, f"agents.{number}.members": condition.members, "learning.iterations": iterations}
            experiment = load_experiment(base, words).experiment
            prepare(experiment, loaded.base)
            context = {"scenario": scenario, "members": condition.members, **combination}
            settings.append(StudySetting(f"{scenario}, {condition.name}", context, experiment))
    notes = (f"{lengths} lengths: self-play learns {base.learning.iterations} iterations",)
    return Study("sweep", base.name, base, tuple(settings), tuple(seeds), ("scenario", "members", *axes), "return", notes)


def _population_group(base: Experiment) -> int:
    """The number of the group of agents that is a population with one home."""
    for number, group in enumerate(base.agents):
        if group.role == "population" and group.homes is not None and len(group.homes) == 1 and len(group.agents) == 2:
            return number
    raise ExperimentError(
        "this study needs a population of two seats with one home",
        where="agents",
        fix="begin with launch/matrix_grid_sp.yaml",
    )

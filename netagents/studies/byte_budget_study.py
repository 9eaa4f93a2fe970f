"""The study of radii under a budget of bytes: what is left of the return when each agent listens to those who matter, and to nobody else.

Every seed trains with the largest radius, with none, and with the radii that ``kappa: auto`` chooses by influence, by power, at random and
uniformly, all under the same budget.  Further radii, the same for all agents, may stand beside them, whatever they cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from netagents.errors import ExperimentError, UsageError
from netagents.experiment import load_experiment
from netagents.experiment.named_code import names_of
from netagents.intervals import ENOUGH, Interval, mean_interval
from netagents.launchers.policy_evaluation import evaluate
from netagents.launchers.radius_calibration import largest_radius
from netagents.learning.prepared_experiment import prepare
from netagents.messages import RadiusKind
from netagents.records.run_reader import Run
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, StudySetting, self_contained

LARGEST, NOBODY = "largest radius", "no radius"
INFLUENCE = "influence"
RULES = (INFLUENCE, "power", "random", "uniform")
KEPT = 0.95
"""Share of the return with the largest radius that should be kept."""


@dataclass(frozen=True)
class BudgetRow:
    """What one way to choose radii gives.

    Attributes:
        radii: the way. seeds: n.
        returns: of each seed, mean over agents and episodes, undiscounted.
        value: their mean with its interval.
        kept: 1 - (return with the largest radius - this one) / its size, paired by seed; mean with interval.
        learned: share of what training with the largest radius gained over the untrained policies, paired; NaN where it gained nothing.
        behind: return with radii by influence less this one, paired by seed; what is above 0 speaks for influence.
        share: payload between agents during training, of that with the largest radius; mean.
        calibration: iterations with the largest radius before the radii were chosen; 0 where there were none.
        mean_radii: policy, critic, gradient; mean over agents and seeds.
    """

    radii: str
    seeds: int
    returns: tuple[float, ...]
    value: Interval
    kept: Interval
    learned: Interval
    behind: Interval
    share: float
    calibration: float
    mean_radii: tuple[float, float, float]

    @property
    def keeps(self) -> str:
        """Whether it keeps :data:`KEPT` of the return: yes or no where the interval of enough seeds says so, else undecided."""
        if self.kept.n < ENOUGH:
            return "undecided"
        return "yes" if self.kept.low >= KEPT else "no" if self.kept.high < KEPT else "undecided"


def byte_budget_study(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    seeds: Sequence[int],
    budget: float | None = None,
    kappas: Sequence[int] = (),
) -> Study:
    """The runs: every rule with every seed.

    Args:
        source, overrides: the experiment; ``calibration`` says how radii are chosen.
        seeds: of the runs.
        budget: in the place of ``calibration.byte_budget``.
        kappas: further radii that are the same for all agents, above 0 and below the largest; the budget does not bind them.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    loaded = load_experiment(source, overrides)
    words: dict[str, Any] = {"kappa": "auto"} | ({} if budget is None else {"calibration.byte_budget": budget})
    base, topology, notes = self_contained(replace(loaded, experiment=load_experiment(loaded.experiment, words).experiment))
    if not base.chooses_radii:
        raise ExperimentError("all three radii are set, and nothing is left to choose", where="kappa", fix="leave one of them out")
    largest = largest_radius(base, topology)
    strange = next((kappa for kappa in kappas if not 0 < kappa < largest), None)
    if strange is not None:
        fix = f"choose from 1 to {largest - 1}" if largest > 1 else "leave it out"
        raise UsageError(f"{strange} is no further radius: 0 and the largest one, {largest}, are compared anyway", where="--kappa", fix=fix)
    settings = []
    ways: dict[str, dict[str, Any]] = {LARGEST: {"kappa": largest}, NOBODY: {"kappa": 0}}
    ways |= {f"kappa {kappa}": {"kappa": kappa} for kappa in sorted(set(kappas))}
    for label, changes in (ways | {rule: {"calibration.by": rule} for rule in RULES}).items():
        experiment = load_experiment(base, changes).experiment
        if "kappa" in changes:
            prepare(experiment, loaded.base)
        settings.append(StudySetting(label, {"radii": label}, experiment))
    notes = [*notes, f"largest radius {largest}, at most {base.calibration.byte_budget:.0%} of its payload"]
    return Study("sweep", base.name, base, tuple(settings), tuple(seeds), ("radii",), "return", tuple(notes))


def evaluate_budget(
    study: Study, directory: StudyDirectory, *, episodes: int, show: Callable[[str], None] | None = None
) -> list[BudgetRow]:
    """One row for each way to choose radii, in the order of the study.

    Args:
        study: of :func:`byte_budget_study`. directory: with all of its runs finished.
        episodes: that each run's policies play. show: told what is played.

    Raises:
        NetagentsError: a run is missing or cannot be played.
    """
    runs = {(setting.label, seed): Run.open(directory.run_path(name), names_of(study.base)) for name, setting, seed in study.runs()}
    returns, payload = {}, {}
    for (label, seed), run in runs.items():
        if show is not None:
            show(f"playing {label}, seed {seed}")
        returns[label, seed] = evaluate(run, episodes).team.value
        payload[label, seed] = _payload(run)
    untrained = {seed: evaluate(runs[LARGEST, seed], episodes, untrained=True).team.value for seed in study.seeds}
    best, first = (np.array([row[seed] for seed in study.seeds]) for row in ({s: returns[LARGEST, s] for s in study.seeds}, untrained))
    by_influence = np.array([returns[INFLUENCE, seed] for seed in study.seeds])
    rows = []
    for label in dict.fromkeys(setting.label for setting in study.settings):
        own = np.array([returns[label, seed] for seed in study.seeds])
        each = [runs[label, seed] for seed in study.seeds]
        calibrations = [facts for run in each if (facts := run.chosen_radii) is not None]
        radii = np.mean([[run.setup.reach[kind].radii for kind in RadiusKind] for run in each], axis=(0, 2))
        rows.append(
            BudgetRow(
                label,
                len(study.seeds),
                tuple(own.tolist()),
                mean_interval(own),
                mean_interval(1.0 - (best - own) / np.where(best == 0.0, np.nan, np.abs(best))),
                mean_interval((own - first) / np.where(best > first, best - first, np.nan)),
                mean_interval(by_influence - own),
                float(np.mean([payload[label, seed] / max(payload[LARGEST, seed], 1.0) for seed in study.seeds])),
                float(np.mean([facts.iterations for facts in calibrations])) if calibrations else 0.0,
                (float(radii[0]), float(radii[1]), float(radii[2])),
            )
        )
    return rows


def _payload(run: Run) -> float:
    """Payload between agents, per iteration."""
    return float(sum(traffic.bytes for hop, traffic in run.ledger.by_hop().items() if hop > 0)) / max(run.ledger.iterations, 1)


def budget_table(rows: Sequence[BudgetRow]) -> list[dict[str, Any]]:
    """One flat row for each way, for a CSV file."""
    table = []
    for row in rows:
        numbers = {
            f"{name}{end}": getattr(getattr(row, name), end.removeprefix("_") or "value")
            for name in ("value", "kept", "learned", "behind")
            for end in ("", "_low", "_high")
        }
        named = {key.replace("value", "return"): number for key, number in numbers.items()}
        policy, critic, gradient = row.mean_radii
        table.append(
            {"radii": row.radii, "seeds": row.seeds, **named, "share_of_bytes": row.share, "calibration_iterations": row.calibration}
            | {"kappa_policy": policy, "kappa_critic": critic, "kappa_gradient": gradient}
        )
    return table


def budget_json(study: Study, rows: Sequence[BudgetRow]) -> str:
    """All of it as JSON; what is not known is null."""
    plain = json.loads(json.dumps([asdict(row) for row in rows]).replace("NaN", "null"))
    return json.dumps({"name": study.name, "seeds": study.seeds, "notes": study.notes, "rows": plain}, indent=1, allow_nan=False) + "\n"

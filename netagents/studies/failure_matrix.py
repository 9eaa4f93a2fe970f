"""The failure matrix: what is left of the others' return for each agent that fails and each way in which it does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netagents.errors import NetagentsError, RunDirectoryError, UsageError
from netagents.experiment import Experiment
from netagents.experiment.named_code import names_of
from netagents.intervals import mean_interval, standard_half_width
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.learning.branch_checks import check_branchable
from netagents.learning.protocol.information_age import is_aged
from netagents.policies import Policy
from netagents.records.atomic_files import check_folder, write_atomically
from netagents.records.failure_cells import read_cells
from netagents.records.jsonl import JsonLinesWriter
from netagents.records.regular_files import read_regular
from netagents.records.run_reader import Run
from netagents.studies.attack_study import attack_study
from netagents.studies.failure_play import MESSAGES, TRAINED, FailureKind, FailurePlay, Played
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, run_name

FloatArray = NDArray[np.float64]
PLAN, CELLS, FAILURES = "plan.json", "cells.jsonl", "failures.json"
Train = Callable[[Study, StudyDirectory], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class FailurePlan:
    """What is played.

    Attributes:
        kinds: of failures.
        episodes: per cell. rate: of one-step worst actions, per step.
        budget: iterations of training for kinds that need it (default: those of the run).
        greedy: whether policies play their most probable actions.
    """

    kinds: tuple[FailureKind, ...]
    episodes: int = 256
    rate: float = 0.1
    budget: int | None = None
    greedy: bool = False

    def text(self, runs: Sequence[Run]) -> str:
        """As it is written down; cells of another plan are not these ones."""
        facts = {
            "episodes": self.episodes,
            "rate": self.rate,
            "budget": self.budget,
            "greedy": self.greedy,
            "runs": [[run.path.name, run.manifest["run"], max(run.checkpoints)] for run in runs],
        }
        return json.dumps(facts, sort_keys=True) + "\n"


def failure_matrix(runs: Sequence[Run], plan: FailurePlan, out: Path, train: Train, report: Say) -> dict[str, Any]:
    """Play every cell that has not been played yet, and write ``failures.json``.

    Args:
        runs: finished, with checkpoints; the first one is what the others are compared with.
        plan: what is played.
        out: folder; the same one again goes on.
        train: carries out the training runs of a study.
        report: told of each cell.

    Raises:
        UsageError: runs are not of one environment and size, one is named twice, or the folder holds cells of another plan.
        RunDirectoryError: the folder holds something else, cannot be made, or its cells are damaged.
        NetagentsError: a run has no checkpoint, or its environment cannot be built here.
    """
    for run in runs:
        run.directory.require_trust()
        run.policies(None)
        if run.n < 2:
            raise UsageError(f"{run.path.name} has one agent, and nobody else to lose anything", where="RUN")
    _check_alike(runs)
    _claim(out, plan.text(runs))
    cells = read_cells(out / CELLS, plan.kinds, [run.n for run in runs])
    writer = JsonLinesWriter(out / CELLS)
    try:
        for number, run in enumerate(runs):
            missing = [(j, kind) for kind in plan.kinds for j in range(run.n) if (number, j, kind) not in cells]
            if not missing and (number, -1, "untrained") in cells:
                continue
            trained: dict[str, Mapping[int, Policy]] = {
                kind: _trained(run, number, plan, kind, out, train) for kind in TRAINED if any(kind == each for _, each in missing)
            }
            for row in _rows(run, number, plan, missing, trained, cells, report):
                writer.write(row)
                cells[row["run"], row["agent"], row["kind"]] = row
    finally:
        writer.close()
    facts = {
        "format_version": 1,
        "runs": [{"name": run.path.name, "n": run.n, "labels": [str(label) for label in run.topology.labels]} for run in runs],
        "kinds": list(plan.kinds),
        "episodes": plan.episodes,
        "rate": plan.rate,
        "greedy": plan.greedy,
        "cells": [cells[key] for key in sorted(cells, key=str)],
    }
    write_atomically(out / FAILURES, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())
    return facts


def check_removable(runs: Sequence[Run]) -> None:
    """Refuse runs in whose environment no body can be taken away, before anything is played.

    Raises:
        EnvironmentMismatchError: names the environment, and what to play instead.
    """
    for run in runs:
        with evaluation_environment(run) as environment:
            if not environment.removable:
                environment.without_body(environment.reset(np.zeros((1, *environment.spec.reset_noise))), 0)


def _check_alike(runs: Sequence[Run]) -> None:
    """Refuse runs whose returns say nothing about each other."""
    first = runs[0]
    facts = first.setup.spec.name, first.n
    for number, run in enumerate(runs[1:], start=1):
        if (run.setup.spec.name, run.n) != facts:
            raise UsageError(
                f"{run.path.name} is a run of {run.setup.spec.name} with {run.n} agents, "
                f"and {first.path.name} one of {facts[0]} with {facts[1]}",
                where="RUN",
                fix="compare runs of one environment and size",
            )
        if any(run.path.resolve() == each.path.resolve() for each in runs[:number]):
            raise UsageError(f"{run.path.name} is named twice", where="RUN", fix="name it once")


def _claim(out: Path, text: str) -> None:
    plan = out / PLAN
    check_folder(out, "use another --out")
    if plan.exists():
        if read_regular(plan, 1 << 24) != text.encode():
            raise UsageError("it holds failures of other runs or settings", where=str(out), fix="use another --out")
    elif out.exists() and any(out.iterdir()):
        raise RunDirectoryError("holds something else", where=str(out), fix="name an empty folder, or one that this study made")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(f"cannot be made: {error.strerror}", where=str(out), fix="use another --out") from error
    write_atomically(plan, text.encode())


def _rows(
    run: Run,
    number: int,
    plan: FailurePlan,
    missing: Sequence[tuple[int, FailureKind]],
    trained: Mapping[str, Mapping[int, Policy]],
    known: Mapping[tuple[int, int, str], Any],
    report: Say,
) -> Any:
    """The rows of cells that have not been played."""
    setup, horizon = run.setup, run.setup.horizon
    begin, short = horizon // 4, max(1, horizon // 8)
    with evaluation_environment(run) as environment:
        environment.open(plan.episodes, None)
        play = FailurePlay(setup, environment, run.policies(None), plan.episodes, plan.rate, greedy=plan.greedy)
        if (number, -1, "untrained") not in known:
            untrained = FailurePlay(setup, environment, [setup.policy(j) for j in range(setup.n)], plan.episodes, plan.rate)
            yield {
                "run": number,
                "agent": -1,
                "kind": "untrained",
                "returns": [float(untrained.play(j, None, 0, 0).returns.mean()) for j in range(setup.n)],
            }
        clean: dict[int, Played] = {}
        for count, (agent, kind) in enumerate(missing):
            report(f"{run.path.name}: agent {agent}, {kind} ({count + 1} of {len(missing)})")
            reason = _impossible(play, agent, kind)
            if reason is not None:
                yield {"run": number, "agent": agent, "kind": kind, "reason": reason}
                continue
            whole = clean.setdefault(agent, play.play(agent, None, 0, 0))
            instead = trained[kind].get(agent) if kind in TRAINED else None
            # One-step worst actions come throughout; all else begins at a quarter of the episode and lasts.
            failed = play.play(agent, kind, 0 if kind == "worst" else begin, horizon, instead)
            if kind == "removed":
                last, passing = begin + 1, failed
            else:
                transient = FailurePlay(setup, environment, play.policies, plan.episodes, 1.0, greedy=plan.greedy)
                last = begin + (1 if kind == "worst" else short)
                passing = transient.play(agent, kind, begin, last, instead)
            yield {
                "run": number,
                "agent": agent,
                "kind": kind,
                "clean": _interval(whole.returns),
                "failed": _interval(failed.returns),
                "loss": _interval(whole.returns - failed.returns),
                "fifth": float(np.quantile(failed.returns, 0.05)),
                "fifth_clean": float(np.quantile(whole.returns, 0.05)),
                "recovery": recovery_steps(whole.rewards - passing.rewards, last),
                "horizon": horizon,
            }


def recovery_steps(losses: FloatArray, last: int) -> int | None:
    """Steps after a failure until the others' loss per step is no longer distinguishable from none, or below 5 % of its peak.

    Args:
        losses: (N, H) what the others miss at each step, with the same chances.
        last: first step at which it no longer acts.

    Returns:
        0 where nothing is missed afterwards; None where something still is at the end of the episode.
    """
    mean = losses.mean(axis=0)
    half = standard_half_width(losses.std(axis=0, ddof=1), len(losses))
    peak = float(mean.max(initial=0.0))
    affected = np.flatnonzero((mean - half > 0.0) & (mean > 0.05 * peak))
    affected = affected[affected >= last]
    if not affected.size:
        return 0
    final = int(affected[-1])
    return None if final == losses.shape[1] - 1 else final + 1 - last


def _impossible(play: FailurePlay, agent: int, kind: FailureKind) -> str | None:
    """Why a cell is empty; None where it can be played."""
    if kind in MESSAGES and not play.is_heard(agent):
        return "no policy reads its state"
    if kind in MESSAGES and is_aged(play.setup):
        return "information is aged"
    if kind == "removed" and not play.environment.removable:
        return f"no agent can be taken out of environment '{play.setup.spec.name}'"
    if kind == "worst":
        try:
            check_branchable(play.setup)
        except NetagentsError as error:
            return error.what
    return None


def _trained(run: Run, number: int, plan: FailurePlan, kind: str, out: Path, train: Train) -> Mapping[int, Policy]:
    """What each agent plays in its own seat after it was trained against all others, who are frozen."""
    study = attack_study(run, [(agent,) for agent in range(run.n)], budget=plan.budget, seeds=1)
    settings = []
    for setting in study.settings:
        experiment = setting.experiment.model_dump(mode="json")
        for group in experiment["agents"]:
            if group["role"] == "frozen":
                group["greedy"] = plan.greedy
            elif kind == "incentive":
                # It learns for itself alone, whatever it learned for before.
                group |= {"role": "learner", "incentive": {"kind": "selfish"}}
        settings.append(type(setting)(setting.label, setting.values, Experiment.model_validate(experiment)))
    study = type(study)(**{**{name: getattr(study, name) for name in study.__dataclass_fields__}, "settings": tuple(settings)})
    directory = StudyDirectory.open_for(out / f"{kind}-{number}", study)
    train(study, directory)
    policies = {}
    for agent, setting in enumerate(study.settings):
        learned = Run.open(directory.run_path(run_name(setting, study.seeds[0])), names_of(setting.experiment))
        policies[agent] = learned.policies(None)[agent]
    return policies


def _interval(samples: ArrayLike) -> list[float | None]:
    """Mean, edges and n; None for edges that one sample does not give."""
    interval = mean_interval(samples)
    return [*(float(value) if math.isfinite(value) else None for value in interval[:3]), interval.n]

"""Results of attacks: what the victims still return, by group of adversaries, skill and seed, as plain JSON that pages are made of."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from netagents.experiment.named_code import names_of
from netagents.intervals import Interval, mean_interval
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.policies import Policy
from netagents.records.atomic_files import write_atomically
from netagents.records.record_files import read_record
from netagents.records.run_reader import Run
from netagents.studies.attack_returns import Attack
from netagents.studies.corrupted_messages import corrupted_messages
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, StudySetting, run_name

ATTACK = "attack.json"
RANDOM = 1.0
"""The noise at which nothing is left of an adversary's policy: the seat plays at random."""


def measure_attack(
    run: Run,
    study: Study,
    directory: StudyDirectory,
    *,
    episodes: int,
    noises: Sequence[float] = (0.25, 0.5),
    checkpoint: int | None = None,
    converged_only: bool = False,
    messages: bool = True,
) -> dict[str, Any]:
    """Play the victims against everybody that was trained, and write ``attack.json``.

    Args:
        run: of the victims.
        study: of :func:`netagents.studies.attack_study.attack_study`, carried out in ``directory``.
        episodes: per adversary, the same chances for all.
        noises: of the converged adversary's actions.
        checkpoint: of the victims (default: the newest).
        converged_only: leave out half-trained adversaries, sampled ones, and what clean runs say; a third of the episodes is left.
        messages: also corrupt messages, for each agent and each neighbour that its policy reads.

    Raises:
        RunDirectoryError: a training run is not finished, or damaged.
    """
    setup, policies = run.setup, run.policies(checkpoint)
    with evaluation_environment(run) as environment:
        environment.open(episodes, None)
        attack = Attack(setup, environment, policies, episodes)
        rows = [_row(attack, study, directory, setting, noises, converged_only) for setting in study.settings]
        corrupted = []
        if messages:
            environment.open(64, None)
            with contextlib.suppress(ValueError):
                corrupted = [
                    {"agent": each.agent, "neighbour": each.neighbour, "hop": each.hop, **each.effect._asdict()}
                    for each in corrupted_messages(setup, environment, policies)
                ]
    facts = {
        "format_version": 1,
        "run": str(run.path),
        "name": run.path.name,
        "experiment": run.experiment.name,
        "checkpoint": max(run.checkpoints) if checkpoint is None else checkpoint,
        "n": run.n,
        "labels": [str(label) for label in run.topology.labels],
        "episodes": episodes,
        "budget": study.base.learning.iterations,
        "seeds": list(study.seeds),
        "notes": list(study.notes),
        "rows": rows,
        "messages": corrupted,
        "corrupted": messages,
    }
    write_atomically(directory.path / ATTACK, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())
    return facts


def load_attack(path: Path) -> dict[str, Any]:
    """What :func:`measure_attack` wrote.

    Raises:
        RunDirectoryError: there is none, or it is damaged.
    """
    return read_record(path / ATTACK, ATTACK)


def _row(
    attack: Attack, study: Study, directory: StudyDirectory, setting: StudySetting, noises: Sequence[float], converged_only: bool
) -> dict[str, Any]:
    """Everything about one group of adversaries of one kind."""
    group = tuple(int(word) for word in str(setting.values["adversaries"]).split(","))
    clean = attack.returns(group)
    attacked, sampled, seconds = [], [], []
    by_noise: dict[float, list[float]] = {noise: [] for noise in noises}
    by_skill: dict[int, list[float]] = {}
    weighted = []
    for seed in study.seeds:
        trained = Run.open(directory.run_path(run_name(setting, seed)), names_of(setting.experiment))
        for iteration in [max(trained.checkpoints)] if converged_only else sorted(trained.checkpoints):
            adversaries = _seats(trained, group, iteration)
            by_skill.setdefault(iteration, []).append(float(attack.returns(group, adversaries).mean()))
        adversaries = _seats(trained, group, None)
        attacked.append(by_skill[max(by_skill)][-1])
        for noise, values in by_noise.items():
            values.append(float(attack.returns(group, adversaries, noise=noise).mean()))
        if not converged_only:
            drawn = attack.returns(group, adversaries, greedy=False)
            sampled.append(float(drawn.mean()))
            if len(group) == 1:
                try:
                    estimate = attack.weighted_estimate(group[0], adversaries[group[0]])
                    weighted.append({**estimate._asdict(), "truth": _interval(drawn)})
                except ValueError:
                    weighted = []
        result = directory.result(run_name(setting, seed)) or {}
        seconds.append(float(result.get("cpu_seconds", math.nan)))
    return {
        **setting.values,
        "label": setting.label,
        "clean": _interval(clean),
        "attacked": _interval(attacked),
        "loss": _interval(float(clean.mean()) - np.array(attacked)),
        "by_seed": attacked,
        "sampled": _interval(sampled) if sampled else [None, None, None, 0],
        "random": _interval(attack.returns(group, noise=RANDOM)),
        "noise": [{"noise": noise, "attacked": _interval(values)} for noise, values in by_noise.items()],
        "skill": [{"iteration": iteration, "attacked": _interval(values)} for iteration, values in sorted(by_skill.items())],
        "weighted": weighted,
        "cpu_seconds": None if math.isnan(float(np.mean(seconds))) else float(np.mean(seconds)),
    }


def _seats(trained: Run, group: Sequence[int], iteration: int | None) -> dict[int, Policy]:
    policies = trained.policies(iteration)
    return {agent: policies[agent] for agent in group}


def _interval(samples: ArrayLike) -> list[float | None]:
    """Mean, edges and n; None for edges that one sample does not give."""
    interval: Interval = mean_interval(samples)
    return [*(float(value) if math.isfinite(value) else None for value in interval[:3]), interval.n]

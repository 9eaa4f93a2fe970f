"""A study of robustness: methods x adversaries x seeds, each method trained, then frozen and attacked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netagents.errors import UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.named_code import names_of
from netagents.intervals import run_interval
from netagents.learning.prepared_experiment import prepare
from netagents.records.atomic_files import write_atomically
from netagents.records.regular_files import check_real_folder
from netagents.records.run_reader import Run
from netagents.studies.attack_results import load_attack, measure_attack
from netagents.studies.attack_study import attack_study
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, StudySetting, run_name, self_contained

ATTACKS, ROBUSTNESS = "attacks", "robustness.json"
RELATIVES = ("m3ddpg", "rom_q", "ernie", "romax")
"""Robust relatives of a backbone that can be asked for by name, each with its defaults."""
Train = Callable[[Study, StudyDirectory], None]


def robustness_study(
    sources: Sequence[str | Path],
    overrides: Sequence[str],
    *,
    lambdas: Sequence[float],
    seeds: Sequence[int],
    modes: Sequence[str] = ("exact",),
    relatives: Sequence[str] = (),
) -> Study:
    """One setting per method: every file, and the first one, the backbone, with each information penalty and as each robust relative.

    Args:
        sources: experiment files, the backbone first.
        overrides: for all of them.
        lambdas: of penalties of kind ``information``, shared, on top of the backbone.
        seeds: of each method.
        modes: in which the information of these penalties is estimated, each with every lambda.
        relatives: names of :data:`RELATIVES`.

    Raises:
        UsageError: two methods of one name, of another environment or graph than the backbone's, or a relative that the backbone's
            algorithm does not have.
        NetagentsError: a file is wrong, in one line; nothing has been written.
    """
    methods: dict[str, Experiment] = {}
    notes: list[str] = []
    for source in sources:
        loaded = load_experiment(source, overrides)
        experiment, _, more = self_contained(loaded)
        prepare(experiment, loaded.base)
        notes += [note for note in more if note not in notes]
        _add(methods, experiment.name, experiment)
    backbone = next(iter(methods.values()))
    plain = backbone.model_dump(mode="json")
    for mode in modes:
        for weight in lambdas:
            term = {"kind": "information", "weight": -weight, "shared": True, **({} if mode == "exact" else {"parameters": {"mode": mode}})}
            made = Experiment.model_validate({**plain, "signals": [*plain["signals"], term]})
            prepare(made)
            _add(methods, f"{backbone.name} + information {weight:g}" + (f" {mode}" if mode != "exact" else ""), made)
    for relative in relatives:
        _add(methods, f"{backbone.name} + {relative}", _relative(backbone, relative))
    for name, experiment in methods.items():
        if (experiment.environment, experiment.topology) != (backbone.environment, backbone.topology):
            raise UsageError(
                f"'{name}' has another environment or graph than '{backbone.name}', and its returns say nothing beside those",
                where="methods",
                fix="compare experiments of one environment",
            )
    settings = tuple(StudySetting(name, {"method": name}, experiment) for name, experiment in methods.items())
    return Study("robustness", backbone.name, backbone, settings, tuple(seeds), ("method",), "return", tuple(notes))


def _relative(backbone: Experiment, relative: str) -> Experiment:
    """The backbone with one robust relative's settings, all of them at their defaults."""
    settings = backbone.learning.algorithm
    change = {"ernie": {}} if relative == "ernie" else {"robust": {"kind": relative}}
    if relative not in RELATIVES:
        raise UsageError(f"'{relative}' is no robust relative", where="--relatives", fix=f"there are {', '.join(RELATIVES)}")
    if not set(change) <= set(type(settings).model_fields):
        raise UsageError(
            f"{settings.kind} has no relative '{relative}'",
            where="--relatives",
            fix="take a backbone with learning.algorithm.kind maddpg" + ("" if "robust" in change else ", ppo or actor_critic"),
        )
    plain = backbone.model_dump(mode="json")
    algorithm = {**plain["learning"]["algorithm"], **change}
    made = Experiment.model_validate({**plain, "learning": {**plain["learning"], "algorithm": algorithm}})
    prepare(made)
    return made


def _add(methods: dict[str, Experiment], name: str, experiment: Experiment) -> None:
    if name in methods:
        raise UsageError(f"two methods are called '{name}'", where="methods", fix="give one of the files another name")
    methods[name] = experiment


def attack_all(
    study: Study,
    directory: StudyDirectory,
    groups: Sequence[tuple[int, ...]],
    train: Train,
    *,
    budget: int | None,
    attackers: int,
    episodes: int,
    messages: bool = True,
) -> dict[str, Any]:
    """Attack every trained run of the study that has not been attacked so yet, and write ``robustness.json``.

    Args:
        study: whose runs are finished in ``directory``.
        groups: of adversaries.
        train: carries out the trainings of one attack.
        budget: iterations of an adversary's training (default: as many as the method's own).
        attackers: seeds of adversaries per group and run.
        episodes: per adversary.
        messages: also corrupt messages, of each pair of agents.

    Raises:
        NetagentsError: a training failed; what is finished stays.
    """
    by_setting: dict[str, list[dict[str, Any]]] = {setting.label: [] for setting in study.settings}
    for name, setting, seed in study.runs():
        run = Run.open(directory.run_path(name), names_of(setting.experiment))
        attack = attack_study(run, groups, budget=budget, seeds=attackers)
        check_real_folder(directory.path / ATTACKS)
        place = StudyDirectory.open_for(directory.path / ATTACKS / name, attack)
        facts = _finished(place, attack, episodes, messages)
        if facts is None:
            train(attack, place)
            facts = measure_attack(run, attack, place, episodes=episodes, noises=(), converged_only=True, messages=messages)
        result = directory.result(name) or {}
        by_setting[setting.label].append({"seed": seed, "facts": facts, "seconds": float(result.get("cpu_seconds", math.nan))})
    facts = _summary(study, by_setting, groups, attackers, episodes)
    write_atomically(directory.path / ROBUSTNESS, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())
    return facts


def _finished(place: StudyDirectory, attack: Study, episodes: int, messages: bool) -> dict[str, Any] | None:
    """What an attack came to that was the same."""
    if not (place.path / "attack.json").exists():
        return None
    facts = load_attack(place.path)
    same = (
        facts["episodes"] == episodes
        and facts["seeds"] == list(attack.seeds)
        and facts["budget"] == attack.base.learning.iterations
        and (facts.get("corrupted", True) or not messages)
        and [row["label"] for row in facts["rows"]] == [setting.label for setting in attack.settings]
    )
    return facts if same and all(place.result(run_name(setting, seed)) for _, setting, seed in attack.runs()) else None


def _summary(
    study: Study, by_setting: dict[str, list[dict[str, Any]]], groups: Sequence[tuple[int, ...]], attackers: int, episodes: int
) -> dict[str, Any]:
    """Methods with intervals over seeds; differences to the backbone seed by seed."""
    first = study.settings[0].label
    methods = []
    for label, runs in by_setting.items():
        rows = []
        for number, group in enumerate(groups):
            values = {key: np.array([one["facts"]["rows"][number][key][0] for one in runs]) for key in ("clean", "attacked", "random")}
            base = {key: np.array([one["facts"]["rows"][number][key][0] for one in by_setting[first]]) for key in ("clean", "attacked")}
            rows.append(
                {
                    "adversaries": ",".join(map(str, group)),
                    **{key: _interval(value) for key, value in values.items()},
                    "loss": _interval(values["clean"] - values["attacked"]),
                    "by_seed": values["attacked"].tolist(),
                    "clean_by_seed": values["clean"].tolist(),
                    "clean_gain": _interval(values["clean"] - base["clean"]),
                    "attacked_gain": _interval(values["attacked"] - base["attacked"]),
                }
            )
        messages = [each for one in runs for each in one["facts"]["messages"]]
        seconds = np.array([one["seconds"] for one in runs])
        methods.append(
            {
                "method": label,
                "rows": rows,
                "cpu_seconds": _interval(seconds),
                "seconds_by_seed": [second if math.isfinite(second) else None for second in seconds.tolist()],
                "time_ratio": _interval(seconds / np.array([one["seconds"] for one in by_setting[first]])),
                "messages": [
                    {
                        "hop": hop,
                        **{
                            kind: float(np.mean([each[kind] for each in messages if each["hop"] == hop]))
                            for kind in ("information", "movement", "changed")
                        },
                    }
                    for hop in sorted({each["hop"] for each in messages})
                ],
            }
        )
    return {
        "format_version": 1,
        "name": study.name,
        "seeds": list(study.seeds),
        "attackers": attackers,
        "episodes": episodes,
        "iterations": study.base.learning.iterations,
        "budget": by_setting[first][0]["facts"]["budget"],
        "notes": list(study.notes),
        "methods": methods,
    }


def _interval(samples: Any) -> list[float | None]:
    """Interquartile mean over seeds, edges and n; None for what is not known."""
    value, low, high, n = run_interval(samples)
    return [*(float(each) if math.isfinite(each) else None for each in (value, low, high)), n]

"""Radius study: the communication radius moves and nothing else, and every run that follows from that."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from netagents.errors import CapacityError, UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.studies.study_specification import Measure, Study, StudySetting, default_measure, diameter, self_contained

RADII: tuple[Literal["policy", "critic", "gradient"], ...] = ("policy", "critic", "gradient")


def radius_study(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    kappas: Sequence[int],
    seeds: Sequence[int],
    hold: Mapping[str, int | None] | None = None,
    credits: Sequence[str] | None = None,  # noqa: A002 - the field's word
    routings: Sequence[str] | None = None,
    informations: Sequence[str] | None = None,
    baselines: bool = True,
    measure: Measure | None = None,
) -> Study:
    """Move the communication radius and nothing else.

    Args:
        source, overrides: the experiment.
        kappas: radii; those beyond the diameter are clipped to it, with a note.
        seeds: of the runs.
        hold: radii that stay at a value while the others move; None releases one that the experiment itself holds.
        credits: credits to compare (default: the experiment's).
        routings: routings to compare, likewise; they share their runs, whose bits are the same, and differ in what they send.
        informations: ``fresh``, ``aged`` or both, likewise.
        baselines: add independent learners (kappa 0) and kappa = diameter.
        measure: what is better (default: the return of a pure task, else the objective).

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    override = next((word for word in overrides if word.startswith("kappa=")), None)
    if override is not None:
        raise UsageError(f"'{override}' sets what this study moves", where="override", fix="name the radii with --kappa")
    loaded = load_experiment(source, overrides)
    base, topology, notes = self_contained(loaded)
    held = _held(base, hold or {}, notes)
    widest = diameter(topology)
    radii = sorted({min(kappa, widest) for kappa in kappas})
    if max(kappas) > widest:
        notes.append(f"kappa {max(kappas)} is beyond the graph's diameter and was clipped to {widest}, where everyone hears everyone")
    every = sorted({*radii, 0, widest}) if baselines else radii
    settings = []
    routings, informations = routings or (base.routing,), informations or (base.information,)
    kinds = itertools.product(credits or (base.learning.credit,), informations, routings)
    for credit, information, routing in kinds:
        compared = [(credits, "credit", credit), (informations, "information", information), (routings, "routing", routing)]
        labels = {name: value for override, name, value in compared if override is not None and len(override) > 1}
        for kappa in every:
            words: dict[str, Any] = {"kappa": kappa, "learning.credit": credit, "information": information, "routing": routing}
            for name in RADII:
                words[f"kappa_{name}"] = held.get(name)
            if credit == "shared_reward" and "critic" in held and "gradient" not in held:
                words["kappa_gradient"] = min(kappa, held["critic"])
            experiment = load_experiment(base, words).experiment
            values = {"kappa": kappa, "credit": credit, **labels}
            if labels.keys() - {"credit"}:
                values["variant"] = ", ".join(labels.values())
            label = ", ".join([f"kappa={kappa}", *(f"{name}={value}" for name, value in labels.items())])
            shared = ", ".join([f"kappa={kappa}", *(f"{name}={value}" for name, value in labels.items() if name != "routing")])
            try:
                prepare(experiment, loaded.base)
            except CapacityError as error:
                if kappa in radii:
                    raise
                notes.append(f"no baseline at kappa {kappa}: {error.what}")
                continue
            settings.append(StudySetting(label, values, experiment, shared if "routing" in labels and not base.faults else ""))
    notes += [f"kappa_{name} is held at {value} for all settings" for name, value in held.items()]
    varied = tuple(name for name in settings[0].values if name != "variant")
    return Study("radius", base.name, base, tuple(settings), tuple(seeds), varied, measure or default_measure(base), tuple(notes))


def _held(base: Experiment, hold: Mapping[str, int | None], notes: list[str]) -> dict[str, Any]:
    for name in hold:
        if name not in RADII:
            raise UsageError(f"there is no radius '{name}'", where="--hold", fix=f"hold one of {', '.join(RADII)}, such as --hold policy=0")
    held: dict[str, Any] = {name: value for name, value in hold.items() if value is not None}
    for name in RADII:
        own = getattr(base, f"kappa_{name}")
        if own is not None and name not in hold:
            held[name] = own
            notes.append(f"the experiment sets kappa_{name} alone, so it does not move; --hold {name}=free releases it")
    if len(held) == len(RADII):
        raise UsageError("all three radii are held, so nothing would change", where="--hold", fix="release one, such as --hold critic=free")
    return held

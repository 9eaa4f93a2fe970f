"""Study of power regularization: the same experiment without it and with it, at several prices, by several methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.base import Settings
from netagents.experiment.intervention_settings import SbprSettings, sbpr_of
from netagents.experiment.signal_settings import POWER_TERM, Aggregate, PowerTermSettings
from netagents.learning.prepared_experiment import prepare
from netagents.studies.study_specification import Measure, Study, StudySetting, default_measure, self_contained

NONE, SBPR, INDEPENDENT = "none", "sbpr", "independent"
UNPRICED = (NONE, INDEPENDENT)
"""Methods without a price."""
RAMP = 0.25
"""Where the experiment has no power term of its own: the price begins after this share of the iterations, and rises over as many."""

Method = Callable[[Experiment, float], Experiment]
"""From an experiment without power terms and a price to one that is regularized."""


def power_study(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    lambdas: Sequence[float],
    methods: Sequence[str] = (NONE, "prim"),
    aggregate: str | None = None,
    seeds: Sequence[int],
    measure: Measure | None = None,
) -> Study:
    """The experiment once without a price and, by each method, at each price; ``independent`` has none and a radius of 0.

    Args:
        source, overrides: the experiment.  A power term of its own says schedule, variant and aggregate, and so does an intervention
            ``sbpr`` for that method; their price and probability are replaced.
        lambdas: prices, above 0; for ``sbpr`` probabilities of a deviation, which is what a price is with the same aggregate.
        methods: of :func:`methods_of`.
        aggregate: mean, sum or max; default: that of the experiment's term, else mean.
        seeds: of the runs.
        measure: what is better.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    if aggregate not in (None, "mean", "sum", "max"):
        raise UsageError(f"there is no '{aggregate}'", where="--aggregate", fix="choose mean, sum or max")
    loaded = load_experiment(source, overrides)
    base, _, notes = self_contained(loaded)
    terms = [term for term in base.signals if term.kind == POWER_TERM]
    if len(terms) > 1:
        raise UsageError("the experiment has several power terms", where="signals", fix="leave one of them")
    template = next((term for term in terms if isinstance(term, PowerTermSettings)), None)
    lottery = sbpr_of(base.interventions)
    if aggregate is None and template is not None and lottery is not None and template.aggregate != lottery.aggregate:
        raise UsageError(
            f"the power term has aggregate {template.aggregate}, sbpr has {lottery.aggregate}",
            where="aggregate",
            fix="choose one by --aggregate",
        )
    base = _changed(
        base,
        signals=[term for term in base.signals if term.kind != POWER_TERM],
        interventions=[each for each in base.interventions if each is not lottery],
    )
    known = methods_of(template, lottery, aggregate)
    for method in methods:
        if method not in known:
            raise UsageError(f"there is no method '{method}'", where="--method", fix=f"choose from {', '.join(known)}")
    prices = sorted(set(lambdas))
    if not prices or not all(0.0 < price < math.inf for price in prices):
        raise UsageError("prices are numbers above 0", where="--lambda", fix="write --lambda 0.1,0.3,1; method none is the price 0")
    if SBPR in methods and prices[-1] > 1.0:
        raise UsageError(
            f"method sbpr takes a price as a probability, and {prices[-1]:g} is above 1",
            where="--lambda",
            fix="use prices up to 1, or leave sbpr out",
        )
    settings = []
    for method in dict.fromkeys((NONE, *methods)):
        for price in [0.0] if method in UNPRICED else prices:
            experiment = known[method](base, price)
            prepare(experiment, loaded.base)
            label = method if method in UNPRICED else f"{method} lambda={price:g}"
            settings.append(StudySetting(label, {"method": method, "lambda": price}, experiment))
    if template is None and lottery is None:
        notes.append(f"the price begins after {100 * RAMP:.0f} % of the iterations and rises over as many; the file has no schedule for it")
    return Study(
        "power", base.name, base, tuple(settings), tuple(seeds), ("method", "lambda"), measure or default_measure(base), tuple(notes)
    )


def parse_prices(text: str) -> list[float]:
    """``0.1,0.3,1`` as numbers.

    Raises:
        UsageError: it is none.
    """
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"'{text}' is no list of numbers", where="--lambda", fix="write --lambda 0.1,0.3,1") from None


def methods_of(template: PowerTermSettings | None, lottery: SbprSettings | None, aggregate: str | None) -> dict[str, Method]:
    """Every method by name.

    Args:
        template: power term of the experiment, whose schedule and variant hold.
        lottery: SBPR of the experiment, whose schedule and over-sampling hold for that method.
        aggregate: in the place of theirs.

    Schedule, agents and aggregate of a method that the experiment does not have are those of the other one.
    """
    options = {} if aggregate is None else {"aggregate": aggregate}

    def schedule(base: Experiment) -> dict[str, Any]:
        other = template or lottery
        if other is None:
            steps = round(RAMP * base.learning.iterations)
            return {"start": steps, "ramp": steps}
        return other.model_dump(mode="json", include={"start", "ramp", "agents", "aggregate"})

    def prim(shared: bool) -> Method:
        def regularized(base: Experiment, price: float) -> Experiment:
            written = {"kind": POWER_TERM, **schedule(base)} if template is None else template.model_dump(mode="json")
            return _changed(base, signals=[*base.signals, {**written, "lambda": price, "shared": shared, **options}])

        return regularized

    def sbpr(base: Experiment, price: float) -> Experiment:
        written = {"kind": SBPR, **schedule(base)} if lottery is None else lottery.model_dump(mode="json")
        return _changed(base, interventions=[*base.interventions, {**written, "probability": price, **options}])

    return {NONE: lambda base, _: base, "prim": prim(True), "prim_selfish": prim(False), SBPR: sbpr, INDEPENDENT: _independent}


def _independent(base: Experiment, _: float) -> Experiment:
    """Agents that hear nobody and learn alone; with PPO this is independent PPO (arXiv 2011.09533)."""
    return load_experiment(base, {"kappa": 0, "kappa_policy": None, "kappa_critic": None, "kappa_gradient": None}).experiment


def aggregate_of(study: Study) -> Aggregate:
    """How the study's methods make one number of several co-players' power."""
    for setting in study.settings:
        for term in setting.experiment.signals:
            if isinstance(term, PowerTermSettings):
                return term.aggregate
        lottery = sbpr_of(setting.experiment.interventions)
        if lottery is not None:
            return lottery.aggregate
    return "mean"


def _changed(base: Experiment, **lists: Sequence[Settings | Mapping[str, Any]]) -> Experiment:
    """The experiment with other signals or interventions, checked anew."""
    plain = {
        name: [each.model_dump(mode="json") if isinstance(each, Settings) else dict(each) for each in entries]
        for name, entries in lists.items()
    }
    return load_experiment(base, plain).experiment

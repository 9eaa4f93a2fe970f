"""Study of power regularization: the same experiment without it and with it, at several prices, by several methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netagents.errors import UsageError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.signal_settings import POWER_TERM, Aggregate, PowerTermSettings, TermSettings
from netagents.learning.prepare import prepare
from netagents.studies.study_specification import Measure, Study, StudySetting, default_measure, self_contained

NONE = "none"
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
    """The experiment once without a price and, by each method, at each price.

    Args:
        source, overrides: the experiment.  A power term of its own says schedule, variant and aggregate; its price is replaced.
        lambdas: prices, above 0.
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
    base = _with_signals(base, [term for term in base.signals if term.kind != POWER_TERM])
    template = terms[0] if terms else None
    known = methods_of(template, aggregate)
    for method in methods:
        if method not in known:
            raise UsageError(f"there is no method '{method}'", where="--method", fix=f"choose from {', '.join(known)}")
    prices = sorted(set(lambdas))
    if not prices or not all(0.0 < price < math.inf for price in prices):
        raise UsageError("prices are numbers above 0", where="--lambda", fix="write --lambda 0.1,0.3,1; method none is the price 0")
    settings = []
    for method in dict.fromkeys((NONE, *methods)):
        for price in [0.0] if method == NONE else prices:
            experiment = known[method](base, price)
            prepare(experiment, loaded.base)
            label = NONE if method == NONE else f"{method} lambda={price:g}"
            settings.append(StudySetting(label, {"method": method, "lambda": price}, experiment))
    if template is None:
        notes.append(
            f"the price begins after {100 * RAMP:.0f} % of the iterations and rises over as many; a power term in the file says else"
        )
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


def methods_of(template: TermSettings | None, aggregate: str | None) -> dict[str, Method]:
    """Every method by name.

    Args:
        template: power term of the experiment, whose schedule and variant hold.
        aggregate: in the place of the template's.
    """

    def prim(shared: bool) -> Method:
        def regularized(base: Experiment, price: float) -> Experiment:
            if template is not None:
                written = template.model_dump(mode="json")
            else:
                steps = round(RAMP * base.learning.iterations)
                written = {"kind": POWER_TERM, "start": steps, "ramp": steps}
            written |= {"lambda": price, "shared": shared} | ({} if aggregate is None else {"aggregate": aggregate})
            return _with_signals(base, [*base.signals, written])

        return regularized

    return {NONE: lambda base, _: base, "prim": prim(True), "prim_selfish": prim(False)}


def aggregate_of(study: Study) -> Aggregate:
    """How the study's methods make one number of several co-players' power."""
    for setting in study.settings:
        for term in setting.experiment.signals:
            if isinstance(term, PowerTermSettings):
                return term.aggregate
    return "mean"


def _with_signals(base: Experiment, signals: Sequence[TermSettings | Mapping[str, Any]]) -> Experiment:
    """The experiment with other terms, checked anew."""
    plain = [term.model_dump(mode="json") if isinstance(term, TermSettings) else dict(term) for term in signals]
    return load_experiment(base, {"signals": plain}).experiment

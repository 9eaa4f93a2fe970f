"""Watch of a run's prices of power: iteration by iteration, the warnings that are new, for records and displays while agents learn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.signal_settings import PowerTermSettings
from netagents.learning.power_facts import power_facts
from netagents.learning.protocol.iteration_record import IterationRecord
from netagents.learning.protocol.setup import Setup
from netagents.measures.power.price_warnings import PricedHistory, PriceWarning, price_warnings, warning_window

FloatArray = NDArray[np.float64]

COLUMNS = ("sum", "weight", "known")
"""Metrics of a power term that its warnings are about, beside the task return."""


class PriceNotice(NamedTuple):
    """A warning that was not there before: the iteration from 0, the term's name, and the warning."""

    iteration: int
    term: str
    warning: PriceWarning

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"price of power, iteration {self.iteration + 1}: {self.warning.name}: {self.warning.what}; {self.warning.advice}"


def priced_agents(setup: Setup) -> dict[str, tuple[PowerTermSettings, list[int]]]:
    """Every power term by its place in the settings, with the agents that it is a term of, ascending."""
    terms: dict[str, tuple[PowerTermSettings, list[int]]] = {}
    for agent, settings in enumerate(setup.agents):
        for where, term in settings.signals.items():
            if isinstance(term, PowerTermSettings):
                terms.setdefault(where, (term, []))[1].append(agent)
    return terms


class PriceWatch:
    """Follows the means over each power term's agents, and says what is new.

    A warning that comes back within a window of iterations (:func:`warning_window`) is the same one and not said again.

    Args:
        setup: of the run.
    """

    def __init__(self, setup: Setup) -> None:
        self._terms = list(priced_agents(setup).values())
        self._facts = power_facts(setup) if self._terms else None
        self._history: FloatArray = np.empty((len(self._terms), 1 + len(COLUMNS), max(setup.experiment.learning.iterations, 1)))
        self._count = 0
        self._last_warning: dict[tuple[int, str], int] = {}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that are followed; none where nobody pays for power."""
        return tuple(f"{term.label}_{name}" for term, _ in self._terms for name in COLUMNS)

    def recall(self, task: FloatArray, metrics: Mapping[str, FloatArray], names: Collection[tuple[str, str]]) -> None:
        """Take over the iterations before a resume.

        Args:
            task: (K,) discounted task returns.
            metrics: (K, n) each of :attr:`metrics`.
            names: term and name of the warnings that have been given; they count as of the last iteration.
        """
        for iteration, reached in enumerate(task):
            self._append(float(reached), {name: values[iteration] for name, values in metrics.items()})
        for place, (term, _) in enumerate(self._terms):
            self._last_warning |= {(place, name): len(task) - 1 for label, name in names if label == term.label}

    def add(self, record: IterationRecord) -> list[PriceNotice]:
        """Take one iteration in; the warnings that are new."""
        if self._facts is None:
            return []
        self._append(record.discounted_return, {name: record.column(name) for name in self.metrics})
        matrix = self._facts.matrix(record.power)
        possible = matrix.near & ~matrix.impossible & np.isfinite(matrix.values)
        between = float(matrix.values[possible].mean()) if possible.any() else float("nan")
        notices = []
        for place, (term, _) in enumerate(self._terms):
            for warning in price_warnings(self._priced(place, matrix.noise_floor, between)):
                before = self._last_warning.get((place, warning.name))
                self._last_warning[place, warning.name] = record.iteration
                if before is None or record.iteration - before > warning_window(self._count):
                    notices.append(PriceNotice(record.iteration, term.label, warning))
        return notices

    def _append(self, task: float, metrics: Mapping[str, FloatArray]) -> None:
        if self._count == self._history.shape[2]:
            self._history = np.concatenate([self._history, np.empty_like(self._history)], axis=2)
        for place, (term, agents) in enumerate(self._terms):
            self._history[place, 0, self._count] = task
            for column, name in enumerate(COLUMNS, start=1):
                values = metrics[f"{term.label}_{name}"][agents]
                values = values[np.isfinite(values)]
                self._history[place, column, self._count] = values.mean() if values.size else np.nan
        self._count += 1

    def _priced(self, place: int, floor: float = float("nan"), between: float = float("nan")) -> PricedHistory:
        task, power, weight, known = self._history[place, :, : self._count]
        return PricedHistory(task, power, weight, known, floor, between)

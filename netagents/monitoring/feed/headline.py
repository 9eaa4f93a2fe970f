"""Headline of a run: three answers at a glance - does it learn, who holds power, where does the time go - computed from the records.

Whether the return rises is judged by the slope of a straight line through the last third of the iterations, against its standard error,
which is widened for the dependence of iterations on one another (an autoregressive process of order one).  It is about this run alone: what
one seed does says nothing about others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.monitoring.feed.run_history import RunHistory
from netagents.monitoring.feed.run_overview import clipped

FloatArray = NDArray[np.float64]

FEWEST = 10
"""Iterations before anything is said about a trend."""

_AVERAGED = 10
_TIMED = 20


class Answer(NamedTuple):
    """A question that the page answers.

    Attributes:
        question: in a few words.
        answer: a word or a number.
        detail: what the answer rests on.
        tone: ``good``, ``bad``, ``plain`` or ``unknown``.
    """

    question: str
    answer: str
    detail: str
    tone: str


def headline(history: RunHistory) -> list[Answer]:
    """The three answers, as far as the records go."""
    return [_learning(history), _power(history), _time(history)]


def trend(values: FloatArray) -> tuple[float, float]:
    """Slope per iteration of a straight line, and its standard error; NaN for fewer than three values.

    The error counts as many independent values as an autoregressive process of order one with the residuals' correlation has.
    """
    k = len(values)
    if k < 3:
        return math.nan, math.nan
    x = np.arange(k) - (k - 1) / 2.0
    slope = float(x @ values / (x @ x))
    rest = values - values.mean() - slope * x
    power = float(rest @ rest)
    correlation = float(rest[1:] @ rest[:-1]) / power if power > 0.0 else 0.0
    independent = max(3.0, k * (1.0 - correlation) / (1.0 + correlation)) if abs(correlation) < 1.0 else 3.0
    error = math.sqrt(power / max(k - 2, 1) / float(x @ x) * k / min(independent, k))
    return slope, error


def _learning(history: RunHistory) -> Answer:
    question = "Is it learning?"
    if not history.count:
        return Answer(question, "no iteration yet", "the first one is on its way", "unknown")
    values = np.array([row[0] for row in history.returns])
    averaged = max(1, min(_AVERAGED, len(values) // 5))
    first, last = float(values[:averaged].mean()), float(values[-averaged:].mean())
    change = f"return {first:.4g} at first, {last:.4g} now"
    if len(values) < FEWEST:
        return Answer(question, f"{last:.4g}", f"{change}; too few iterations to tell", "unknown")
    recent = values[-max(FEWEST, len(values) // 3) :]
    slope, error = trend(recent)
    if not math.isfinite(slope):
        return Answer(question, "unknown", f"{change}; the return is not a number", "bad")
    rising = abs(slope) > 2.0 * error and abs(slope) * len(recent) > 1e-9 + 0.01 * abs(last)
    word = "level" if not rising else "rising" if slope > 0.0 else "falling"
    spread = float(np.std(values[:averaged]) + np.std(values[-averaged:]))
    better = last > first + spread
    answer = {"rising": "yes, still rising", "falling": "falling"}.get(word) or ("learned, now level" if better else "level")
    per = f"{float(f'{slope * 100:.2g}'):+g} ± {float(f'{2 * error * 100:.2g}'):g} per 100 iterations over the last {len(recent)}"
    return Answer(question, answer, f"{change}; {per}", "bad" if word == "falling" else "good" if better or word == "rising" else "plain")


def _power(history: RunHistory) -> Answer:
    question = "Who holds power?"
    if not history.count:
        return Answer(question, "not known yet", "nothing is measured before the first iteration", "unknown")
    power = history.concentration(history.count - 1)
    if power.top_holder < 0:
        matrix = history.power_matrix(history.count - 1)
        possible = matrix.near & ~matrix.impossible
        reliable = int((matrix.reliable & possible).sum())
        detail = f"{reliable} of {int(possible.sum())} pairs are reliable; a larger learning.batch or power.window measures more"
        if reliable:
            detail = f"agent {_label(history, int(np.argmax(power.held)))} holds most of what is reliable: {detail}"
        before = history.last_known_power()
        if before >= 0:
            earlier = history.concentration(before)
            detail = (
                f"agent {_label(history, earlier.top_holder)} with {earlier.top_share:.0%} when last known, iteration {before}; {detail}"
            )
        return Answer(question, "not known" if before < 0 else "not known now", detail, "unknown")
    label = _label(history, power.top_holder)
    share = f"{power.top_share:.0%} ± {power.top_error:.0%} of all power, {1 / history.n:.0%} would be an equal share"
    if len(power.leaders) > 1:
        return Answer(question, f"no agent alone: {len(power.leaders)} alike", f"agent {label} holds {share}", "plain")
    return Answer(question, f"agent {label}", share, "plain")


def _label(history: RunHistory, agent: int) -> str:
    """Name and number of an agent, without control characters."""
    name = clipped(history.run.topology.labels[agent], 60)
    return name if name == str(agent) else f"{name} ({agent})"


def _time(history: RunHistory) -> Answer:
    question = "Where does time go?"
    count = history.count
    if not count:
        return Answer(question, "not known yet", "", "unknown")
    seconds = np.mean([history.timing(index) for index in range(max(0, count - _TIMED), count)], axis=0)
    total = float(seconds.sum())
    if total <= 0.0:
        return Answer(question, "not measured", "all agents share one process", "unknown")
    shares = seconds.sum(axis=1) / total
    detail = f"compute {shares[0]:.0%}, wait {shares[1]:.0%}, serialise {shares[2]:.0%}"
    busy = 1.0 - seconds[1] / np.maximum(seconds.sum(axis=0), 1e-12)
    slowest = int(np.argmax(busy))
    if history.n > 1 and busy[slowest] > float(np.median(busy)) + 0.2:
        label = _label(history, slowest)
        words = f"it works {busy[slowest]:.0%} of the time, others {np.median(busy):.0%}; {detail}"
        return Answer(question, f"waiting for agent {label}", words, "bad")
    word = ("computing", "waiting", "serialising")[int(np.argmax(shares))]
    return Answer(question, word, f"{detail}; no agent stands out", "plain")

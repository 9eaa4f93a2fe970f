"""The truncated Q-function of a neighbourhood, under three readings.

A truncated Q depends only on z = (s_W, a_W), the states and actions of the agents W within kappa hops.  The exact Q depends on all of
(s, a), so a rule must say what stands for the rest:

* ``placeholder``: the others' states and actions are fixed, whatever they really are;
* ``conditional_mean``: Q^(z) = E_w[ Q(s, a) | z ] under given weights w(s, a), such as the discounted occupancy.  This is the best
  approximation in the weighted square norm, and what averaging sampled returns converges to;
* ``fixed_point``: Q^(z) = E_w[ u(s, a) + gamma Q^(z') | z ], the aggregated Bellman equation.  This is what temporal-difference
  learning on samples with weights w converges to.  It differs from the conditional mean, because z is not a Markov state.

Entries that the weights never meet have no value under the last two: they are NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from netagents.exact.contraction import Labelled, contract
from netagents.exact.exact_values import ExactValues
from netagents.exact.joint_model import BATCH, JointModel

FloatArray = NDArray[np.float64]
Window = tuple[int, ...]
Reading = Literal["placeholder", "conditional_mean", "fixed_point"]
READINGS: tuple[Reading, ...] = ("placeholder", "conditional_mean", "fixed_point")


def windows(distances: NDArray[np.generic], kappa: int) -> tuple[Window, ...]:
    """N_i^kappa of every agent, ascending.

    Args:
        distances: ``(n, n)`` graph distances; agents out of reach of each other are far apart (infinite, or beyond every kappa).
    """
    near = np.asarray(distances, dtype=np.float64) <= kappa
    return tuple(tuple(int(j) for j in np.flatnonzero(row)) for row in near)


@dataclass(frozen=True, slots=True)
class Truncated:
    """A table on the states and actions of a window.

    Attributes:
        model: the joint model.
        window: agents, ascending.
        table: ``(*|S_j|, *|A_j| for j in window)``, NaN where nothing is known.
    """

    model: JointModel
    window: Window
    table: FloatArray

    def expand(self) -> FloatArray:
        """The table read at every joint state and action, ``(S, A)``."""
        states, actions = self.model.state_index(self.window), self.model.action_index(self.window)
        flat = self.table.reshape(prod(self.model.state_sizes[j] for j in self.window), -1)
        spread: FloatArray = flat[states[:, None], actions[None, :]]
        return spread


def condense(model: JointModel, table: FloatArray, window: Window) -> FloatArray:
    """An ``(S, A)`` table summed over all agents outside the window, with the axes of :class:`Truncated`."""
    outside = [j for j in range(model.n) if j not in window]
    summed: FloatArray = table.reshape(model.shape).sum(axis=(*outside, *(model.n + j for j in outside)))
    return summed


def placeholder(model: JointModel, q: FloatArray, window: Window, state: int = 0, action: int = 0) -> Truncated:
    """Q with every outside agent held in one local state and at one action (the last of its own when it has fewer)."""
    outside = [j for j in range(model.n) if j not in window]
    where: list[slice | int] = [slice(None)] * (2 * model.n)
    for j in outside:
        where[j] = min(state, model.state_sizes[j] - 1)
        where[model.n + j] = min(action, model.action_sizes[j] - 1)
    return Truncated(model, window, q.reshape(model.shape)[tuple(where)].copy())


def conditional_mean(model: JointModel, q: FloatArray, window: Window, weights: FloatArray) -> Truncated:
    """E_w[ Q | z ] for weights ``(S, A)``."""
    mass = condense(model, weights, window)
    total = condense(model, weights * q, window)
    return Truncated(model, window, np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 0.0))


def fixed_point(evaluation: ExactValues, signals: FloatArray, window: Window, weights: FloatArray) -> list[Truncated]:
    """The solution of the aggregated Bellman equation, for several signals u.

    With V^(s') = sum_a' pi(a'|s') Q^(z'), which depends only on the agents U that the window's policies read (the window included),
    the equation becomes V^ = G (b + gamma N V^): b(z) = E_w[u|z], N(z, u') = E_w[ Pr(s'_U = u' | s, a) | z ], and G averages over the
    window's actions.  The system has as many unknowns as U has joint states, however many entries the critic has.

    Args:
        signals: ``(K, S, A)``.
        weights: ``(S, A)``, those of the samples.  Where the weights never meet z', its value counts as 0, as in a table that was
            never written (only weights of a finite horizon meet this).

    Returns:
        One table per signal.

    Raises:
        CapacityError: N would not fit.
    """
    model = evaluation.model
    read = tuple(sorted({j for i in window for j in evaluation.policy.scopes[i]}))
    mass = condense(model, weights, window)
    if len(window) == model.n and np.all(mass > 0.0):
        # Nothing is aggregated: the equation is the Bellman equation.
        return [Truncated(model, window, q.reshape(model.shape)) for q in evaluation.action_values(signals)]
    cells, reached = mass.size, prod(model.state_sizes[j] for j in read)
    model.require(8 * (2 * cells * reached + 2 * reached * reached), f"the fixed point on {len(window)} agents with {cells:,} entries")
    known = mass.reshape(-1) > 0.0
    mean = np.stack([np.nan_to_num(conditional_mean(model, u, window, weights).table.reshape(-1), nan=0.0) for u in signals], axis=1)
    ahead = _next_given_cell(evaluation, window, read, weights)
    ahead /= np.where(known, mass.reshape(-1), 1.0)[:, None]
    averaging = _window_policy(evaluation, window, read)
    system = np.eye(reached) - model.discount * (averaging @ ahead)
    values = np.linalg.solve(system, averaging @ mean)
    table = mean + model.discount * (ahead @ values)
    table[~known] = np.nan
    return [Truncated(model, window, np.ascontiguousarray(table[:, k]).reshape(mass.shape)) for k in range(len(signals))]


def truncate(
    evaluation: ExactValues, signal: FloatArray, q: FloatArray, window: Window, weights: FloatArray, reading: Reading
) -> Truncated:
    """One signal's truncated Q under the named reading.

    Args:
        signal, q: the signal and its exact Q, ``(S, A)``.
        weights: ``(S, A)``; unused by ``placeholder``.
    """
    if reading == "placeholder":
        return placeholder(evaluation.model, q, window)
    if reading == "conditional_mean":
        return conditional_mean(evaluation.model, q, window, weights)
    return fixed_point(evaluation, signal[None], window, weights)[0]


def _next_given_cell(evaluation: ExactValues, window: Window, read: Window, weights: FloatArray) -> FloatArray:
    """sum over (s, a) in z of w(s, a) Pr(s'_U = u' | s, a), ``(cells, |U|)``."""
    model = evaluation.model
    inside = [model.action_label(j) for j in window]
    after = [model.next_label(j) for j in read]
    involved = sorted({*window, *(k for j in read for k in model.kernel.agents[j].action_scope)})
    idle = tuple(1 + k for k in range(model.n) if k not in involved)
    start = weights.reshape(model.S, *model.action_sizes).sum(axis=idle)
    steps = _schedule(model, inside, read, involved)
    widest = max(prod(model.label_size(x) for x in labels[1:]) for labels in steps)
    rows, columns = (
        prod(model.state_sizes[j] for j in window),
        prod(model.action_sizes[j] for j in window) * prod(model.state_sizes[j] for j in read),
    )
    total = np.zeros((rows, columns))
    row_of = model.state_index(window)
    for block in model.blocks(widest):
        table: Labelled = (steps[0], start[block])
        for j, labels in zip(read, steps[1:], strict=True):
            table = (labels, contract([table, (model.factor_labels(j), model.factor(j, block))], labels))
        size = block.stop - block.start
        gather = scipy.sparse.csr_array((np.ones(size), (row_of[block], np.arange(size))), shape=(rows, size))
        total += gather @ contract([table], [BATCH, *inside, *after]).reshape(size, -1)
    return total.reshape(rows * prod(model.action_sizes[j] for j in window), -1)


def _schedule(model: JointModel, inside: list[int], read: Window, involved: list[int]) -> list[list[int]]:
    """Labels before the first and after each agent of ``read``: an outside action is summed out as soon as nobody else needs it."""
    labels = [BATCH, *(model.action_label(k) for k in involved)]
    steps = [labels]
    for position, j in enumerate(read):
        needed = {model.action_label(k) for later in read[position + 1 :] for k in model.kernel.agents[later].action_scope}
        labels = [x for x in labels if x == BATCH or x > model.n or x in inside or x in needed] + [model.next_label(j)]
        steps.append(labels)
    return steps


def _window_policy(evaluation: ExactValues, window: Window, read: Window) -> scipy.sparse.csr_array:
    """G: the probability of the window's actions given the states of U, placed at the cell (s_W, a_W), ``(|U|, cells)``."""
    model = evaluation.model
    sizes = [model.state_sizes[j] for j in read]
    digits = np.array(np.unravel_index(np.arange(prod(sizes)), sizes), dtype=np.int64)
    chances = np.ones((prod(sizes), 1))
    row = np.zeros(prod(sizes), dtype=np.int64)
    for i in window:
        context = np.zeros(prod(sizes), dtype=np.int64)
        for j in evaluation.policy.scopes[i]:
            context = context * model.state_sizes[j] + digits[read.index(j)]
        own_table = evaluation.policy.tables[i][context]
        chances = (chances[:, :, None] * own_table[:, None, :]).reshape(len(chances), -1)
        row = row * model.state_sizes[i] + digits[read.index(i)]
    actions = chances.shape[1]
    columns = row[:, None] * actions + np.arange(actions)
    cells = prod(model.state_sizes[j] for j in window) * actions
    entries = (chances.reshape(-1), (np.repeat(np.arange(len(row)), actions), columns.reshape(-1)))
    return scipy.sparse.csr_array(entries, shape=(len(row), cells))

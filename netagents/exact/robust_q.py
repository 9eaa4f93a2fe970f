"""RoM-Q exactly: values of a team of which some agents may turn against it at any step (robust multi-agent Q-learning).

The value of a state is what the others can hold against the worst coalition c of K agents,

    V(s) = min over c of V_-c(s),
    V_-c(s) = max over pi of min over a_c of  sum over a_-c of pi(a_-c) Q(s, a_c, a_-c),      Q(s, a) = r(s, a) + gamma E[V(s') | s, a],

with pi a mixed joint action of the others: a linear programme for each coalition and state,

    maximise v  subject to  sum pi(a') Q(s, a_c, a') >= v for every a_c,  pi a distribution.

The paper learns Q from samples; here the model is known, and V is found by policy iteration (Hoffman and Karp 1966): the programmes give
the others' policies, against which the adversaries' own best choice is an ordinary Markov decision process.  The signal is the mean of
all agents' rewards.

At test time (the paper's Algorithm 2) defenders play the greedy joint action of a learned Q, and with probability delta a step is attacked
by (c, a_c) = argmin over c, a_c of max over a_-c of Q(s, a_c, a_-c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NumericalError, UsageError
from netagents.exact.joint_model import JointModel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_ROUNDS = 200
"""Policy iteration ends after far fewer."""


@dataclass(frozen=True)
class RobustValues:
    """A fixed point.

    Attributes:
        values: ``(S,)`` V.
        q: ``(S, A)`` Q.
        value: from the model's start.
        residual: largest difference of V and what the programmes give at Q.
    """

    values: FloatArray
    q: FloatArray
    value: float
    residual: float


def maximin(payoffs: FloatArray) -> tuple[float, FloatArray]:
    """The value of a matrix game for the column player, who maximises, and its optimal mixture.

    Args:
        payoffs: ``(rows, columns)``, to the column player; the row player minimises.

    Raises:
        NumericalError: the programme was not solved.
    """
    from scipy.optimize import linprog

    rows, columns = payoffs.shape
    # Variables: the mixture and v.
    optimum = linprog(
        np.append(np.zeros(columns), -1.0),
        A_ub=np.column_stack([-payoffs, np.ones(rows)]),
        b_ub=np.zeros(rows),
        A_eq=np.append(np.ones(columns), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * columns + [(None, None)],
        method="highs",
    )
    if not optimum.success:
        raise NumericalError(f"a linear programme of {rows} x {columns} was not solved: {optimum.message}", where="exact robust values")
    solution: FloatArray = np.asarray(optimum.x)
    mixture = np.maximum(solution[:-1], 0.0)
    return float(solution[-1]), mixture / mixture.sum()


def robust_values(model: JointModel, coalition: int = 1, tolerance: float = 1e-9) -> RobustValues:
    """V and Q of a team in which any ``coalition`` agents may be adversarial at any step; 0 gives the ordinary optimum.

    Args:
        model: the model.
        coalition: K, below the number of agents.
        tolerance: of the residual, relative to the largest value.

    Raises:
        UsageError: the coalition is no smaller than the team.
        NumericalError: a programme was not solved, or policy iteration does not end.
    """
    if not 0 <= coalition < model.n:
        raise UsageError(f"a coalition of {coalition} in a team of {model.n}", fix=f"use 0 to {model.n - 1}")
    reward = model.rewards.mean(axis=0)
    games = [_Coalition(model, members) for members in combinations(range(model.n), coalition)]
    values = np.full(model.S, reward.min() / (1.0 - model.discount))
    for _ in range(MOST_ROUNDS):
        q = action_values(model, reward, values)
        solved = [each.improve(q) for each in games]
        held = np.min(solved, axis=0)
        residual = float(np.abs(held - values).max())
        if residual <= tolerance * max(1.0, float(np.abs(held).max())):
            return RobustValues(held, q, float(model.initial @ held), residual)
        values = _adversaries_best(model, reward, games, held, 0.1 * tolerance)
    raise NumericalError(f"{MOST_ROUNDS} rounds of policy iteration leave a residual of {residual:.3g}", where="exact robust values")


def action_values(model: JointModel, reward: FloatArray, values: FloatArray) -> FloatArray:
    """``(S, A)`` r + gamma E[V(s') | s, a]."""
    q: FloatArray = reward + model.discount * model.expected_next(values[None])[0]
    return q


def greedy_actions(q: FloatArray) -> IntArray:
    """``(S,)`` the defenders' joint action."""
    actions: IntArray = q.argmax(axis=1)
    return actions


def attacked_actions(model: JointModel, q: FloatArray, coalition: int = 1) -> IntArray:
    """``(S,)`` the joint action of an attacked step: the greedy one, with that of the worst coalition replaced."""
    games = [_Coalition(model, members) for members in combinations(range(model.n), coalition)]
    states = np.arange(model.S)
    tables = [each.spread(q).max(axis=2) for each in games]
    worst = np.stack([table.min(axis=1) for table in tables], axis=1).argmin(axis=1)
    digits = model.action_digits[:, greedy_actions(q)].copy()
    for number, (each, table) in enumerate(zip(games, tables, strict=True)):
        own = np.unravel_index(table.argmin(axis=1), each.sizes)
        for member, choice in zip(each.members, own, strict=True):
            digits[member] = np.where(worst == number, choice, digits[member])
    assert len(states) == digits.shape[1], "a joint action per state"
    joint: IntArray = np.ravel_multi_index(tuple(digits), model.action_sizes)
    return joint


def value_under_attack(model: JointModel, q: FloatArray, probability: float, coalition: int = 1, tolerance: float = 1e-10) -> float:
    """The discounted value from the start of greedy play of ``q``, each step attacked with a probability."""
    reward, states = model.rewards.mean(axis=0), np.arange(model.S)
    played, attacked = greedy_actions(q), attacked_actions(model, q, coalition)
    values = np.zeros(model.S)
    while True:
        own = action_values(model, reward, values)
        after = (1.0 - probability) * own[states, played] + probability * own[states, attacked]
        if np.abs(after - values).max() <= tolerance * (1.0 - model.discount) * max(1.0, float(np.abs(after).max())):
            return float(model.initial @ after)
        values = after


def _adversaries_best(
    model: JointModel, reward: FloatArray, games: Sequence[_Coalition], values: FloatArray, tolerance: float
) -> FloatArray:
    """``(S,)`` the value of the others' policies when adversaries choose coalition and action at their best, by value iteration."""
    while True:
        q = action_values(model, reward, values)
        after: FloatArray = np.min([each.held(q) for each in games], axis=0)
        if np.abs(after - values).max() <= tolerance * (1.0 - model.discount) * max(1.0, float(np.abs(after).max())):
            return after
        values = after


class _Coalition:
    """The games between one coalition and all others, one per joint state."""

    def __init__(self, model: JointModel, members: tuple[int, ...]) -> None:
        self.members = members
        self.sizes = tuple(model.action_sizes[j] for j in members)
        others = tuple(j for j in range(model.n) if j not in members)
        self._shape = (model.S, *model.action_sizes)
        self._axes = (0, *(1 + j for j in (*members, *others)))
        self._rows, self._columns = prod(self.sizes), prod(model.action_sizes[j] for j in others)
        self.mixtures = np.full((model.S, self._columns), 1.0 / self._columns)

    def spread(self, q: FloatArray) -> FloatArray:
        """``(S, A)`` as ``(S, A_c, A_-c)``."""
        return q.reshape(self._shape).transpose(self._axes).reshape(len(q), self._rows, self._columns)

    def improve(self, q: FloatArray) -> FloatArray:
        """``(S,)`` the games' values; their mixtures are kept."""
        games = self.spread(q)
        values = np.empty(len(games))
        for state, payoffs in enumerate(games):
            values[state], self.mixtures[state] = maximin(payoffs)
        return values

    def held(self, q: FloatArray) -> FloatArray:
        """``(S,)`` what the kept mixtures hold against the coalition's best action."""
        held: FloatArray = np.einsum("scd,sd->sc", self.spread(q), self.mixtures).min(axis=1)
        return held

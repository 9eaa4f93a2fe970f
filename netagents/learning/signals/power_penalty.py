"""Power penalty (PRIM, arXiv 2406.11240): what an agent pays for the power that its co-players have over it.

The paper's objective is U_i = U_i^task + lambda U_i^power with U_i^power = -E sum_t gamma^t agg_j Power(j -> i | s_t); PRIM learns it
from the reward r_i - lambda * agg_j p_{j -> i}(t).  This term gives agg_j p_{j -> i}(t), and its weight is -lambda.

* Realized power, p = Q_i(s, a) - min_b Q_i(s, b, a_-j) at the joint action that was played, depends on what the agent itself does, and
  so has a gradient wherever it can rely on others more or less.  Ex-ante power, before anyone acts, depends on the state alone.
* Power is read from a frozen copy of what the agent knows of its *task*, renewed every ``refresh`` iterations, and never from the critic
  that learns the penalized signal.  Where states and actions are finite that is the evidence from which power is reported
  (:mod:`netagents.measures.power.pair_evidence`), else the target networks of the task critic.
* One half of the data chooses the worst action and the other values it (double estimator).
* Only known entries count.  A step of which the power of j is unknown gets the mean of the known ones, so that nothing is gained or lost by
  going where nothing is known; an entry that was known once keeps its value until it is known anew.
* Co-players are those within the trusted radius, kappa_critic - reach_offset, beyond which a truncated critic misses power.  What they
  did is known from the traces that critics need anyway: the penalty costs no message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Discrete
from netagents.errors import ExperimentError
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm, TaskKnowledge
from netagents.measures.power import cannot_influence
from netagents.measures.power.double_estimator import double_readings, shrunk, single_estimate
from netagents.measures.power.tabular import LARGEST
from netagents.messages.message_kinds import RadiusKind

AGGREGATES: Mapping[str, Callable[..., Any]] = {"mean": np.mean, "sum": np.sum, "max": np.max}


class PowerPenalty(SignalTerm):
    """The aggregated power of an agent's co-players over it, (T, B), in units of its task reward.

    Args:
        agent: i.
        setup: what all agents share.
        aggregate: ``mean``, ``sum`` or ``max`` over co-players.
        variant: ``realized`` or ``ex_ante``.
        refresh: iterations between two copies of what power is read from.
        bias: ``double`` or ``single`` estimator of the minimum.

    Raises:
        ExperimentError: nobody is within the trusted radius, or the variant lacks what it needs; says what would do.
    """

    metrics = ("mean", "known", "stale", "largest", "holder")
    """Mean aggregated power per step; share of steps and co-players whose power is known, and whose was known at an earlier copy only;
    mean power of the co-player that has most, and which that is."""

    reads_table = False
    """Tables: the evidence of power has values of its own."""

    def __init__(
        self,
        agent: int,
        setup: Setup,
        aggregate: str = "mean",
        variant: str = "realized",
        refresh: int = 10,
        bias: str = "double",
    ) -> None:
        super().__init__(agent, setup)
        self.ex_ante, self.refresh = variant == "ex_ante", refresh
        self._aggregate = AGGREGATES[aggregate]
        self._double = bias == "double"
        self.co_players = trusted_co_players(agent, setup)
        policy = setup.reach[RadiusKind.POLICY]
        impossible = cannot_influence(setup.spec, [policy.window(k) for k in range(setup.n)])
        self._powerless = frozenset(j for j in self.co_players if impossible[j, agent])
        self._check_spaces()
        self._frozen: dict[str, NDArray[Any]] = {}
        self._played: dict[int, FloatArray] = {}
        self._numbers: dict[str, float] = {}

    def _check_spaces(self) -> None:
        setup, settings = self.setup, self.setup.experiment.power
        if settings.variant == "ex_ante":
            raise ExperimentError(
                "the power penalty needs evidence of each own action, which power.variant ex_ante does not keep",
                where="signals",
                fix="use power.variant: realized; the penalty has a variant of its own",
            )
        spec, own = setup.spec, self.agent
        for j in self.co_players:
            if not isinstance(spec.action_spaces[j], Discrete):
                raise ExperimentError(
                    f"the actions of agent {j} are no finite set, of which one could be the worst",
                    where="signals",
                    fix="leave kind power out, or use an environment with finite actions",
                )
        window = setup.reach[RadiusKind.CRITIC].window(own)
        spaces = [spec.observation_spaces[j] for j in window] + [spec.action_spaces[j] for j in window]
        finite = all(isinstance(space, Discrete) for space in spaces) and not spec.capabilities.moving
        if not finite and self.ex_ante:
            raise ExperimentError(
                "variant ex_ante needs finite states and actions and a graph that stays as it is", where="signals", fix="use realized"
            )
        if not finite:
            return
        for j in self.co_players:
            cells = prod(setup.state_sizes((own, j))) * prod(setup.action_sizes((own, j)))
            if cells > LARGEST and (self.ex_ante or not setup.agents[own].uses_networks):
                raise ExperimentError(
                    f"states and actions of agents {own} and {j} make {cells} cells, and power is known for up to {LARGEST}",
                    where="signals",
                    fix="use policies of kind mlp and variant realized",
                )

    def begin(self, task: TaskKnowledge) -> None:
        """Take the first copy, of nothing, which has the shapes of all others."""
        self._task = task
        powers = [j for j in self.co_players if j not in self._powerless]
        without = [j for j in powers if task.effects(j) is None]
        self._played = {j: np.zeros(self.setup.action_sizes((j,))[0]) for j in without}
        self._freeze()

    # -- one iteration ---------------------------------------------------------------------------------------------------

    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) aggregated power; zero while nothing is known."""
        if not self.co_players:
            self._numbers = {"mean": 0.0, "known": 1.0, "stale": 0.0}
            return np.zeros(batch.shape)
        if batch.iteration % self.refresh == 0:
            self._freeze()
        read = [self._power(j, batch) for j in self.co_players]
        # (co-players, steps) of the steps that count, and of all of them.
        powers = np.stack([power for power, _ in read]).reshape(len(read), -1)
        known, alive = np.isfinite(powers), batch.rollout.alive.reshape(-1)
        everything, all_alive = bool(known.all()), bool(alive.all())
        counted = known if all_alive else known & alive
        visits = np.full(len(read), alive.size) if everything and all_alive else counted.sum(axis=1)
        means = (powers if everything and all_alive else np.where(counted, powers, 0.0)).sum(axis=1) / np.maximum(visits, 1)
        if not everything:
            powers = np.where(known, powers, means[:, None])
        stale = sum(np.count_nonzero(row & ~fresh.reshape(-1)) for row, (_, fresh) in zip(counted, read, strict=True) if fresh is not None)
        total = self._aggregated(powers.reshape(-1, *batch.shape), batch)
        steps = max(int(alive.sum()), 1) * len(read)
        top = int(means.argmax())
        has_power = visits[top] > 0 and means[top] > 0.0
        self._numbers = {
            "mean": float((total.reshape(-1) if all_alive else total[batch.rollout.alive]).mean()) if alive.any() else 0.0,
            "known": float(visits.sum()) / steps,
            "stale": float(stale) / steps,
            "largest": float(means[top]) if visits[top] > 0 else float("nan"),
            "holder": float(self.co_players[top]) if has_power else float("nan"),
        }
        self._count(batch)
        return total

    def _aggregated(self, powers: FloatArray, batch: SignalBatch) -> FloatArray:
        """(T, B) of (co-players, T, B); in a graph that moves those count who are near."""
        if batch.near is None:
            return np.asarray(self._aggregate(powers, axis=0))
        near = batch.near[[batch.window.index(j) for j in self.co_players], :-1]
        present = np.where(near, powers, 0.0)
        if self._aggregate is np.mean:
            return np.asarray(present.sum(axis=0) / np.maximum(near.sum(axis=0), 1))
        return np.asarray(self._aggregate(present, axis=0))

    def _power(self, j: int, batch: SignalBatch) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        """(T, B) power of j, NaN where unknown, and whether the newest copy knows it; None where it knows all."""
        if j in self._powerless:
            return np.zeros(batch.shape), None
        if j in self._played:
            return self._from_networks(j, batch)
        contexts = self._task.contexts(j, batch)
        if self.ex_ante:
            return self._before_anyone_acts(j, batch, contexts)
        table, fresh = self._frozen[f"{j}.power"], self._frozen[f"{j}.fresh"]
        power = table.take(contexts * table.shape[1] + batch.traces[j].actions[:-1])
        return power, None if fresh.all() else fresh.take(contexts)

    def _before_anyone_acts(self, j: int, batch: SignalBatch, contexts: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        """Ex-ante power: expectations over the own policy's action and over j's, as often as j has played each."""
        probabilities = batch.action_probabilities()
        own_actions = probabilities.shape[-1]
        observations = contexts // own_actions
        pair, visits, fresh = (self._frozen[f"{j}.{name}"] for name in ("pair", "visits", "fresh"))
        actions = pair.shape[-1]
        by_state = pair.reshape(2, -1, own_actions, actions)[:, observations]
        each = np.einsum("ktbua,tbu->ktba", by_state, probabilities)
        counts = visits.reshape(-1, own_actions, actions).sum(axis=1)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
        own = (each * shares[observations]).sum(axis=-1)
        return self._estimated(own, each), np.asarray(fresh.reshape(-1, own_actions).all(axis=1))[observations]

    def _from_networks(self, j: int, batch: SignalBatch) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        """Realized power from the frozen target networks, unknown until each action of j was played often enough."""
        if self._played[j].min() < self.setup.experiment.power.min_visits:
            return np.full(batch.shape, np.nan), np.zeros(batch.shape, dtype=np.bool_)
        each = batch.critic.alternatives(j, self._frozen)
        played = batch.traces[j].actions[:-1].astype(np.int64)
        own = np.take_along_axis(each, np.broadcast_to(played[None, ..., None], (*each.shape[:-1], 1)), axis=-1)[..., 0]
        return self._estimated(own, each), None

    def _estimated(self, own: FloatArray, each: FloatArray, visits: FloatArray | None = None) -> FloatArray:
        """Power from (2, ...) values of what was played and (2, ..., A) of every action; NaN where an action has no value.

        With the double estimator what is noise between the entries is taken out, by the visits behind each of them (default: alike).
        """
        shape, played = own.shape[1:], own.reshape(2, -1)
        alternatives = np.moveaxis(each.reshape(2, -1, each.shape[-1]), 2, 1)
        known = np.isfinite(alternatives).all(axis=(0, 1)) & np.isfinite(played).all(axis=0)
        if not self._double:
            return np.where(known, single_estimate(played, alternatives), np.nan).reshape(shape)
        readings = np.where(known, double_readings(played, alternatives), np.nan)
        return shrunk(readings, np.ones(known.shape) if visits is None else visits.reshape(-1)).reshape(shape)

    # -- what outlives an iteration --------------------------------------------------------------------------------------

    def _freeze(self) -> None:
        """Copy what power is read from; what is not known any more keeps its value."""
        if self._played:
            self._frozen |= self._task.critic_copy()
        for j in self.co_players:
            effects = None if j in self._powerless else self._task.effects(j)
            if effects is None:
                continue
            pair, fresh = effects.pair, np.asarray(np.isfinite(effects.pair).all(axis=(0, 2)))
            arrays: dict[str, FloatArray] = {"pair": pair, "visits": effects.visits}
            if not self.ex_ante:
                arrays = {"power": self._estimated(pair, np.repeat(pair[:, :, None, :], pair.shape[-1], axis=2), effects.visits)}
            for name, array in arrays.items():
                before = self._frozen.get(f"{j}.{name}", array)
                self._frozen[f"{j}.{name}"] = np.where(fresh[:, None], array, before)
            self._frozen[f"{j}.fresh"] = fresh

    def _count(self, batch: SignalBatch) -> None:
        """Effective visits of each action of those whose power networks tell; the next iteration's copy may rest on them."""
        fading = 1.0 - 1.0 / self.setup.experiment.power.window
        for j, visits in self._played.items():
            taken = batch.traces[j].actions[:-1][batch.rollout.alive].astype(np.int64)
            self._played[j] = fading * visits + np.bincount(taken, minlength=len(visits))

    def numbers(self) -> Mapping[str, float]:
        """See :attr:`metrics`."""
        return self._numbers

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The frozen copy, and the visits behind networks."""
        return {**self._frozen, **{f"{j}.played": visits for j, visits in self._played.items()}}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self._frozen = {name: np.array(array) for name, array in arrays.items() if not name.endswith(".played")}
        self._played = {int(name.partition(".")[0]): np.array(array) for name, array in arrays.items() if name.endswith(".played")}


def trusted_co_players(agent: int, setup: Setup) -> tuple[int, ...]:
    """The agents whose power over an agent its critic can tell, ascending; empty for one that has no path to anybody.

    Raises:
        ExperimentError: there are others, and the critic's radius is too small for all of them; names the least that would do.
    """
    radius, offset = setup.reach[RadiusKind.CRITIC].radii[agent], setup.spec.reach_offset
    distances = {j: setup.topology.hops.distance(agent, j) for j in range(setup.n) if j != agent}
    near = tuple(j for j, hops in distances.items() if hops <= radius - offset)
    nearest = min(distances.values(), default=setup.n)
    if not near and nearest < setup.n:
        reason = f" (one hop of {radius} is needed to see what an action leads to)" if offset and radius else ""
        raise ExperimentError(
            f"{radius} is too small for agent {agent} to read the power of any other agent over it{reason}",
            where="kappa_critic",
            fix=f"use kappa_critic: {nearest + offset} or more",
        )
    return near

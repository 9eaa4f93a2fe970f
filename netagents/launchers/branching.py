"""Branching: clone a state, force one agent's action, go on with everyone's frozen policies and common random numbers.

What differs between two branches of one state is the action that was forced and what follows from it.  It shares nothing with what agents
measure (no critics, no messages, no visits of a run) and needs what they never have: the environment itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import JointState, NetworkedMDP
from netagents.environments.spaces import candidate_actions, space_dtype
from netagents.errors import EnvironmentMismatchError
from netagents.learning import Setup
from netagents.learning.branch_checks import check_branchable
from netagents.learning.frozen_play import Players
from netagents.learning.interventions.action_sources import legal_actions
from netagents.measures.power.branched_power import PowerAtVisits, power_at_visits
from netagents.messages import ENDED, TERMINATED, TRUNCATED, Step
from netagents.policies import Policy
from netagents.randomness import Purpose, stream

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
MOST_SEQUENCES = 4096
"""Most sequences of actions that are tried."""


class Visits(NamedTuple):
    """States at which branches begin.

    Attributes:
        state: of V copies.
        actions: per agent (V, ...) what it plays there.
        masks: per agent (V, A) its legal actions there, or None.
        memories: per agent (V, U) what its policy remembers of the steps before, or None.
    """

    state: JointState
    actions: list[NDArray[Any]]
    masks: list[BoolArray | None]
    memories: list[NDArray[Any] | None]

    @property
    def number(self) -> int:
        """V."""
        return len(self.actions[0])


def action_sequences(setup: Setup, agent: int, steps: int, points: int) -> NDArray[Any]:
    """(S, steps, ...) all sequences of the actions of an agent; those of a box are on a grid.

    Raises:
        EnvironmentMismatchError: there are too many.
    """
    single = candidate_actions(setup.spec.action_spaces[agent], points, f"agent {agent}")
    if len(single) ** steps > MOST_SEQUENCES:
        raise EnvironmentMismatchError(
            f"{len(single)} actions in {steps} steps are {len(single) ** steps:.3g} sequences",
            where=f"agent {agent}",
            fix=f"at most {MOST_SEQUENCES} are tried; use fewer --steps or --points",
        )
    return np.stack([single[list(places)] for places in itertools.product(range(len(single)), repeat=steps)])


class Brancher:
    """Frozen policies in an environment that can be branched.

    Args:
        setup: what all agents share. environment: its own.
        policies: one per agent.
        seed: of all random numbers.
        replicates: rollouts of each branch, an even number.
        length: steps of a rollout.
        ex_ante: the others draw anew in each rollout what they play at the branch; otherwise they play what they played.
        greedy: policies play their most probable actions.

    Raises:
        EnvironmentMismatchError: as :func:`check_branchable`.
    """

    def __init__(
        self,
        setup: Setup,
        environment: NetworkedMDP,
        policies: Sequence[Policy],
        *,
        seed: int,
        replicates: int = 8,
        length: int = 64,
        ex_ante: bool = False,
        greedy: bool = False,
    ) -> None:
        check_branchable(setup)
        self.setup, self.environment = setup, environment
        self.players = Players(setup, policies)
        self._seed, self._replicates, self._length = seed, replicates, length
        self._ex_ante, self._greedy = ex_ante, greedy

    def visits(self, part: int, count: int) -> Visits:
        """States that the policies visit, drawn evenly from the steps of episodes; parts that had ended are left out.

        Args:
            part: names the episodes. count: of episodes; one visit each, where it had not ended.
        """
        setup, n = self.setup, self.setup.n
        session = setup.session(self.environment, count, self._seed)
        generators = self._generators(2 * part, n)
        stops = stream(self._seed, n, Purpose.EVALUATION, 2 * part).integers(0, setup.horizon, count)
        self.players.begin()
        messages = session.begin(part)
        kept_state: JointState = np.array(session.state)
        actions_at_stop: list[NDArray[Any]] = []
        masks: list[BoolArray | None] = []
        memories: list[NDArray[Any] | None] = []
        ended = np.zeros(count, dtype=np.bool_)
        for step in range(setup.horizon):
            actions = [self._act(agent, messages, generators[agent]) for agent in range(n)]
            here = stops == step
            legal_masks = [message.mask for message in messages]
            remembered = self.players.memories(messages)
            if step == 0:
                actions_at_stop, masks = [each.copy() for each in actions], [None if mask is None else mask.copy() for mask in legal_masks]
                memories = [None if each is None else each.copy() for each in remembered]
            kept_state[here] = session.state[here]
            for agent in range(n):
                actions_at_stop[agent][here] = actions[agent][here]
                own, now = masks[agent], legal_masks[agent]
                if own is not None and now is not None:
                    own[here] = now[here]
                memory, newest = memories[agent], remembered[agent]
                if memory is not None and newest is not None:
                    memory[here] = newest[here]
            # An episode in which some agent has ended no longer says what everybody can lose.
            over = np.logical_or.reduce([(message.flags & (ENDED | TERMINATED | TRUNCATED)) != 0 for message in messages])
            ended |= over & (stops >= step)
            if step + 1 < setup.horizon:
                messages = session.advance(actions)
        going = ~ended
        parts = ([None if each is None else each[going] for each in some] for some in (masks, memories))
        return Visits(kept_state[going], [each[going] for each in actions_at_stop], *parts)

    def power(self, holder: int, part: int, visits: Visits, sequences: NDArray[Any]) -> PowerAtVisits:
        """Power of one agent over everybody at each visit.

        Args:
            holder: whose actions are forced.
            part: names the random numbers.
            visits: where.
            sequences: (S, k, ...) of its actions, among which the worst is sought for each other agent.
        """
        own = self._values(holder, part, visits, None)
        mask = visits.masks[holder]
        tried = []
        for sequence in sequences:
            values = self._values(holder, part, visits, sequence)
            if mask is not None:
                values[~mask[:, int(sequence[0])]] = np.inf
            tried.append(values)
        return power_at_visits(own, np.stack(tried))

    def worst_actions(
        self,
        holder: int,
        part: int,
        state: JointState,
        memories: Sequence[NDArray[Any] | None],
        candidates: NDArray[Any],
        victims: Sequence[int],
    ) -> NDArray[Any]:
        """(K, ...) of each of K states the action of one agent after which some others earn least, if everybody then plays on.

        Args:
            holder: whose action. part: names the random numbers.
            state: of K copies. memories: per agent (K, U) what its policy remembers, or None. candidates: (C, ...) actions.
            victims: whose mean discounted reward counts.
        """
        count = len(state)
        no_masks: list[BoolArray | None] = [None] * self.setup.n
        space = self.setup.spec.action_spaces
        zeros = [np.zeros((count, *candidates.shape[1:]), space_dtype(space[holder]))] * self.setup.n
        harm = []
        for action in candidates:
            values = self._values(holder, part, Visits(state, zeros, no_masks, list(memories)), action[None], drawn=True)
            harm.append(values[:, :, list(victims)].mean(axis=(1, 2)))
        choices: NDArray[Any] = candidates[np.stack(harm).argmin(axis=0)]
        return choices

    def _values(self, holder: int, part: int, visits: Visits, sequence: NDArray[Any] | None, *, drawn: bool = False) -> FloatArray:
        """(V, 2, n) discounted task rewards after a branch, a mean for each half of the replicates; what others play may be drawn anew."""
        setup, copies = self.setup, visits.number * self._replicates
        session = setup.session(self.environment, copies, self._seed + 1)
        generators = self._generators(2 * part + 1, setup.n)
        dtypes = [space_dtype(space) for space in setup.spec.action_spaces]
        messages = session.branch(part, np.repeat(visits.state, self._replicates, axis=0))
        self.players.begin([None if each is None else np.repeat(each, self._replicates, axis=0) for each in visits.memories])
        total = np.zeros((copies, setup.n))
        for step in range(self._length):
            actions = [self._act(agent, messages, generators[agent]) for agent in range(setup.n)]
            if step == 0 and not (self._ex_ante or drawn):
                actions = [
                    np.repeat(each, self._replicates, axis=0).astype(dtype) for each, dtype in zip(visits.actions, dtypes, strict=True)
                ]
            if sequence is not None and step < len(sequence):
                forced = np.repeat(sequence[step][None], copies, axis=0).astype(dtypes[holder])
                actions[holder] = legal_actions(forced, messages[holder].mask)
            messages = session.advance(actions)
            total += setup.discount**step * np.column_stack([message.reward for message in messages])
        halves: FloatArray = total.reshape(visits.number, 2, self._replicates // 2, setup.n).mean(axis=2)
        return halves

    def _act(self, agent: int, messages: Sequence[Step], generator: np.random.Generator) -> NDArray[Any]:
        return self.players.greedy(agent, messages) if self._greedy else self.players.draw(agent, messages, generator)

    def _generators(self, counter: int, n: int) -> list[np.random.Generator]:
        return [stream(self._seed, agent, Purpose.EVALUATION, counter) for agent in range(n)]

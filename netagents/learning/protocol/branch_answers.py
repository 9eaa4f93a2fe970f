"""Answers of an agent in the branches of an audit: what it would do in states that it has visited, and nothing else.

Nothing that it hears there is learned from or kept.  It decides with a copy of its policy, from random numbers of their own purpose
and from what it remembered at the visits, so that its policy, memory, statistics and streams are afterwards what they were.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ProtocolError
from netagents.experiment.imported_parts import has_foreign_code
from netagents.learning.protocol.branch_plan import BranchPlan
from netagents.learning.protocol.contact_filter import ContactFilter
from netagents.learning.protocol.message_ledger import Ledger
from netagents.learning.protocol.requests import ExchangeRequest, Outgoing
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.messages import ENVIRONMENT, BranchAction, BranchState, BranchStep, Kind
from netagents.policies import Policy
from netagents.policies.policy import load_arrays, policy_arrays
from netagents.randomness import GlobalNumbers, Purpose, evaluation_seed, stream

_SERVER = (ENVIRONMENT,)


class BranchAnswers:
    """The branches of one agent.

    Args:
        setup: what all agents share.
        index: of the agent.
        plan: of the run's audits.
        nearby: its contacts, where the graph moves.
    """

    def __init__(self, setup: Setup, index: int, plan: BranchPlan, nearby: ContactFilter | None) -> None:
        self._setup, self._index, self._plan, self._nearby = setup, index, plan, nearby
        self._copy: Policy | None = None
        self._greedy = setup.frozen.get(index, False)
        self._numbers = GlobalNumbers(evaluation_seed(setup.experiment.seed), has_foreign_code(setup.experiment))

    def due(self, iteration: int) -> bool:
        """Whether an iteration is audited."""
        return self._plan.due(iteration)

    def answer(
        self, iteration: int, policy: Policy, rollout: Rollout, outgoing: list[Outgoing], ledger: Ledger
    ) -> Generator[ExchangeRequest, list[Any], None]:
        """The requests of one audit: per step of its branches wait for what is observed, tell others, hear them, and say what to do.

        Args:
            iteration: which is audited.
            policy: that the agent plays; the audit decides with a copy.
            rollout: of the iteration, closed.
            outgoing: what is still to be sent.
            ledger: in which the messages of the audit are counted.

        Raises:
            ProtocolError: the server begins branches where the agent has not been.
        """
        setup, index, plan = self._setup, self._index, self._plan
        self._numbers.begin(index, iteration)
        with self._numbers.of(index):
            copy = self._copy = setup.policy(index) if self._copy is None else self._copy
            load_arrays(copy, policy_arrays(policy))
        in_neighbours = setup.in_neighbours(Kind.BRANCH_STATE, index)
        memory: NDArray[Any] | None = None
        for ordinal in range(plan.messages):
            observed: BranchStep
            (observed,) = yield ExchangeRequest(outgoing, Kind.BRANCH_STEP, iteration, ordinal, _SERVER)
            if ordinal % plan.length == 0:
                generator = stream(evaluation_seed(setup.experiment.seed), index, Purpose.AUDIT, iteration)
                memory = self._memory_at(observed, copy, rollout)
            outgoing = self._states(iteration, ordinal, observed)
            for each in outgoing:
                ledger.count(each)
            messages: list[BranchState] = []
            if in_neighbours:
                messages = yield ExchangeRequest(outgoing, Kind.BRANCH_STATE, iteration, ordinal, in_neighbours)
                outgoing = []
            with self._numbers.of(index):
                actions, memory = self._decide(copy, observed, messages, memory, generator)
            outgoing.append(Outgoing(Kind.BRANCH_ACTION, iteration, ordinal, BranchAction(actions), _SERVER))
            ledger.count(outgoing[-1])
        # Who hears nobody in this iteration has no other request with which the last action would leave.
        yield ExchangeRequest(outgoing, Kind.BRANCH_STATE, iteration, plan.messages, ())

    def _states(self, iteration: int, ordinal: int, observed: BranchStep) -> list[Outgoing]:
        """The observation for the out-neighbours."""
        out_neighbours = self._setup.out_neighbours(Kind.BRANCH_STATE, self._index)
        if not out_neighbours:
            return []
        state = BranchState(observed.observation)
        if self._nearby is None or observed.hops is None:
            return [Outgoing(Kind.BRANCH_STATE, iteration, ordinal, state, out_neighbours)]
        return self._nearby.addressed(Kind.BRANCH_STATE, iteration, ordinal, state, out_neighbours, observed.hops)

    def _decide(
        self,
        policy: Policy,
        observed: BranchStep,
        messages: list[BranchState],
        memory: NDArray[Any] | None,
        generator: np.random.Generator,
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """(C, ...) actions, and what is remembered afterwards."""
        draws = self._plan.draws
        states = [message.values for message in messages]
        states.insert(policy.window.index(self._index), observed.observation)
        near = None
        if self._nearby is not None and observed.hops is not None and messages:
            near = self._nearby.marks(Kind.BRANCH_STATE, policy.window, observed.hops)
        context = policy.next_context(memory, states, near)
        numbers = policy.noise(generator, 1, draws)[0]
        # All branches of a visit share their random numbers.
        noise = np.tile(numbers, (len(observed.observation) // draws, *(1,) * (numbers.ndim - 1)))
        actions = policy.greedy(context, observed.mask) if self._greedy else policy.act(context, noise, observed.mask)
        dtype = self._setup.action_array(self._index).dtype
        return np.ascontiguousarray(actions, dtype=dtype), policy.memory_of(context)

    def _memory_at(self, observed: BranchStep, policy: Policy, rollout: Rollout) -> NDArray[Any] | None:
        """(C, U) what the agent remembered before each visit, for every copy of its branches; None for a policy without memory."""
        steps, copies = np.divmod(observed.origins, self._setup.batch)
        if len(steps) != self._plan.settings.visits or steps.min() < 0 or steps.max() >= self._setup.horizon:
            raise ProtocolError("branches begin where nobody has been", where="branch_step from environment")
        empty = policy.initial_memory(len(steps))
        if empty is None:
            return None
        remembered = policy.memory_of(rollout.context[np.maximum(steps - 1, 0), copies])
        assert remembered is not None, "it has a memory to begin with"
        visits = np.where((steps > 0)[:, None], remembered, empty)
        draws = np.repeat(visits, self._plan.settings.replicates, axis=0)
        return np.tile(draws, (len(observed.observation) // len(draws), 1))

"""Audit of power during a run, the server's half: clone states, force one agent's action, ask all agents what they would do.

It is a generator without input or output: it yields what each agent observes in the branches, and is resumed with everybody's actions.  The
run's own session is not touched: branches are a session of their own, with random numbers of their own.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.networked_mdp import JointState, NetworkedMDP
from netagents.environments.session_steps import Visited
from netagents.environments.spaces import space_dtype
from netagents.experiment.imported_parts import has_foreign_code
from netagents.learning.interventions.action_sources import legal_actions
from netagents.learning.protocol.branch_plan import OWN, Branch, BranchPlan
from netagents.learning.protocol.setup import Setup
from netagents.measures.power.branched_power import BranchedPower, branched_power, power_at_visits
from netagents.messages import BranchStep
from netagents.randomness import ENVIRONMENT_OWNER, GlobalNumbers, Purpose, evaluation_seed, stream

FloatArray = NDArray[np.float64]
BranchTurns = Generator[list[BranchStep], Sequence[NDArray[Any]], BranchedPower]
"""Yields one message per agent, and is sent one (C, ...) array of actions per agent; returns what the audit came to."""

_NO_ORIGINS = np.zeros(0, dtype=np.int32)


class _Visits(NamedTuple):
    """Where branches begin: ``state`` of V copies, per agent (V, ...) ``actions`` that were executed there, and their ``origins`` (V,)."""

    state: JointState
    actions: list[NDArray[Any]]
    origins: NDArray[np.int32]


class BranchRounds:
    """The rounds of one audit: what agents are asked, one after the other, and what it came to in the end.

    Args:
        turns: of the audit.

    Attributes:
        requests: what each agent observes now; None when the audit is over. ordinal: of this round.
        power: the result, when it is over.
    """

    def __init__(self, turns: BranchTurns) -> None:
        self._turns = turns
        self.power: BranchedPower | None = None
        self.ordinal = 0
        self.requests: list[BranchStep] | None = next(turns)

    def answer(self, actions: Sequence[NDArray[Any]]) -> None:
        """Go on with everybody's (C, ...) actions.

        Raises:
            IllegalActionError: one is none; it names the agent.
        """
        self.ordinal += 1
        try:
            self.requests = self._turns.send(actions)
        except StopIteration as over:
            self.requests, self.power = None, over.value


class BranchAudit:
    """Audits of one run.

    Args:
        setup: what all agents share.
        plan: of its audits.
        environment: its own; it is pure.
    """

    def __init__(self, setup: Setup, plan: BranchPlan, environment: NetworkedMDP) -> None:
        self._setup, self._plan, self._environment = setup, plan, environment
        self._seed = evaluation_seed(setup.experiment.seed)
        self._dtypes = [space_dtype(space) for space in setup.spec.action_spaces]
        self._numbers = GlobalNumbers(self._seed, has_foreign_code(setup.experiment))

    def due(self, iteration: int) -> bool:
        """Whether an iteration is audited."""
        return self._plan.due(iteration)

    def rounds(self, iteration: int, session: EnvironmentSession) -> BranchRounds:
        """The audit of an iteration whose steps a session has remembered; it lets go of them."""
        visited, session.visited = session.visited, None
        return BranchRounds(self.play(iteration, visited or ()))

    def play(self, iteration: int, visited: Sequence[Visited]) -> BranchTurns:
        """The audit of one iteration.

        Args:
            iteration: which; it names the random numbers.
            visited: its steps.
        """
        self._numbers.begin(ENVIRONMENT_OWNER, iteration)
        visits = self._draw(iteration, visited)
        legal: dict[int, NDArray[np.bool_]] = {}
        values: list[FloatArray] = []
        for lot in self._plan.lots:
            values += [(yield from self._branches(iteration, lot, visits, legal))]
        return self._power(np.concatenate(values), legal)

    def _draw(self, iteration: int, visited: Sequence[Visited]) -> _Visits:
        """Visits drawn evenly from the steps at which nobody had ended, each once where there are enough."""
        visited, number = visited[: self._setup.horizon], self._plan.settings.visits
        going = np.flatnonzero(np.concatenate([each.going for each in visited]))
        generator = stream(self._seed, ENVIRONMENT_OWNER, Purpose.AUDIT, iteration)
        origins = generator.choice(going, number, replace=len(going) < number).astype(np.int32)
        places = [divmod(int(origin), self._setup.batch) for origin in origins]
        state = np.stack([visited[step].state[copy] for step, copy in places])
        actions = [
            np.stack([visited[step].actions[agent][copy] for step, copy in places]).astype(dtype)
            for agent, dtype in enumerate(self._dtypes)
        ]
        return _Visits(state, actions, origins)

    def _branches(
        self, iteration: int, lot: Sequence[Branch], visits: _Visits, legal: dict[int, NDArray[np.bool_]]
    ) -> Generator[list[BranchStep], Sequence[NDArray[Any]], FloatArray]:
        """One rollout of some branches side by side; (L, V, 2, n) discounted task returns, a mean for each half of the replicates.

        ``legal`` takes holder -> (V, A) which of its actions are legal at the visits, where some are not.
        """
        setup, plan = self._setup, self._plan
        replicates, draws, copies = plan.settings.replicates, plan.draws, len(lot) * plan.draws
        with self._numbers.of(ENVIRONMENT_OWNER):
            session = setup.session(self._environment, copies, self._seed, drawn=draws)
            messages = session.branch(iteration, _spread(visits.state, replicates, len(lot)))
        total = np.zeros((copies, setup.n))
        for step in range(plan.length):
            origins = visits.origins if step == 0 else _NO_ORIGINS
            actions = list((yield [BranchStep(each.observation, origins, each.hops, each.mask) for each in messages]))
            if step == 0:
                if setup.experiment.power.variant == "realized":
                    actions = [_spread(each, replicates, len(lot)) for each in visits.actions]
                for position, branch in enumerate(lot):
                    if branch.holder == OWN:
                        continue
                    part, mask = slice(position * draws, (position + 1) * draws), messages[branch.holder].mask
                    forced = np.repeat(plan.candidates[branch.holder][branch.place][None], draws, axis=0).astype(
                        self._dtypes[branch.holder]
                    )
                    whole = np.array(actions[branch.holder])
                    whole[part] = legal_actions(forced.astype(whole.dtype), None if mask is None else mask[part])
                    actions[branch.holder] = whole
                    if mask is not None and mask.size:
                        legal[branch.holder] = mask[part][::replicates]
            with self._numbers.of(ENVIRONMENT_OWNER):
                messages = session.advance(actions)
            total += setup.discount**step * np.column_stack([each.reward for each in messages])
        halves: FloatArray = total.reshape(len(lot), plan.settings.visits, 2, replicates // 2, setup.n).mean(axis=3)
        return halves

    def _power(self, values: FloatArray, legal: dict[int, NDArray[np.bool_]]) -> BranchedPower:
        """Power of all holders from (branches, V, 2, n) returns, in the order of the plan."""
        n, branches = self._setup.n, [branch for lot in self._plan.lots for branch in lot]
        visits = np.zeros(n, dtype=np.int64)
        low, high, squares = (np.zeros((n, n)) for _ in range(3))
        for holder in self._plan.holders:
            forced = values[[number for number, branch in enumerate(branches) if branch.holder == holder]]
            if holder in legal:
                forced[~legal[holder].T] = np.inf
            power = power_at_visits(values[0], forced)
            middle = 0.5 * (power.low + power.high)
            visits[holder] = len(middle)
            low[holder], high[holder], squares[holder] = power.low.sum(axis=0), power.high.sum(axis=0), (middle * middle).sum(axis=0)
        return branched_power(visits, low, high, squares)


def _spread(values: NDArray[Any], replicates: int, branches: int) -> NDArray[Any]:
    """(V, ...) values for every replicate of every branch, in the order of branches, visits and replicates."""
    return np.tile(np.repeat(values, replicates, axis=0), (branches, *(1,) * (values.ndim - 1)))

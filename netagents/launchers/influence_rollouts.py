"""Rollouts that measure influence: one source at a time plays each policy of a bank, all others play what the run has learned.

All rollouts have the same random numbers of environment and actions (common random numbers), so what differs between them is the
source's policy and its consequences.  One rollout gives the returns of all agents.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import NetworkedMDP
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.launchers.policy_evaluation import COPIES
from netagents.learning.frozen_play import Players
from netagents.messages import Step
from netagents.policies import Policy, TabularPolicy
from netagents.policies.neural_policy import CategoricalPolicy
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, evaluation_seed, seeded_globally, stream
from netagents.records.frozen_policies import check_policy_fits, load_into
from netagents.records.influence_returns import FloatArray, bank_digest
from netagents.records.policy_bank import Bank
from netagents.records.record_models import InfluencePlan
from netagents.records.run_reader import Run

_OBSERVED_STEPS = 16
"""Steps of the reference rollout at which policies of a bank are compared."""

_OBSERVED_COPIES = 16


def make_plan(
    run: Run, bank: Bank, *, repetitions: int, seed: int = 0, checkpoint: int | None = None, windows: int = 8, pulse: int | None = None
) -> InfluencePlan:
    """The plan of a measurement.

    Args:
        run: whose policies are the reference.
        bank: of policies for every agent.
        repetitions: M episodes with each policy of each source.
        seed: names the episodes.
        checkpoint: of the run (default: the newest).
        windows: parts of an episode in which rewards are summed, at most one per step.
        pulse: steps after which a source returns to its own policy; None: it never does.

    Raises:
        RunDirectoryError: the run has no checkpoint, or a file of the bank is missing or damaged.
        EnvironmentMismatchError: the bank is one of other agents, spaces, windows or policies.
        ExperimentError: the pulse lasts for the whole episode.
    """
    from netagents.records.trained_policies import find_checkpoint

    setup, other = run.setup, bank.setup
    if other.n != setup.n:
        raise EnvironmentMismatchError(
            f"its policies are those of {other.n} agents, and {run.path} has {setup.n}", where=str(bank.path), fix="use a bank of such runs"
        )
    for agent in range(setup.n):
        check_policy_fits(other, agent, setup, agent, f"agent {agent} of {bank.path}")
    if pulse is not None and pulse >= setup.horizon:
        raise ExperimentError(
            f"a pulse of {pulse} steps lasts as long as an episode, which has {setup.horizon}", where="--pulse", fix="use a shorter one"
        )
    # A damaged file is noticed before anything is played.
    bank.verify()
    path = find_checkpoint(run.directory, checkpoint)
    iteration = next(number for number, each in run.checkpoints.items() if each == path)
    return InfluencePlan(
        run=run.manifest["run"],
        checkpoint=iteration,
        bank=bank_digest(bank),
        members=bank.names,
        repetitions=repetitions,
        seed=seed,
        horizon=setup.horizon,
        windows=min(windows, setup.horizon),
        pulse=pulse,
    )


class InfluenceRollouts:
    """Plays the rollouts of a plan.

    Args:
        run: whose policies are the reference.
        bank: of policies for every agent.
        plan: of :func:`make_plan`.
        environment: that of the run, open for this process.
    """

    def __init__(self, run: Run, bank: Bank, plan: InfluencePlan, environment: NetworkedMDP) -> None:
        self.setup, self.bank, self.plan = run.setup, bank, plan
        self.reference = run.policies(plan.checkpoint)
        self._environment = environment
        self._members: dict[tuple[int, int], Policy] = {}

    def source(self, agent: int, progress: Callable[[int], None] | None = None) -> FloatArray:
        """``(K, M, n, windows)`` rewards of all agents, summed over parts of the episode, under each policy of one source."""
        rows = []
        for k in range(len(self.plan.members)):
            rows.append(self.play({agent: self.member(agent, k)}))
            if progress is not None:
                progress(k)
        return np.stack(rows)

    def group(self, agents: Sequence[int], progress: Callable[[int], None] | None = None) -> FloatArray:
        """``(K, ..., K, M, n, windows)`` the same under all combinations of the policies of several sources."""
        K = len(self.plan.members)
        rows = []
        for number, combination in enumerate(itertools.product(range(K), repeat=len(agents))):
            rows.append(self.play({agent: self.member(agent, k) for agent, k in zip(agents, combination, strict=True)}))
            if progress is not None:
                progress(number)
        return np.stack(rows).reshape(*(K,) * len(agents), *rows[0].shape)

    def member(self, agent: int, k: int) -> Policy:
        """The policy of ``agent`` in member k of the bank."""
        policy = self._members.get((agent, k))
        if policy is None:
            name = self.plan.members[k]
            arrays = self.bank.arrays(name, {agent})[agent]
            policy = self._members[agent, k] = self.setup.policy(agent)
            load_into(policy, arrays, f"no policy that fits agent {agent}", f"{self.bank.path}, member {name}")
        return policy

    def play(self, varied: Mapping[int, Policy], observe: Callable[[int, Sequence[Step]], None] | None = None) -> FloatArray:
        """``(M, n, windows)`` rewards of one rollout of all repetitions, in which some agents play other policies.

        Args:
            varied: their policies; empty for the reference.
            observe: called with each step and its messages, in the first block of episodes.
        """
        with seeded_globally(evaluation_seed(self.plan.seed), ENVIRONMENT_OWNER):
            M = self.plan.repetitions
            blocks = [self._block(block, min(COPIES, M - block * COPIES), varied, observe) for block in range(-(-M // COPIES))]
        return np.concatenate(blocks)

    def _block(
        self, block: int, copies: int, varied: Mapping[int, Policy], observe: Callable[[int, Sequence[Step]], None] | None
    ) -> FloatArray:
        plan, setup, environment = self.plan, self.setup, self._environment
        environment.open(copies)
        session = setup.session(environment, copies, evaluation_seed(plan.seed), drawn=COPIES)
        generators = [stream(evaluation_seed(plan.seed), agent, Purpose.EVALUATION, block) for agent in range(setup.n)]
        own = Players(setup, self.reference)
        others = Players(setup, [varied.get(agent, policy) for agent, policy in enumerate(self.reference)])
        pulse = plan.horizon if plan.pulse is None else plan.pulse

        def choose(agent: int, step: int, messages: Sequence[Step]) -> NDArray[Any]:
            if agent == 0 and observe is not None and block == 0:
                observe(step, messages)
            noise = self.reference[agent].noise(generators[agent], 1, COPIES)[0][:copies]
            if agent not in varied:
                return own.decide(agent, messages, noise)
            # Both are asked at every step, because each may remember what it has read.
            usual = own.decide(agent, messages, noise) if pulse < plan.horizon else None
            replacement = others.decide(agent, messages, noise)
            return replacement if usual is None or step < pulse else usual

        sums = np.zeros((copies, setup.n, plan.windows))
        own.begin()
        for step, move in enumerate(others.play(session, block, plan.horizon, choose)):
            sums[:, :, step * plan.windows // plan.horizon] += np.column_stack([message.reward for message in move.after])
        return sums

    def probabilities(self) -> list[FloatArray | None]:
        """Per agent ``(K, X, A)`` the action probabilities of its policies at observations of the reference rollout; None for boxes."""
        remembers = self.setup.experiment.information == "aged" or any(policy.units for policy in self.reference)
        every = 1 if remembers else max(1, self.plan.horizon // _OBSERVED_STEPS)
        observations: list[Sequence[Step]] = []

        def observe(step: int, messages: Sequence[Step]) -> None:
            if step % every == 0:
                observations.append(messages)

        self.play({}, observe)
        tables: list[FloatArray | None] = []
        for agent in range(self.setup.n):
            if not isinstance(self.setup.spec.action_spaces[agent], Discrete):
                tables.append(None)
                continue
            rows = []
            for k in range(len(self.plan.members)):
                policy = self.member(agent, k)
                players = Players(self.setup, [policy if each == agent else other for each, other in enumerate(self.reference)])
                contexts = [players.context(agent, messages)[:_OBSERVED_COPIES] for messages in observations]
                rows.append(np.concatenate([_distribution(policy, context) for context in contexts]))
            tables.append(np.stack(rows))
        return tables


def _distribution(policy: Policy, context: NDArray[Any]) -> FloatArray:
    if isinstance(policy, TabularPolicy):
        return np.asarray(policy.probabilities[context])
    assert isinstance(policy, CategoricalPolicy), "finite actions of networks"
    return np.asarray(policy.probabilities_at(context))

"""Frozen policies played for many episodes, in one process and vectorized: what a trained network is worth, with an interval."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_builder import build_environment
from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.networked_mdp import NetworkedMDP
from netagents.environments.specification_json import check_same_environment
from netagents.errors import UsageError
from netagents.experiment.named_code import Trust
from netagents.foreign.containment import contained
from netagents.intervals import Interval, mean_interval, mean_intervals
from netagents.learning import Setup
from netagents.learning.frozen_play import Players
from netagents.messages import Step
from netagents.policies import Policy
from netagents.randomness import ENVIRONMENT_OWNER, EVALUATED_COPIES, Purpose, evaluation_seed, seeded_globally, stream
from netagents.records.run_reader import Run

FloatArray = NDArray[np.float64]

COPIES = EVALUATED_COPIES
"""Episodes that are played side by side."""


@dataclass(frozen=True)
class Evaluation:
    """Returns of frozen policies.

    Attributes:
        checkpoint: the last iteration that the policies had learned from; -1 for untrained ones.
        greedy: the most probable action was played instead of a drawn one.
        seed: of the evaluation, which shares no randomness with training.
        horizon: steps per episode. discount: gamma.
        returns: (N, n) undiscounted return of each episode and agent.
        discounted: (N, n) the same, discounted.
    """

    checkpoint: int
    greedy: bool
    seed: int
    horizon: int
    discount: float
    returns: FloatArray
    discounted: FloatArray

    @property
    def team(self) -> Interval:
        """Mean over agents and episodes of the undiscounted return, with its interval over episodes."""
        return mean_interval(self.returns.mean(axis=1), self.seed)

    @property
    def team_discounted(self) -> Interval:
        """The same, discounted."""
        return mean_interval(self.discounted.mean(axis=1), self.seed)

    @property
    def agents(self) -> list[Interval]:
        """Each agent's mean undiscounted return, with its interval."""
        edges = mean_intervals(self.returns, self.seed)
        return [Interval(float(mean), float(low), float(high), len(self.returns)) for mean, low, high in zip(*edges, strict=True)]


@contextlib.contextmanager
def evaluation_environment(run: Run) -> Iterator[NetworkedMDP]:
    """The environment of a run, for several evaluations that share its copies; closed at the end.

    Raises:
        EnvironmentMismatchError: the environment that can be built here is not the one that the run was made with.
        MissingPackageError, ExperimentError: it cannot be built here.
        SecurityError: the settings name code, and the run was opened without trust.
    """
    run.directory.require_trust()
    setup = run.setup
    with contained():
        environment = build_environment(setup.experiment.environment, setup.topology)
        try:
            check_same_environment(setup.spec, environment.spec, str(run.path))
            yield environment
        finally:
            environment.close()


def evaluate(
    run: Run | str | Path,
    episodes: int = 1000,
    *,
    greedy: bool = False,
    seed: int = 0,
    checkpoint: int | None = None,
    untrained: bool = False,
    environment: NetworkedMDP | None = None,
    progress: Callable[[int, int], None] | None = None,
    trust: Trust = False,
) -> Evaluation:
    """Play the policies of a run without learning, as ``netagents evaluate``.

    Args:
        run: with a checkpoint; or its directory.
        episodes: N.
        greedy: play the most probable action; ties go to the lowest one.
        seed: names the evaluation's own stream; episode k is the same whatever N is.
        checkpoint: the iteration after which the policies were saved (default: the newest).
        untrained: play the policies that training began with instead.
        environment: of :func:`evaluation_environment`; made and closed here if None.
        progress: called as ``progress(made, wanted)`` while copies of somebody else's environment are made.
        trust: whether code may run that the settings of a run directory name; a run that is open already brings its own.

    Raises:
        RunDirectoryError: there is no such checkpoint, or it is damaged.
        EnvironmentMismatchError, ExperimentError: the environment cannot be built here, or is not the one that the run was made with.
        SecurityError: the settings name code, and the run was opened without trust.
    """
    if episodes < 1:
        raise UsageError(f"{episodes} episodes have no mean", where="episodes", fix="give 1 or more")
    if not isinstance(run, Run):
        run = Run.open(run, trust)
    run.directory.require_trust()
    with seeded_globally(evaluation_seed(seed), ENVIRONMENT_OWNER):
        return _evaluate(
            run, episodes, greedy=greedy, seed=seed, checkpoint=checkpoint, untrained=untrained, environment=environment, progress=progress
        )


def _evaluate(
    run: Run,
    episodes: int,
    *,
    greedy: bool,
    seed: int,
    checkpoint: int | None,
    untrained: bool,
    environment: NetworkedMDP | None,
    progress: Callable[[int, int], None] | None,
) -> Evaluation:
    setup = run.setup
    if untrained:
        policies = _untrained(run)
        played = -1
    else:
        policies = run.policies(checkpoint)
        played = max(run.checkpoints) if checkpoint is None else checkpoint
    with contextlib.ExitStack() as exits:
        if environment is None:
            environment = exits.enter_context(evaluation_environment(run))
        returns, discounted = play_policies(setup, environment, policies, episodes, greedy=greedy, seed=seed, progress=progress)
    return Evaluation(played, greedy, seed, setup.horizon, setup.discount, returns, discounted)


def play_policies(
    setup: Setup,
    environment: NetworkedMDP,
    policies: Sequence[Policy],
    episodes: int,
    *,
    greedy: bool = False,
    seed: int = 0,
    whole_blocks: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """(N, n) returns of N episodes and each agent, plain and discounted, of one policy per agent.

    Args:
        setup: what all agents share.
        environment: that of the setup; copies are opened here.
        policies: one per agent.
        episodes: N.
        greedy: play the most probable action.
        seed: names the episodes; episode k is the same whatever N is.
        whole_blocks: play as many copies as numbers are drawn for, where copies cost nothing.
        progress: see :func:`evaluate`.
    """
    players = Players(setup, policies)
    played_blocks = []
    for block in range(-(-episodes // COPIES)):
        # Numbers are drawn for a whole block, so that an episode does not depend on how many others there are.  A whole block is also
        # played where that costs nothing; copies of somebody else's environment are made only as many as are needed.
        whole = environment.spec.capabilities.vectorized and whole_blocks
        copies = COPIES if whole else min(COPIES, episodes - block * COPIES)
        environment.open(copies, progress)
        session = setup.session(environment, copies, evaluation_seed(seed), drawn=COPIES)
        played_blocks.append(_play(session, players, block, setup.horizon, setup.discount, greedy, seed))
    returns = np.concatenate([returns for returns, _ in played_blocks])[:episodes]
    discounted = np.concatenate([discounted for _, discounted in played_blocks])[:episodes]
    return returns, discounted


def _play(
    session: EnvironmentSession, players: Players, block: int, horizon: int, discount: float, greedy: bool, seed: int
) -> tuple[FloatArray, FloatArray]:
    """One block of episodes, as many as the session has copies: (copies, n) returns, plain and discounted."""
    generators = [stream(evaluation_seed(seed), agent, Purpose.EVALUATION, block) for agent in range(len(players.policies))]

    def choose(agent: int, _: int, messages: Sequence[Step]) -> NDArray[Any]:
        return players.greedy(agent, messages) if greedy else players.draw(agent, messages, generators[agent], COPIES)

    return players.returns(session, block, horizon, discount, choose)


def _untrained(run: Run) -> list[Policy]:
    setup = run.setup
    return [setup.policy(agent) for agent in range(setup.n)]

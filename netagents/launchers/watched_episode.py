"""One episode of an environment, kept as pictures: untrained policies of an experiment, or trained ones of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import NetworkedMDP
from netagents.environments.picture import Picture
from netagents.environments.validation import breach_of_picture
from netagents.errors import EnvironmentMismatchError, ForeignCodeError
from netagents.experiment import LoadedExperiment
from netagents.foreign.containment import contained
from netagents.foreign.part_faults import definition
from netagents.launchers.policy_evaluation import COPIES, evaluation_environment
from netagents.learning.frozen_play import Players
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.setup import Setup
from netagents.policies import Policy
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, evaluation_seed, seeded_globally, stream
from netagents.records.measured_influence import measured_influence
from netagents.records.run_reader import Run

FloatArray = NDArray[np.float64]
Measure = Literal["power", "influence"]


@dataclass(frozen=True)
class WatchedEpisode:
    """What there is to see of an episode of T steps.

    Attributes:
        title: what is played.
        pictures: T + 1, before each step and after the last.
        rewards: (T, n).
        labels: of the agents.
        halos: (n,) what each agent holds of ``measure`` as a share of the largest; None where nothing is known.
        measure: power, or influence where only that is known.
    """

    title: str
    pictures: Sequence[Picture]
    rewards: FloatArray
    labels: tuple[str, ...]
    halos: FloatArray | None = None
    measure: Measure = "power"

    def captions(self) -> list[str]:
        """For each picture its step and the returns so far: one number where all agents have the same, the mean of more than four."""
        returns = np.vstack([np.zeros((1, self.rewards.shape[1])), np.cumsum(self.rewards, axis=0)])
        lines = []
        for step, (picture, earned) in enumerate(zip(self.pictures, returns, strict=True)):
            if np.ptp(earned) == 0.0:
                each = f"return {earned[0]:.4g}" + (" each" if len(earned) > 1 else "")
            elif len(earned) > 4:
                each = f"mean return {earned.mean():.4g}"
            else:
                each = "returns " + " ".join(f"{value:.3g}" for value in earned)
            lines.append(f"step {step}   {each}" + (f"   {picture.caption}" if picture.caption else ""))
        return lines


def watch_run(
    run: Run,
    steps: int | None = None,
    *,
    greedy: bool = False,
    seed: int = 0,
    checkpoint: int | None = None,
    measure: Measure | None = None,
) -> WatchedEpisode:
    """Play a run's policies once: the first of the episodes that :func:`netagents.launchers.policy_evaluation.evaluate` plays.

    Args:
        run: with a checkpoint.
        steps: T (default: the run's horizon); it ends earlier where the environment does.
        greedy: play the most probable action.
        seed: of the episode.
        checkpoint: the iteration after which the policies were saved (default: the newest).
        measure: what halos show (default: power, or influence where no power is known).

    Raises:
        EnvironmentMismatchError: the environment cannot draw itself, cannot be built here, or is not the one of the run.
        RunDirectoryError: there is no such checkpoint, or it is damaged.
        SecurityError: the settings name code, and the run was opened without trust.
    """
    run.directory.require_trust()
    policies = run.policies(checkpoint)
    played = max(run.checkpoints) if checkpoint is None else checkpoint
    with seeded_globally(evaluation_seed(seed), ENVIRONMENT_OWNER), evaluation_environment(run) as environment:
        pictures, rewards = _play(run.setup, environment, policies, run.setup.horizon if steps is None else steps, greedy, seed)
    halos, measure = _halos(run, played, measure)
    return WatchedEpisode(f"{run.experiment.name} after iteration {played}", pictures, rewards, run.topology.labels, halos, measure)


def watch_experiment(loaded: LoadedExperiment, steps: int | None = None, *, greedy: bool = False, seed: int = 0) -> WatchedEpisode:
    """Play once what an experiment begins with: untrained policies.

    Raises:
        NetagentsError: whatever is wrong with the experiment.
        EnvironmentMismatchError: the environment cannot draw itself.
    """
    prepared = prepare(loaded.experiment, loaded.base)
    setup = prepared.setup
    policies = [setup.policy(agent) for agent in range(setup.n)]
    with seeded_globally(evaluation_seed(seed), ENVIRONMENT_OWNER), contained():
        try:
            pictures, rewards = _play(setup, prepared.environment, policies, setup.horizon if steps is None else steps, greedy, seed)
        finally:
            prepared.environment.close()
    return WatchedEpisode(f"{loaded.experiment.name}, untrained", pictures, rewards, prepared.topology.labels)


def _halos(run: Run, played: int, measure: Measure | None) -> tuple[FloatArray | None, Measure]:
    """What agents hold of a measure, or of the first that is known, as shares of the largest."""
    order: tuple[Measure, ...] = ("power", "influence") if measure is None else (measure,)
    for each in order:
        held = np.zeros(run.n)
        if each == "power" and len(run.iterations):
            held = run.concentration().held
        elif each == "influence":
            measured = measured_influence(run.path, run.n, played)
            held = held if measured is None else measured.excess.sum(axis=1)
        if held.max() > 0.0:
            return held / held.max(), each
    return None, measure or "power"


def _play(
    setup: Setup, environment: NetworkedMDP, policies: Sequence[Policy], steps: int, greedy: bool, seed: int
) -> tuple[list[Picture], FloatArray]:
    if not environment.drawable:
        raise EnvironmentMismatchError(
            f"environment '{environment.spec.name}' cannot draw itself",
            fix="give its class a method picture(state); see docs/environments.md",
        )
    environment.open(1)
    session = setup.session(environment, 1, evaluation_seed(seed), drawn=COPIES)
    players = Players(setup, policies)
    generators = [stream(evaluation_seed(seed), agent, Purpose.EVALUATION, 0) for agent in range(setup.n)]
    messages = session.begin(0)
    players.begin()
    pictures, rewards = [_drawn(environment, session.state)], []
    for _ in range(steps):
        actions = [
            players.greedy(agent, messages) if greedy else players.draw(agent, messages, generators[agent], COPIES)
            for agent in range(setup.n)
        ]
        messages = session.advance(actions)
        rewards.append([float(message.reward[0]) for message in messages])
        pictures.append(_drawn(environment, session.state))
        if all(message.flags[0] for message in messages):
            break
    return pictures, np.array(rewards, dtype=np.float64).reshape(-1, setup.n)


def _drawn(environment: NetworkedMDP, state: NDArray[np.generic]) -> Picture:
    picture = environment.picture(state)
    breach = breach_of_picture(picture)
    if breach is not None:
        place = definition(environment.picture)
        where = f"environment '{environment.spec.name}' breaks rule '{breach.rule}'"
        raise ForeignCodeError(breach.what, where=where, fix=breach.fix + (f"; see {place}" if place else ""))
    assert picture is not None
    return picture

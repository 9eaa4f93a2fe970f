"""A look ahead at the first iteration, for utilities that may be undefined where it leads."""

from __future__ import annotations

from collections.abc import Sequence

from netagents.environments.networked_mdp import NetworkedMDP
from netagents.learning.frozen_play import Players
from netagents.learning.protocol.occupancy_cells import Cells
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.local_objective import LocalObjective
from netagents.learning.signals.sampled_occupancy import sampled_occupancy
from netagents.messages import Step
from netagents.randomness import Purpose, stream


def check_first_occupancies(setup: Setup, environment: NetworkedMDP) -> None:
    """Sample iteration 0 as the agents will, and evaluate every utility and constraint at the occupancy it meets there.

    Nothing is sampled when all of them are bounded, since then they are defined everywhere.

    Raises:
        UtilityError: one is undefined there, such as KL to a target with a zero where agents do go.
    """
    _, lowest = setup.classes
    if all(_objective(setup, agent, setup.cells(agent)).is_bounded for agent in lowest):
        return
    cells = [setup.cells(agent) for agent in range(setup.n)]
    objectives = [_objective(setup, agent, cell) for agent, cell in enumerate(cells)]
    learning, seed, steps = setup.experiment.learning, setup.experiment.seed, setup.horizon
    policies = [setup.policy(agent) for agent in range(setup.n)]
    rollouts = [setup.rollout(agent, policy, steps) for agent, policy in enumerate(policies)]
    # As the agents do it, to the bit: they draw one block for all steps and the decision after the last.
    noise = [policy.noise(stream(seed, agent, Purpose.ACTIONS, 0), setup.steps + 1, setup.batch) for agent, policy in enumerate(policies)]
    session = setup.session(environment)
    players = Players(setup, policies)
    moves = players.play(session, 0, steps, lambda agent, step, messages: players.decide(agent, messages, noise[agent][step]))
    for step, move in enumerate(moves):
        if step == 0:
            _observe(rollouts, move.before)
        for rollout, actions in zip(rollouts, move.actions, strict=True):
            rollout.decided(actions)
        _observe(rollouts, move.after)
    for objective, rollout, cell in zip(objectives, rollouts, cells, strict=True):
        rollout.close()
        weights = rollout.discounted(setup.discount)
        counted, acted = cell.of_states(rollout.counted_states(learning.occupancy)), cell.of_actions(rollout.actions[:-1])
        objective.shadow(sampled_occupancy(counted, acted, weights, setup.batch, cell.states, cell.actions))


def _objective(setup: Setup, agent: int, cells: Cells) -> LocalObjective:
    return LocalObjective(setup.experiment, agent, cells.states, cells.actions, setup.discount)


def _observe(rollouts: Sequence[Rollout], messages: Sequence[Step]) -> None:
    for rollout, message in zip(rollouts, messages, strict=True):
        rollout.observe(message)

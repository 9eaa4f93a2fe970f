"""Play of one scenario of the allocation study: learned egos against fixed co-players, and what related measures say of the pair.

The ego is seat 0, which holds the population; the co-player is seat 1.  Co-players of an ego trained with one seed are the policies of
self-play with all other seeds, at each of their checkpoints, and the policy before training: nobody has trained with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.networked_mdp import NetworkedMDP
from netagents.errors import ExperimentError
from netagents.launchers.policy_evaluation import COPIES, evaluation_environment, play_policies
from netagents.learning import Setup
from netagents.learning.frozen_play import Players
from netagents.measures.influence import causal_influence, gradient_overlap, transfer_entropy
from netagents.messages import Step
from netagents.policies import Policy
from netagents.policies.neural_policy import CategoricalPolicy
from netagents.policies.policy import load_arrays
from netagents.policies.torch_mlp import repeatable_torch, tensor
from netagents.randomness import Purpose, evaluation_seed, stream
from netagents.records.bank_creation import population_size
from netagents.records.run_reader import Run
from netagents.studies.crash_returns import play_frozen

FloatArray = NDArray[np.float64]

EGO, CO_PLAYER = 0, 1
STEPS_BETWEEN = 5
"""Steps between two states at which actions are forced."""

IN_REWARDS = ("power", "crash_damage")
"""Those of the measures that are in units of reward."""

MEASURES = ("causal_influence", "transfer_entropy", "gradient_overlap", "power", "crash_damage")


@dataclass(frozen=True)
class ScenarioPlay:
    """What was played in one scenario.

    Attributes:
        samples: (R, C, L) mean return of the ego per seed, co-player and population size, over members and episodes.
        returns: (R, C, M) returns of the self-play ego per seed, co-player and episode, with common random numbers.
        measures: by name, one number per seed; NaN where it is not known.
    """

    samples: FloatArray
    returns: FloatArray
    measures: dict[str, FloatArray]


def play_scenario(runs: Sequence[Sequence[Path]], episodes: int, trained: Callable[[Path], Run] = Run.open) -> ScenarioPlay:
    """Play every ego against every co-player.

    Args:
        runs: (R, L) run directories by seed and population size, self-play first.
        episodes: M for each pair.
        trained: opens a run.

    Raises:
        NetagentsError: a run cannot be read or played.
    """
    opened = [[trained(path) for path in row] for row in runs]
    setup = opened[0][0].setup
    samples: list[list[list[float]]] = []
    returns, measures = [], []
    with evaluation_environment(opened[0][0]) as environment:
        pools = [self_play_policies(row[0]) for row in opened]
        first = setup.policy(CO_PLAYER)
        for number, row in enumerate(opened):
            pool = [first, *(policy for other, policies in enumerate(pools) if other != number for policy in policies)]
            cells, ego_returns = [], []
            for co_player in pool:
                by_size = []
                for size, run in enumerate(row):
                    played = [_returns(setup, environment, ego, co_player, episodes) for ego in members(run)]
                    by_size.append(float(np.mean(played)))
                    if size == 0:
                        ego_returns.append(played[0])
                cells.append(by_size)
            samples.append(cells)
            returns.append(ego_returns)
            measures.append(_related(setup, environment, row[0], members(row[0])[0], pool, episodes))
    whole = {name: np.array([each[name] for each in measures]) for name in MEASURES}
    return ScenarioPlay(np.array(samples), np.array(returns), whole)


def members(run: Run) -> list[Policy]:
    """The ego policies of a run: every member of its population, as it was at the end."""
    arrays = run.parameters(EGO)
    members = []
    for member in range(population_size(arrays)):
        policy = run.setup.policy(EGO)
        prefix = f"member.{member}."
        load_arrays(policy, {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(f"{prefix}policy.")})
        members.append(policy)
    if not members:
        raise ExperimentError("holds no population", where=str(run.path), fix="train with role population")
    return members


def self_play_policies(run: Run) -> list[Policy]:
    """The policies of a self-play run at each of its checkpoints, for the other seat."""
    policies = []
    for iteration in run.checkpoints:
        policy = run.setup.policy(CO_PLAYER)
        load_arrays(policy, {name.removeprefix("member.0."): array for name, array in run.parameters(EGO, iteration).items()})
        policies.append(policy)
    return policies


def _returns(setup: Setup, environment: NetworkedMDP, ego: Policy, co_player: Policy, episodes: int) -> FloatArray:
    plain, _ = play_policies(setup, environment, [ego, co_player], episodes, whole_blocks=False)
    return np.asarray(plain[:, EGO])


def _related(setup: Setup, environment: NetworkedMDP, run: Run, ego: Policy, pool: Sequence[Policy], episodes: int) -> dict[str, float]:
    """The related measures of the co-player's part in the ego's return, at the self-play pair of one seed."""
    partner = self_play_policies(run)[-1]
    trace = _trace(setup, environment, ego, partner)
    actions = setup.action_sizes((CO_PLAYER, EGO))
    gradients = [_gradient(_trace(setup, environment, ego, co_player), ego, setup.discount) for co_player in pool]
    power = run.power_matrix(-1, min(5, len(run.iterations))).values[CO_PLAYER, EGO]
    whole, lost = (play_frozen(setup, environment, [ego, partner], episodes, crashed, "noop").plain[EGO] for crashed in (None, CO_PLAYER))
    return {
        "causal_influence": causal_influence(trace.forced, trace.chances),
        "transfer_entropy": transfer_entropy(trace.actions[CO_PLAYER], trace.actions[EGO], (actions[0], actions[1])),
        "gradient_overlap": gradient_overlap(np.stack(gradients)),
        "power": float(power),
        "crash_damage": float(whole - lost),
    }


@dataclass(frozen=True)
class _Trace:
    contexts: NDArray[np.float32]
    actions: tuple[NDArray[np.int64], NDArray[np.int64]]
    rewards: FloatArray
    forced: FloatArray
    chances: FloatArray


def _trace(setup: Setup, environment: NetworkedMDP, ego: Policy, co_player: Policy, copies: int = 32) -> _Trace:
    """One batch of episodes: what the ego saw, did and earned, and what it would do next had the co-player acted otherwise."""
    if not isinstance(ego, CategoricalPolicy) or not isinstance(co_player, CategoricalPolicy) or ego.units or co_player.units:
        raise ExperimentError(
            "related measures are those of perceptrons with finite actions", where="allocation", fix="use policy.kind mlp"
        )
    environment.open(copies)
    session = setup.session(environment, copies, evaluation_seed(0), drawn=COPIES)
    players = Players(setup, [ego, co_player])
    generators = [stream(evaluation_seed(0), agent, Purpose.EVALUATION, 1) for agent in range(2)]
    contexts: list[Any] = []
    actions: tuple[list[Any], list[Any]] = ([], [])
    forced, chances = [], []

    def choose(agent: int, step: int, messages: Sequence[Step]) -> NDArray[Any]:
        context = players.context(agent, messages)
        draw = players.draw(agent, messages, generators[agent], COPIES)
        actions[agent].append(draw.astype(np.int64))
        if agent == EGO:
            contexts.append(context)
        elif step % STEPS_BETWEEN == 0:
            chances.append(co_player.probabilities_at(context))
            forced.append(_forced(session, environment, ego, actions[EGO][-1]))
        return draw

    rewards = [move.after[EGO].reward for move in players.play(session, 1, setup.horizon, choose)]
    traced = np.stack(actions[EGO]), np.stack(actions[CO_PLAYER])
    return _Trace(np.stack(contexts), traced, np.stack(rewards), np.concatenate(forced), np.concatenate(chances))


def _forced(session: EnvironmentSession, environment: NetworkedMDP, ego: CategoricalPolicy, own: NDArray[np.int64]) -> FloatArray:
    """(B, |A_j|, |A_i|) probabilities of the ego's next action had the co-player played each of its actions here; on branches only."""
    copies = len(own)
    noise = stream(evaluation_seed(1), EGO, Purpose.DYNAMICS, 0).random((copies, *environment.spec.step_noise))
    rows = []
    for action in range(environment.spec.action_spaces[CO_PLAYER].size):  # type: ignore[union-attr]
        after = environment.step(session.state, [own, np.full(copies, action)], noise)
        observed = environment.observe(after.state)
        rows.append(ego.probabilities_at(ego.context([observed[j] for j in ego.window])))
    return np.stack(rows, axis=1)


def _gradient(trace: _Trace, ego: Policy, discount: float) -> FloatArray:
    """(P,) the ego's policy gradient along a batch: sum of grad log pi(a | x) times the discounted return to go less its mean."""
    import torch

    assert isinstance(ego, CategoricalPolicy), "checked before"
    to_go = np.zeros_like(trace.rewards)
    ahead = np.zeros(trace.rewards.shape[1])
    for step in reversed(range(len(trace.rewards))):
        ahead = trace.rewards[step] + discount * ahead
        to_go[step] = ahead
    advantage = tensor((to_go - to_go.mean(axis=1, keepdims=True)).reshape(-1))
    layout, bound = ego.mlp, float(ego.logit_bound)
    with repeatable_torch():
        weights = tensor(ego.weights).requires_grad_()
        parts, first = [], 0
        for shape in layout.shapes:
            last = first + int(np.prod(shape))
            parts.append(weights[first:last].reshape(shape))
            first = last
        hidden = tensor(trace.contexts.reshape(-1, trace.contexts.shape[-1]))
        for weight, bias in zip(parts[:-2:2], parts[1:-2:2], strict=True):
            hidden = hidden @ weight + bias
            hidden = torch.relu(hidden) if layout.activation == "relu" else torch.tanh(hidden)
        logits = bound * torch.tanh((hidden @ parts[-2] + parts[-1]) / bound)
        actions = torch.from_numpy(trace.actions[EGO].reshape(-1))
        log = torch.log_softmax(logits, dim=1)[torch.arange(len(actions)), actions]
        (log * advantage).mean().backward()  # type: ignore[no-untyped-call]
        assert weights.grad is not None
        return np.asarray(weights.grad.numpy(), dtype=np.float64)

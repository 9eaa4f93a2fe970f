"""A networked MDP as PettingZoo's ``ParallelEnv``, so that other libraries' algorithms can learn on it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from netagents.environments.environment_builder import build_environment
from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.networked_mdp import BoolArray, NetworkedMDP
from netagents.environments.spaces import Box, Discrete, Space
from netagents.errors import EnvironmentMismatchError
from netagents.experiment import Experiment, load_experiment
from netagents.messages import ENDED, TERMINATED, TRUNCATED, Step
from netagents.topology import build_topology


def as_parallel_env(
    source: NetworkedMDP | str | Path | Mapping[str, Any] | Experiment, *overrides: str, horizon: int | None = None
) -> NetworkedParallelEnv:
    """One copy of a networked MDP, as other libraries take environments.

    Args:
        source: an environment, or an experiment whose environment and topology are built: a YAML file, the name of one that comes with
            netagents, or a mapping.
        overrides: settings of the experiment to change, such as ``"topology.rows=3"``.
        horizon: steps after which an episode is truncated; default: the experiment's, else the environment's.

    Raises:
        ExperimentError, EnvironmentMismatchError: the experiment is wrong, or its environment does not fit its graph or is a
            ``ParallelEnv`` already.
        MissingPackageError: PettingZoo is not installed (raised when this function is imported).
    """
    if isinstance(source, NetworkedMDP):
        return NetworkedParallelEnv(source, horizon)
    loaded = load_experiment(source, overrides)
    experiment = loaded.experiment
    topology = build_topology(experiment.topology, loaded.base, experiment.seed)
    return NetworkedParallelEnv(build_environment(experiment.environment, topology), horizon or experiment.learning.horizon)


class NetworkedParallelEnv(ParallelEnv[str, Any, Any]):  # type: ignore[misc]  # PettingZoo has no types
    """One copy of a networked MDP with the agents ``agent_0``, ``agent_1``, ... in the order of the graph's nodes.

    An agent observes what the environment server sends it in a run: its own local state, nothing of its neighbours.  Where actions are
    masked, ``infos[agent]["action_mask"]`` says which are legal (int8).  After ``horizon`` steps all agents are truncated.

    Episode k after ``reset(seed=s)`` draws the noise that iteration k of a run with seed s and one copy draws, so the same actions give
    the same rewards.  Without a seed, one is taken from the operating system at the first reset.

    Attributes:
        mdp: the networked MDP.
        metadata: ``name``, ``horizon``, ``discount``, and ``graph`` with ``edges`` as pairs of agents, ``labels``, and ``moving``, whether
            :meth:`graph` changes from step to step within these edges.
        state_space: of :meth:`state`.

    Args:
        mdp: any networked MDP that is a pure function of its state.
        horizon: steps per episode; default: the MDP's.
    """

    def __init__(self, mdp: NetworkedMDP, horizon: int | None = None) -> None:
        spec = mdp.spec
        if not spec.capabilities.branchable:
            raise EnvironmentMismatchError(
                f"environment '{spec.name}' keeps its state to itself and cannot be exported",
                fix="use the ParallelEnv that it was made from",
            )
        self.mdp = mdp
        self.possible_agents = [f"agent_{agent}" for agent in range(spec.n)]
        self.agents: list[str] = []
        self.observation_spaces = dict(zip(self.possible_agents, map(_space, spec.observation_spaces), strict=True))
        self.action_spaces = dict(zip(self.possible_agents, map(_space, spec.action_spaces), strict=True))
        self.render_mode: str | None = None
        self._horizon = spec.horizon if horizon is None else horizon
        self.metadata = {
            "name": spec.name,
            "render_modes": [],
            "is_parallelizable": True,
            "horizon": self._horizon,
            "discount": spec.discount,
            "graph": {
                "edges": [
                    (self.possible_agents[i], self.possible_agents[j]) for i in range(spec.n) for j in mdp.topology.neighbours(i) if i < j
                ],
                "labels": dict(zip(self.possible_agents, mdp.topology.labels, strict=True)),
                "moving": spec.capabilities.moving,
            },
        }
        self._fixed = np.zeros((spec.n, spec.n), dtype=np.bool_)
        for i in range(spec.n):
            self._fixed[i, list(mdp.topology.neighbours(i))] = True
        self._session = EnvironmentSession(mdp, 1, spec.discount, 0)
        self._seed: int | None = None
        self._episode = -1
        numbers = mdp.reset(np.zeros((1, *spec.reset_noise)))[0].size
        self.state_space = spaces.Box(-np.inf, np.inf, (numbers + spec.n * spec.n,), np.float64)

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """Of one agent, the same object each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """Of one agent, the same object each time."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ARG002
        """Begin an episode: observations and infos of all agents.

        Args:
            seed: of this episode and the ones after it.
            options: taken and not used.
        """
        if seed is not None or self._seed is None:
            self._seed = secrets.randbits(62) if seed is None else int(seed)
            self._session.seed = self._seed
            self._episode = -1
        self._episode += 1
        self._step = 0
        self.agents = list(self.possible_agents)
        return self._views(self._session.begin(self._episode))

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]]:
        """One step of all agents that take part: observations, rewards, terminations, truncations, infos.

        Raises:
            EnvironmentMismatchError: an agent has no action, or one that is out of range or not legal.
            NumericalError: an action, a reward or an observation is not finite.
        """
        if not self.agents:
            raise EnvironmentMismatchError("no agent takes part", where=self.mdp.spec.name, fix="call reset before step")
        acted = self.agents
        steps = self._session.advance([self._action(name, actions) for name in self.possible_agents])
        self._step += 1
        over = self._step >= self._horizon
        choices = dict(zip(self.possible_agents, steps, strict=True))
        rewards = {name: float(choices[name].reward[0]) for name in acted}
        terminations = {name: bool(choices[name].flags[0] & TERMINATED) for name in acted}
        truncations = {name: bool(choices[name].flags[0] & TRUNCATED) or (over and not terminations[name]) for name in acted}
        views, infos = self._views(steps)
        self.agents = [name for name in acted if not (terminations[name] or truncations[name] or choices[name].flags[0] & ENDED)]
        return views, rewards, terminations, truncations, infos

    def state(self) -> NDArray[np.float64]:
        """The joint state as numbers, followed by the adjacency matrix of :meth:`graph`, row by row; float64."""
        joint = np.asarray(self._session.state[0], dtype=np.float64).reshape(-1)
        return np.concatenate([joint, self.graph().reshape(-1).astype(np.float64)])

    def graph(self) -> BoolArray:
        """Who is a neighbour of whom now: (n, n) bool, symmetric, in the order of ``possible_agents``."""
        moved = self.mdp.graph(self._session.state) if self.mdp.spec.capabilities.moving else None
        return self._fixed.copy() if moved is None else self._fixed & moved[0]

    def render(self) -> None:
        """Nothing: networked MDPs have no picture."""

    def close(self) -> None:
        """Nothing: networked MDPs hold nothing open."""

    def _views(self, steps: list[Step]) -> tuple[dict[str, Any], dict[str, Any]]:
        views: dict[str, Any] = {}
        infos: dict[str, dict[str, Any]] = {}
        for agent, name in enumerate(self.possible_agents):
            if name not in self.agents:
                continue
            message = steps[agent]
            discrete = isinstance(self.mdp.spec.observation_spaces[agent], Discrete)
            views[name] = np.int64(message.observation[0]) if discrete else message.observation[0]
            infos[name] = {} if message.mask is None else {"action_mask": message.mask[0].astype(np.int8)}
        self._masks = [message.mask for message in steps]
        return views, infos

    def _action(self, name: str, actions: Mapping[str, Any]) -> NDArray[Any]:
        """One agent's action as a session takes it; whoever takes part no longer plays a legal one without effect."""
        agent = int(name.removeprefix("agent_"))
        space = self.mdp.spec.action_spaces[agent]
        if name not in self.agents:
            if isinstance(space, Box):
                return np.full((1, *space.shape), np.clip(0.0, space.low, space.high))
            mask = self._masks[agent]
            return np.array([0 if mask is None else int(np.argmax(mask[0]))])
        if name not in actions:
            raise EnvironmentMismatchError("no action", where=f"{self.mdp.spec.name}, {name}", fix="give one for each of agents")
        if isinstance(space, Box):
            return np.asarray(actions[name], dtype=np.float64).reshape(1, *np.shape(actions[name]))
        index = np.asarray(actions[name])
        if index.size != 1 or index.dtype.kind not in "iu":
            raise EnvironmentMismatchError(
                f"an action of type {index.dtype} and shape {index.shape}", where=f"{self.mdp.spec.name}, {name}", fix="give an index"
            )
        return index.reshape(1).astype(np.int64)


def _space(space: Space) -> gymnasium.Space[Any]:
    if isinstance(space, Discrete):
        return spaces.Discrete(space.size)
    return spaces.Box(space.low, space.high, space.shape, np.float64)

"""Small ParallelEnvs with the habits that other people's environments have; named in experiments as strange_envs:Class."""

from __future__ import annotations

from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class Leaving(ParallelEnv):
    """Agents count down from a number of their own, drawn at reset, and leave at zero: by termination, or cut short if odd.

    Observation: what is left and a coin.  Action: Discrete from 5 on; the reward is the action.
    """

    metadata: ClassVar = {"name": "leaving"}

    def __init__(self, names=("ann", "bob", "cleo"), longest=4):
        self.possible_agents = list(names)
        self.longest = longest
        self.actions_received: list[dict] = []

    def observation_space(self, _agent):
        return spaces.Box(-1.0, 99.0, (2,), np.float32)

    def action_space(self, _agent):
        return spaces.Discrete(3, start=5)

    def reset(self, seed=None, options=None):  # noqa: ARG002 - theirs
        self.rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.left = {name: int(self.rng.integers(1, self.longest + 1)) for name in self.agents}
        self.lasts = dict(self.left)
        return self._views(), {name: {} for name in self.agents}

    def _views(self):
        return {name: np.array([self.left[name], self.rng.integers(2)], np.float32) for name in self.agents}

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.actions_received.append(dict(actions))
        for name in self.agents:
            self.left[name] -= 1
        observations = self._views()
        rewards = {name: float(actions[name]) for name in self.agents}
        leavers = [name for name in self.agents if self.left[name] == 0]
        ended = {name: name in leavers and self.lasts[name] % 2 == 0 for name in self.agents}
        cut = {name: name in leavers and self.lasts[name] % 2 == 1 for name in self.agents}
        self.agents = [name for name in self.agents if name not in leavers]
        return observations, rewards, ended, cut, {name: {} for name in observations}


class Masked(ParallelEnv):
    """Two agents that may not repeat their last action; it says so in its observations, or in its infos."""

    metadata: ClassVar = {"name": "masked"}
    possible_agents: ClassVar = ["left", "right"]

    def __init__(self, where="observation"):
        self.where = where

    def observation_space(self, _agent):
        plain = spaces.Discrete(3)
        return spaces.Dict({"observation": plain, "action_mask": spaces.MultiBinary(3)}) if self.where == "observation" else plain

    def action_space(self, _agent):
        return spaces.Discrete(3)

    def reset(self, seed=None, options=None):  # noqa: ARG002 - theirs
        self.agents = list(self.possible_agents)
        self.last = dict.fromkeys(self.agents, (seed or 0) % 3)
        return self._views()

    def _views(self):
        masks = {name: (np.arange(3) != last).astype(np.int8) for name, last in self.last.items()}
        if self.where == "observation":
            return {name: {"observation": self.last[name], "action_mask": mask} for name, mask in masks.items()}, {
                name: {} for name in masks
            }
        return dict(self.last), {name: {"action_mask": mask} for name, mask in masks.items()}

    def step(self, actions):
        for name, action in actions.items():
            assert action != self.last[name], "an illegal action"
        self.last = {name: int(action) for name, action in actions.items()}
        observations, infos = self._views()
        never = dict.fromkeys(self.agents, False)
        return observations, dict.fromkeys(self.agents, 1.0), never, dict(never), infos


class Steered(ParallelEnv):
    """One agent per bound: it stands where its action puts it, and observes place and action; ``broken`` says what goes wrong."""

    metadata: ClassVar = {"name": "steered"}

    def __init__(self, n=2, broken=""):
        self.possible_agents = [f"robot_{i}" for i in range(n)]
        self.broken = broken

    def observation_space(self, agent):
        if self.broken == "space" and agent == "robot_1":
            return spaces.Text(4)
        return spaces.Box(-np.inf, np.inf, (4,), np.float64)

    def action_space(self, agent):
        if self.broken == "unbounded" and agent == "robot_1":
            return spaces.Box(-np.inf, np.inf, (2,), np.float32)
        return spaces.Box(np.array([0.0, -10.0]), np.array([1.0, 30.0]), dtype=np.float64)

    def reset(self, seed=None, options=None):  # noqa: ARG002 - theirs
        if self.broken == "reset":
            raise gym.error.Error("no such level")
        self.agents, self.time = list(self.possible_agents), 0
        there = self.agents[1:] if self.broken == "absent" else self.agents
        return {name: np.zeros(4) for name in there}, {}

    def step(self, actions):
        self.time += 1
        observations = {name: np.array([*action, float(i), 0.0]) for i, (name, action) in enumerate(actions.items())}
        rewards = dict.fromkeys(actions, 0.0)
        if self.time == 2:
            if self.broken == "observation":
                observations["robot_1"][2] = np.nan
            if self.broken == "reward":
                rewards["robot_1"] = np.nan
            if self.broken == "size":
                observations["robot_1"] = np.zeros(5)
            if self.broken == "crash":
                raise ZeroDivisionError("float division by zero")
        never = dict.fromkeys(self.agents, False)
        return observations, rewards, never, dict(never), {name: {} for name in self.agents}


def not_one():
    """Gives something else."""
    return {}

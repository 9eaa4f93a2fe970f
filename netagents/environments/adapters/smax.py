"""SMAX, JaxMARL's battles after StarCraft (arXiv 2311.10090): pure and vectorized, so B copies advance in one call and can be branched.

jax is imported when copies are first made, and so by the environment server alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import joint_actions
from netagents.environments.networked_mdp import BoolArray, Capabilities, EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.picture import Marker, Picture, Tile, agent_colour
from netagents.environments.spaces import Box, Discrete
from netagents.errors import EnvironmentMismatchError, MissingPackageError
from netagents.experiment.battle_settings import SmaxSettings
from netagents.topology import Topology

ARMIES: dict[str, tuple[int, int]] = {
    "3m": (3, 3),
    "4m_vs_3m": (4, 3),
    "8m": (8, 8),
    "25m": (25, 25),
    "5m_vs_6m": (5, 6),
    "10m_vs_11m": (10, 11),
    "27m_vs_30m": (27, 30),
}
"""Marines of one's own and of the enemy on each map.  4m_vs_3m is ours; JaxMARL has the others."""

UNIT, OWN = 13, 10
"""Numbers that a unit observes of each other unit, and of itself."""

STOP = 4
"""The action that is always legal; 0 to 3 move, those above it shoot at an enemy."""

FIELD, HEALTH = 32.0, 45.0
"""Side of the battlefield, and a marine's health."""

FOREVER = 1_000_000
"""Steps after which JaxMARL would end a battle: the horizon is the learner's."""

CHUNK = 64
"""Copies that are computed at once."""

ENDED = 0
"""Column of the joint state that says whether the battle is over."""


class Smax(NetworkedMDP):
    """n marines, agents, against a scripted enemy that shoots at whoever is closest.

    The joint state is ``(B, 1 + S)`` float64: whether the battle is over, then all numbers of JaxMARL's state, which float64 holds exactly.
    Rewards, observations and legal actions are JaxMARL's: the whole team earns the share of the enemies' health that a step took, and 1 for
    a victory.  An agent observes, of each other unit within sight, health, relative place, last action, weapon and type, and the
    same of itself.  Dead agents see zeros, can only stop, and go on earning what their team earns; a battle ends, for all, when a side is
    dead.  Living agents within ``radius`` of each other are neighbours: the graph moves.

    Args:
        topology: who may ever talk; as many nodes as the map has marines of one's own.
        settings: map and radius.

    Raises:
        EnvironmentMismatchError: the topology has another number of agents.
        MissingPackageError: jaxmarl is not installed.
    """

    def __init__(self, topology: Topology, settings: SmaxSettings | None = None) -> None:
        settings = settings or SmaxSettings()
        self.topology, self.settings = topology, settings
        self.where = f"environment 'smax', map {settings.map}"
        if importlib.util.find_spec("jaxmarl") is None:
            raise MissingPackageError("the package jaxmarl is not installed", where=self.where, fix="pip install 'netagents[jax]'")
        n, enemies = ARMIES[settings.map]
        if topology.n != n:
            raise EnvironmentMismatchError(f"{topology.n} agents for {n} marines", where=self.where, fix=f"use a topology of {n} agents")
        self.enemies = enemies
        self._engine: _Engine | None = None
        all_agents = (tuple(range(n)),) * n
        self.spec = EnvironmentSpec(
            name="smax",
            state_spaces=(Box((UNIT * (n - 1 + enemies) + OWN,), -1.0, 1.0),) * n,
            action_spaces=(Discrete(STOP + 1 + enemies),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(2,),
            step_noise=(2,),
            reach_offset=0,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(moving=True, masked=True),
        )

    def open(self, copies: int, report: Callable[[int, int], None] | None = None) -> None:
        """Compile reset, step and sight, which takes some ten seconds of processor time, before anybody waits for a step."""
        state = self.reset(np.zeros((1, 2)))
        self.step(state, [np.full(1, STOP, dtype=np.int64)] * self.spec.n, np.zeros((1, 2)))
        self._jax.facts(state)
        if report is not None:
            report(copies, copies)

    def reset(self, noise: FloatArray) -> JointState:
        """Armies on either side of the field, each copy from a key of its own."""
        return self._jax.reset(_keys(noise))

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One step of JaxMARL's, eight of its world."""
        after, rewards = self._jax.step(state, joint_actions(actions).astype(np.int32), _keys(noise))
        ended = after[:, ENDED] > 0.0
        return Transition(after, np.repeat(rewards[:, None], self.spec.n, axis=1), ended, np.zeros_like(ended))

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """``(B, 13 (n - 1 + enemies) + 10)`` of each agent."""
        observations = self._jax.facts(state).observations
        return [observations[:, i].copy() for i in range(self.spec.n)]

    def action_masks(self, state: JointState) -> list[BoolArray]:
        """``(B, 5 + enemies)`` of each agent: the dead can only stop, and only enemies in range can be shot at."""
        legal = self._jax.facts(state).legal
        return [legal[:, i].copy() for i in range(self.spec.n)]

    def graph(self, state: JointState) -> BoolArray:
        """Living agents within ``radius`` of each other: ``(B, n, n)``."""
        n = self.spec.n
        facts = self._jax.facts(state)
        places, alive = facts.places[:, :n], facts.alive[:, :n]
        near = ((places[:, :, None] - places[:, None]) ** 2).sum(axis=-1) <= self.settings.radius**2
        close: BoolArray = np.asarray(near & alive[:, :, None] & alive[:, None])
        close[:, np.arange(n), np.arange(n)] = False
        return close

    def victories(self, state: JointState) -> BoolArray:
        """In which copies all enemies are dead and somebody of one's own lives: ``(B,)``."""
        alive = self._jax.facts(state).alive
        victory: BoolArray = np.asarray(alive[:, : self.spec.n].any(axis=1) & ~alive[:, self.spec.n :].any(axis=1))
        return victory

    def picture(self, state: JointState) -> Picture:
        """The battlefield of the first copy: agents with their number, enemies in red, smaller with less health."""
        facts = self._jax.facts(state[:1])
        places, alive, health = facts.places[0], facts.alive[0], facts.health[0]
        scale = 0.4
        markers = []
        for unit, ((x, y), lives, remaining) in enumerate(zip(places.tolist(), alive.tolist(), health.tolist(), strict=True)):
            own, radius = unit < self.spec.n, 0.12 + 0.12 * remaining / HEALTH
            place = (x * scale, (FIELD - y) * scale)
            if lives and own:
                markers.append(Marker(*place, agent_colour(unit), agent=unit, radius=radius))
            elif lives:
                markers.append(Marker(*place, "#a33b2a", text="x", radius=radius))
        left_over = f"{int(alive[: self.spec.n].sum())} of {self.spec.n} against {int(alive[self.spec.n :].sum())} of {self.enemies}"
        ground = [Tile(0.0, 0.0, "#d9d2c0", width=FIELD * scale, height=FIELD * scale)]
        return Picture(FIELD * scale, FIELD * scale, ground, markers, caption=left_over)

    @property
    def _jax(self) -> _Engine:
        if self._engine is None:
            self._engine = _engine(self.settings.map)
            if self._engine.spaces != (self.spec.state_spaces[0], self.spec.action_spaces[0]):
                raise EnvironmentMismatchError("this version of jaxmarl has other spaces", where=self.where, fix="use jaxmarl 0.2")
        return self._engine


def _keys(noise: FloatArray) -> NDArray[np.uint32]:
    """JAX's keys, two words of 32 bits per copy, from two uniform numbers."""
    return np.floor(noise * 2.0**32).astype(np.uint32)


class Facts(NamedTuple):
    """What follows from a state, for B copies, one's own side first: what agents see ``(B, n, width)`` and may do ``(B, n, actions)``, and
    of each unit its place ``(B, units, 2)``, whether it lives, and its health ``(B, units)``.
    """

    observations: FloatArray
    legal: BoolArray
    places: FloatArray
    alive: BoolArray
    health: FloatArray


@cache
def _engine(name: str) -> _Engine:
    """The compiled environment of a map, one per process."""
    return _Engine(name)


class _Engine:
    """JaxMARL's environment as functions of arrays.

    All functions are compiled once, for :data:`CHUNK` copies: compiled for other numbers, they would round differently, and a copy would
    depend on how many others there are.

    Args:
        name: of the map.
    """

    def __init__(self, name: str) -> None:
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")  # one order of sums
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax
        import jax.numpy as jnp

        smax: Any = importlib.import_module("jaxmarl.environments.smax")
        scenario: Any = importlib.import_module("jaxmarl.environments.smax.smax_env").Scenario
        n, enemies = ARMIES[name]
        marines = jnp.zeros((n + enemies,), dtype=jnp.uint8)
        battle: Any = smax.HeuristicEnemySMAX(scenario=scenario(marines, n, enemies, False, False), max_steps=FOREVER)
        agents = list(battle.agents)
        self.spaces = (
            Box(tuple(battle.observation_spaces[agents[0]].shape), -1.0, 1.0),
            Discrete(int(battle.action_spaces[agents[0]].n)),
        )
        parts, tree = jax.tree.flatten(battle.reset(jax.random.PRNGKey(0))[1])
        self._shapes, self._kinds = [part.shape for part in parts], [part.dtype for part in parts]
        self._bounds: list[int] = np.cumsum([1, *(int(np.prod(shape)) for shape in self._shapes)]).tolist()

        def reset(key: Any) -> Any:
            state = battle.reset(key)[1]
            return jax.tree.leaves(state), state.state.done

        def step(rows: Any, actions: Any, key: Any) -> Any:
            choices = {agent: actions[i] for i, agent in enumerate(agents)}
            _, after, rewards, _, _ = battle.step_env(key, jax.tree.unflatten(tree, rows), choices)
            return jax.tree.leaves(after), after.state.done, rewards[agents[0]]

        def facts(rows: Any) -> Any:
            state = jax.tree.unflatten(tree, rows)
            observations, legal = battle.get_obs(state), battle.get_avail_actions(state)
            units = state.state.unit_positions, state.state.unit_alive, state.state.unit_health
            return jnp.stack([observations[agent] for agent in agents]), jnp.stack([legal[agent] for agent in agents]), *units

        self._newest: tuple[JointState, Facts] | None = None
        self._reset, self._step, self._facts = (jax.jit(jax.vmap(each)) for each in (reset, step, facts))

    def reset(self, keys: NDArray[np.uint32]) -> JointState:
        """Start states."""
        return self._state(*_in_chunks(self._reset, [keys]))

    def step(self, state: JointState, actions: NDArray[np.int32], keys: NDArray[np.uint32]) -> tuple[JointState, FloatArray]:
        """The states after a step, and the team's rewards ``(B,)``."""
        parts, ended, rewards = _in_chunks(self._step, [self._rows(state), actions, keys])
        return self._state(parts, ended), rewards.astype(np.float64)

    def facts(self, state: JointState) -> Facts:
        """What follows from a state.

        Those of the newest state are kept: observations, legal actions and the graph are asked for one after the other.
        """
        if self._newest is None or not np.array_equal(self._newest[0], state):
            observations, legal, places, alive, health = _in_chunks(self._facts, [self._rows(state)])
            facts = Facts(
                observations.astype(np.float64), legal.astype(np.bool_), places.astype(np.float64), alive, health.astype(np.float64)
            )
            self._newest = state.copy(), facts
        return self._newest[1]

    def _rows(self, state: JointState) -> list[NDArray[Any]]:
        """JaxMARL's arrays of a joint state, of all copies."""
        return [
            state[:, low:high].astype(kind).reshape(len(state), *shape)
            for (low, high), shape, kind in zip(pairwise(self._bounds), self._shapes, self._kinds, strict=True)
        ]

    def _state(self, parts: Sequence[NDArray[Any]], ended: NDArray[Any]) -> JointState:
        return np.concatenate([ended[:, None], *(part.reshape(len(ended), -1) for part in parts)], axis=1, dtype=np.float64)


def _in_chunks(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """A compiled function of :data:`CHUNK` copies, for any number of them; arguments and results are arrays or lists of arrays."""

    def cut(value: Any, low: int) -> Any:
        if isinstance(value, list):
            return [cut(each, low) for each in value]
        piece = value[low : low + CHUNK]
        return piece if len(piece) == CHUNK else np.concatenate([piece, np.repeat(piece[:1], CHUNK - len(piece), axis=0)])

    def joined(pieces: Sequence[Any]) -> Any:
        if isinstance(pieces[0], list | tuple):
            return [joined(each) for each in zip(*pieces, strict=True)]
        return np.concatenate([np.asarray(piece) for piece in pieces])[:copies]

    copies = len(arguments[-1] if not isinstance(arguments[-1], list) else arguments[-1][0])
    return joined([function(*(cut(each, low) for each in arguments)) for low in range(0, copies, CHUNK)])

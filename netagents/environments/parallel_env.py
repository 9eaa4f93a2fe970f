"""Other people's environments: PettingZoo's ``ParallelEnv``, B copies of it stepped in the environment server.

Such an environment is neither pure nor vectorized: it keeps its state to itself.  What stands here for the joint state is what can
be seen of it, and a ticket: only the newest state can be stepped.  Each copy is reset, with a seed of its own drawn from the run's
counter-based randomness, at every iteration, and so iterations repeat bit for bit as far as the environment keeps to its seed.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.contract import BoolArray, Capabilities, EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.foreign_spaces import gate_of
from netagents.environments.spaces import Discrete, space_shape
from netagents.errors import EnvironmentMismatchError, MissingPackageError, NetagentsError
from netagents.experiment.environment import ParallelEnvSettings
from netagents.topology import Topology

_log = logging.getLogger(__name__)

EXTRA = frozenset({"pettingzoo", "mpe2", "gymnasium", "gymnasium_robotics", "mujoco"})
"""Top-level modules that the extra ``environments`` brings."""


class _Place(NamedTuple):
    """Where an agent stands in the joint state: its observation, whether it is there, its mask."""

    begin: int
    there: int
    end: int


class ParallelEnvironment(NetworkedMDP):
    """B copies of a ``ParallelEnv``.

    The joint state is ``(B, 1 + W)`` float64: the ticket, then for each agent its observation, flat, whether it is still there, and
    its mask where there are masks.  An agent that has ended keeps its last observation.

    Args:
        topology: node i is the environment's i-th possible agent, unless names say otherwise.
        settings: which environment, and how its agents stand on the graph.

    Raises:
        EnvironmentMismatchError: agents and nodes do not match, a space is not supported, or it cannot be made.
        MissingPackageError: its package is not installed.
    """

    def __init__(self, topology: Topology, settings: ParallelEnvSettings) -> None:
        self.topology, self.settings = topology, settings
        self.where = f"environment '{settings.make}'"
        self._function = _find(settings.make, self.where)
        first = self._made()
        self._copies = [first]
        self.names = _matched(tuple(first.possible_agents), settings.agents, topology, self.where)
        self._observed = tuple(gate_of(first.observation_space(name), "observation", self._of(name)) for name in self.names)
        self._acting = tuple(gate_of(first.action_space(name), "action", self._of(name)) for name in self.names)
        masked = any(gate.masked for gate in self._observed) or self._told_masks()
        self._mask_sizes = [gate.space.size if masked and isinstance(gate.space, Discrete) else 0 for gate in self._acting]
        if masked and not all(self._mask_sizes):
            boxed = self.names[self._mask_sizes.index(0)]
            raise EnvironmentMismatchError(
                "it has action masks beside a box of actions", where=self._of(boxed), fix="mask Discrete actions"
            )
        self._places = _places([gate.width for gate in self._observed], self._mask_sizes)
        self._ticket = 0
        n = topology.n
        everybody = (tuple(range(n)),) * n
        if settings.positions is not None:
            self._check_positions(settings.positions)
        self.spec = EnvironmentSpec(
            name="pettingzoo",
            state_spaces=tuple(gate.space for gate in self._observed),
            action_spaces=tuple(gate.space for gate in self._acting),
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(1,),
            step_noise=(0,),
            reach_offset=settings.reach_offset,
            state_scopes=everybody,
            action_scopes=everybody,
            capabilities=Capabilities(branchable=False, vectorized=False, moving=settings.positions is not None, masked=masked),
        )

    # -- the contract ----------------------------------------------------------------------------------------------------

    def reset(self, noise: FloatArray) -> JointState:
        """Every copy from a seed of its own: 31 bits of its uniform number, ``(B, 1)``."""
        while len(self._copies) < len(noise):
            self._copies.append(self._made())
        state = np.zeros((len(noise), 1 + self._places[-1].end))
        for copy, seed in enumerate((noise[:, 0] * (1 << 31)).astype(np.int64).tolist()):
            told, infos = self._called("reset", copy, seed=seed)
            missing = [name for name in self.names if name not in told]
            if missing:
                fix = "every possible agent must be there at the start"
                raise EnvironmentMismatchError(f"{missing[0]} is not there after reset", where=f"{self.where}, copy {copy}", fix=fix)
            self._write(state[copy], range(self.spec.n), told, infos)
        self._ticket += 1
        state[:, 0] = self._ticket
        return state

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:  # noqa: ARG002 - it has its own luck
        """One step of every copy that still has agents.

        Raises:
            EnvironmentMismatchError: ``state`` is not the newest one, or the environment failed.
        """
        if not (state[:, 0] == self._ticket).all():
            raise EnvironmentMismatchError(
                "it can only go on from its newest state", where=self.where, fix="it is not branchable: reset it and play again"
            )
        copies, n = len(state), self.spec.n
        after, rewards = state.copy(), np.zeros((copies, n))
        terminated, truncated = np.zeros((copies, n), dtype=np.bool_), np.zeros((copies, n), dtype=np.bool_)
        for copy in range(copies):
            there = [i for i in range(n) if state[copy, self._places[i].there]]
            if not there:
                continue
            chosen = {self.names[i]: self._acting[i].outward(actions[i][copy]) for i in there}
            told, paid, ended, cut, infos = self._called("step", copy, chosen)
            self._write(after[copy], there, told, infos)
            for i in there:
                name = self.names[i]
                rewards[copy, i] = paid.get(name, 0.0)
                terminated[copy, i], truncated[copy, i] = bool(ended.get(name, False)), bool(cut.get(name, False))
                # An agent may also leave without a flag; nothing follows for it then.
                if terminated[copy, i] or truncated[copy, i] or name not in self._copies[copy].agents:
                    after[copy, self._places[i].there] = 0.0
                    terminated[copy, i] |= not truncated[copy, i]
        self._ticket += 1
        after[:, 0] = self._ticket
        return Transition(after, rewards, terminated, truncated)

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """``(B,)`` int64 or ``(B, *shape)`` float64 of each agent."""
        seen: list[NDArray[Any]] = []
        for place, gate in zip(self._places, self._observed, strict=True):
            flat = state[:, place.begin : place.there]
            whole = flat[:, 0].astype(np.int64) if isinstance(gate.space, Discrete) else flat.reshape(len(state), *space_shape(gate.space))
            seen.append(np.ascontiguousarray(whole))
        return seen

    def action_masks(self, state: JointState) -> list[BoolArray] | None:
        """``(B, |A_i|)`` of each agent; everything is legal for one that has ended."""
        if not self.spec.capabilities.masked:
            return None
        return [np.ascontiguousarray(state[:, place.there + 1 : place.end]) != 0.0 for place in self._places]

    def graph(self, state: JointState) -> BoolArray | None:
        """Who stands within ``radius`` of whom, by the numbers of the observation that ``positions`` names."""
        columns = self.settings.positions
        if columns is None:
            return None
        points = np.stack([state[:, [place.begin + column for column in columns]] for place in self._places], axis=1)
        gaps = np.sqrt(((points[:, :, None] - points[:, None]) ** 2).sum(axis=-1))
        near: BoolArray = (gaps <= self.settings.radius) & ~np.eye(self.spec.n, dtype=np.bool_)
        return near

    # -- their side ------------------------------------------------------------------------------------------------------

    def _of(self, name: str) -> str:
        return f"{self.where}, agent '{name}'"

    def _made(self) -> Any:
        _hush_mujoco()
        try:
            made = self._function(**self.settings.arguments)
        except NetagentsError:
            raise
        except ModuleNotFoundError as error:
            raise _missing(error, self.where) from error
        except Exception as error:
            raise EnvironmentMismatchError(
                f"making it failed: {type(error).__name__}: {error}", where=self.where, fix="mend environment.arguments"
            ) from error
        lacking = [part for part in ("possible_agents", "reset", "step", "observation_space", "action_space") if not hasattr(made, part)]
        if lacking:
            raise EnvironmentMismatchError(
                f"it made a {type(made).__name__} without {lacking[0]}", where=self.where, fix="name a function that gives a ParallelEnv"
            )
        return made

    def _called(self, name: str, copy: int, *given: Any, **named: Any) -> Any:
        try:
            return getattr(self._copies[copy], name)(*given, **named)
        except NetagentsError:
            raise
        except Exception as error:
            raise EnvironmentMismatchError(
                f"its {name} failed: {type(error).__name__}: {error}", where=f"{self.where}, copy {copy}", fix="mend the environment"
            ) from error

    def _told_masks(self) -> bool:
        """Whether its infos carry action masks."""
        _, infos = self._called("reset", 0, seed=0)
        return any("action_mask" in info for info in infos.values())

    def _write(self, row: FloatArray, agents: Iterable[int], told: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
        """What some agents of one copy see now; one that is told nothing keeps what it saw."""
        for i in agents:
            name, place, gate = self.names[i], self._places[i], self._observed[i]
            seen = told.get(name)
            row[place.there + 1 : place.end] = 1.0
            if seen is None:
                continue
            if self._mask_sizes[i]:
                mask = seen.get("action_mask") if gate.masked else infos.get(name, {}).get("action_mask")
                if mask is not None:
                    row[place.there + 1 : place.end] = np.asarray(mask, dtype=np.float64)
            flat = gate.inward(seen["observation"] if gate.masked else seen)
            if len(flat) != gate.width:
                fix = f"its observation space has {gate.width}"
                raise EnvironmentMismatchError(f"an observation of {len(flat)} numbers", where=self._of(name), fix=fix)
            row[place.begin : place.there] = flat
            row[place.there] = 1.0

    def _check_positions(self, columns: tuple[int, ...]) -> None:
        for name, gate in zip(self.names, self._observed, strict=True):
            if isinstance(gate.space, Discrete) or max(columns) >= gate.width:
                raise EnvironmentMismatchError(
                    f"its observation has no number {max(columns)}", where=self._of(name), fix="mend environment.positions"
                )


def _places(widths: Sequence[int], masks: Sequence[int]) -> list[_Place]:
    places, begin = [], 1  # behind the ticket
    for width, mask in zip(widths, masks, strict=True):
        places.append(_Place(begin, begin + width, begin + width + 1 + mask))
        begin = places[-1].end
    return places


def _hush_mujoco() -> None:
    """MuJoCo's warnings go to the log, each once; by itself it writes a file into the working directory."""
    mujoco = sys.modules.get("mujoco")
    if mujoco is None or mujoco.get_mju_user_warning() is not None:
        return
    said: set[str] = set()

    def warn(text: str) -> None:
        if text not in said:
            said.add(text)
            _log.warning("MuJoCo: %s", text)

    mujoco.set_mju_user_warning(warn)


def _find(path: str, where: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module_name, _, names = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for name in names.split("."):
            found = getattr(found, name, None)
    except ModuleNotFoundError as error:
        raise _missing(error, where) from error
    except Exception as error:
        raise EnvironmentMismatchError(
            f"importing {module_name} failed: {type(error).__name__}: {error}", where=where, fix="mend or reinstall the package"
        ) from error
    if not callable(found):
        fix = "write module:function, such as mpe2.simple_spread_v3:parallel_env"
        raise EnvironmentMismatchError(f"module {module_name} has no function '{names}'", where=where, fix=fix)
    function: Callable[..., Any] = found
    return function


def _missing(error: ModuleNotFoundError, where: str) -> NetagentsError:
    if error.name in EXTRA:
        return MissingPackageError(f"the package {error.name} is not installed", where=where, fix="pip install 'netagents[environments]'")
    fix = "install the package that has it, or mend environment.make"
    return MissingPackageError(f"there is no module {error.name}", where=where, fix=fix)


def _matched(possible: tuple[str, ...], chosen: Sequence[str], topology: Topology, where: str) -> tuple[str, ...]:
    """The environment's agents in the order of the graph's nodes.

    By the names in ``chosen``, else by the graph's own labels where it has some, else in the environment's order.
    """
    n, labels = topology.n, topology.labels
    listed = ", ".join(possible[:6]) + (", ..." if len(possible) > 6 else "")
    if len(possible) != n:
        found = f"it has {len(possible)} agents ({listed}), the topology {n}"
        raise EnvironmentMismatchError(found, where=where, fix=f"use a topology of {len(possible)} agents")
    numbered = labels == tuple(str(i) for i in range(n))
    wanted = tuple(chosen) or (possible if numbered else labels)
    strangers = [name for name in wanted if name not in possible]
    if strangers or len(set(wanted)) != n:
        found = f"it has no agent '{strangers[0]}'" if strangers else "environment.agents does not name every agent once"
        raise EnvironmentMismatchError(found, where=where, fix=f"its agents are {listed}; list them in environment.agents, one per node")
    return wanted

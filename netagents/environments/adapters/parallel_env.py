"""Other people's environments: PettingZoo's ``ParallelEnv``, B copies of it stepped in the environment server.

Such an environment is neither pure nor vectorized: it keeps its state to itself.  What stands here for the joint state is what can
be seen of it, and its version: only the newest state can be stepped.  Each copy is reset, with a seed of its own drawn from the run's
counter-based randomness, at every iteration, and so iterations repeat bit for bit as far as the environment keeps to its seed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.adapters.agent_names import matched_agents
from netagents.environments.adapters.environment_copies import EnvironmentCopies, Report
from netagents.environments.adapters.foreign_values import flag_of, mask_in, mask_of, reset_result, reward_of, step_result
from netagents.environments.adapters.gymnasium_spaces import ActionAdapter, MisfitError, ObservationAdapter, adapt_action, adapt_observation
from netagents.environments.adapters.mujoco_picture import moves_bodies, mujoco_picture
from netagents.environments.networked_mdp import BoolArray, Capabilities, EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.picture import Picture
from netagents.environments.spaces import Discrete, space_shape
from netagents.errors import EnvironmentMismatchError, ForeignCodeError
from netagents.experiment.environment_settings import ParallelEnvSettings
from netagents.foreign.part_faults import foreign_fault
from netagents.topology import Topology

_log = logging.getLogger(__name__)


class _Columns(NamedTuple):
    """Where an agent stands in the joint state: its observation, whether it is there, its mask."""

    begin: int
    there: int
    end: int


class ParallelEnvironment(NetworkedMDP):
    """B copies of a ``ParallelEnv``.

    The joint state is ``(B, 1 + W)`` float64: its version, then for each agent its observation, flat, whether it is still there, and
    its mask where there are masks.  An agent that has ended keeps its last observation.

    One copy is made to learn the spaces; who owns the environment calls :meth:`close`, after which copies are made anew when needed.

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
        self.copies = EnvironmentCopies(settings.make, settings.arguments, self.where)
        try:
            self._learn_spaces()
        except BaseException:
            self.copies.close()
            raise

    def _learn_spaces(self) -> None:
        topology, settings = self.topology, self.settings
        self.copies.open(1)
        first = self.copies[0]
        keys = tuple(first.possible_agents)
        self.names = names = matched_agents(tuple(map(str, keys)), settings.agents, topology, self.where)
        self._keys: tuple[Hashable, ...] = tuple(keys[list(map(str, keys)).index(name)] for name in names)
        self._observed = tuple(self._adapted(adapt_observation, "observation_space", i) for i in range(topology.n))
        self._acting = tuple(self._adapted(adapt_action, "action_space", i) for i in range(topology.n))
        masked = settings.masked if settings.masked is not None else any(each.masked for each in self._observed) or self._masks_at_reset()
        self._mask_sizes = [each.space.size if masked and isinstance(each.space, Discrete) else 0 for each in self._acting]
        if masked and not all(self._mask_sizes):
            boxed = self._mask_sizes.index(0)
            raise EnvironmentMismatchError(
                "it has action masks beside a box of actions", where=self._of(boxed), fix="mask Discrete actions"
            )
        self._columns = _columns([each.width for each in self._observed], self._mask_sizes)
        self._version, self._step = 0, 0
        self._reported: set[str] = set()
        n = topology.n
        all_agents = (tuple(range(n)),) * n
        if settings.positions is not None:
            self._check_positions(settings.positions)
        self.notes = tuple(
            dict.fromkeys(
                f"agent '{name}': {note}"
                for name, *both in zip(self.names, self._observed, self._acting, strict=True)
                for each in both
                for note in each.notes
            )
        )
        self.spec = EnvironmentSpec(
            name="pettingzoo",
            state_spaces=tuple(each.space for each in self._observed),
            action_spaces=tuple(each.space for each in self._acting),
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(1,),
            step_noise=(0,),
            reach_offset=settings.reach_offset,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(branchable=False, vectorized=False, moving=settings.positions is not None, masked=masked),
        )

    # -- the contract ----------------------------------------------------------------------------------------------------

    def open(self, copies: int, report: Report | None = None) -> None:
        """Make so many copies now, before anybody waits for a step."""
        self.copies.open(copies, report)

    def close(self) -> None:
        """Close all copies."""
        self.copies.close()

    def reset(self, noise: FloatArray) -> JointState:
        """Every copy from a seed of its own: 31 bits of its uniform number, ``(B, 1)``."""
        self.copies.open(len(noise))
        self._step = 0
        state = np.zeros((len(noise), 1 + self._columns[-1].end))
        for copy, seed in enumerate((noise[:, 0] * (1 << 31)).astype(np.int64).tolist()):
            result = self._judged(copy, "reset", None, "its reset", reset_result, self.copies.call("reset", copy, seed=seed))
            missing = [i for i, key in enumerate(self._keys) if key not in result.observations]
            if missing:
                fix = "every possible agent must be there at the start"
                raise EnvironmentMismatchError(
                    f"{self.names[missing[0]]} is not there after reset", where=f"{self.where}, copy {copy}", fix=fix
                )
            self._write(state[copy], copy, "reset", range(self.spec.n), result.observations, result.infos)
        self._version += 1
        state[:, 0] = self._version
        return state

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:  # noqa: ARG002 - it draws its own
        """One step of every copy that still has agents.

        Raises:
            EnvironmentMismatchError: ``state`` is not the newest one, or the environment failed or gave what does not fit.
        """
        if not (state[:, 0] == self._version).all() or len(self.copies) < len(state):
            raise EnvironmentMismatchError(
                "it can only go on from its newest state", where=self.where, fix="it is not branchable: reset it and play again"
            )
        copies, n = len(state), self.spec.n
        after, rewards = state.copy(), np.zeros((copies, n))
        terminated, truncated = np.zeros((copies, n), dtype=np.bool_), np.zeros((copies, n), dtype=np.bool_)
        self._step += 1
        for copy in range(copies):
            there = [i for i in range(n) if state[copy, self._columns[i].there]]
            if there:
                self._step_one(copy, there, actions, after[copy], rewards[copy], terminated[copy], truncated[copy])
        self._version += 1
        after[:, 0] = self._version
        return Transition(after, rewards, terminated, truncated)

    def _step_one(
        self,
        copy: int,
        there: Sequence[int],
        actions: Sequence[NDArray[Any]],
        row: FloatArray,
        rewards: FloatArray,
        terminated: BoolArray,
        truncated: BoolArray,
    ) -> None:
        choices = {self._keys[i]: self._acting[i].write(actions[i][copy]) for i in there}
        result = self._judged(copy, "step", None, "its step", step_result, self.copies.call("step", copy, choices))
        listed = getattr(self.copies[copy], "agents", None)
        for i in there:
            key, absent = self._keys[i], listed is not None and self._keys[i] not in listed
            for flags, flagged, what in ((terminated, result.terminated, "termination"), (truncated, result.truncated, "truncation")):
                if key in flagged:
                    flags[i] = self._judged(copy, "step", i, f"its {what}", flag_of, flagged[key])
            # An agent may also leave without a flag; nothing follows for it then.
            ended = bool(terminated[i] or truncated[i] or absent)
            terminated[i] |= ended and not truncated[i]
            if key in result.rewards:
                rewards[i] = self._judged(copy, "step", i, "its reward", reward_of, result.rewards[key])
            elif not absent:
                raise self._misfit(copy, "step", i, "its step", MisfitError("gave it no reward"))
            if ended:
                row[self._columns[i].there] = 0.0
        still = [i for i in there if row[self._columns[i].there]]
        self._write(row, copy, "step", [i for i in there if i not in still], result.observations, {})
        self._write(row, copy, "step", still, result.observations, result.infos)
        if len(there) < self.spec.n:
            self._check_ended(copy, set(range(self.spec.n)) - set(there), listed, result)

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """``(B,)`` int64 or ``(B, *shape)`` float64 of each agent."""
        views: list[NDArray[Any]] = []
        for columns, adapter in zip(self._columns, self._observed, strict=True):
            flat, space = state[:, columns.begin : columns.there], adapter.space
            whole = flat[:, 0].astype(np.int64) if isinstance(space, Discrete) else flat.reshape(len(state), *space_shape(space))
            views.append(np.ascontiguousarray(whole))
        return views

    def action_masks(self, state: JointState) -> list[BoolArray] | None:
        """``(B, |A_i|)`` of each agent; everything is legal for one that has ended."""
        if not self.spec.capabilities.masked:
            return None
        return [np.ascontiguousarray(state[:, columns.there + 1 : columns.end]) != 0.0 for columns in self._columns]

    def graph(self, state: JointState) -> BoolArray | None:
        """Who stands within ``radius`` of whom, by the numbers of the observation that ``positions`` names."""
        numbers = self.settings.positions
        if numbers is None:
            return None
        points = np.stack([state[:, [columns.begin + number for number in numbers]] for columns in self._columns], axis=1)
        gaps = np.sqrt(((points[:, :, None] - points[:, None]) ** 2).sum(axis=-1))
        near: BoolArray = (gaps <= self.settings.radius) & ~np.eye(self.spec.n, dtype=np.bool_)
        return near

    @property
    def drawable(self) -> bool:
        """Whether they have a method ``picture()`` that gives a :class:`Picture`, or are bodies of MuJoCo."""
        self.copies.open(1)
        return callable(getattr(self.copies[0], "picture", None)) or moves_bodies(self.copies[0])

    def picture(self, state: JointState) -> Picture:  # noqa: ARG002 - it shows what is now
        """What the first copy's own method gives now, or its body."""
        if not callable(getattr(self.copies[0], "picture", None)):
            return mujoco_picture(self.copies[0])
        drawn: Picture = self.copies.call("picture", 0)
        return drawn

    # -- their side ------------------------------------------------------------------------------------------------------

    def _of(self, agent: int) -> str:
        return f"{self.where}, agent '{self.names[agent]}'"

    def _adapted(self, adapt: Callable[[Any, str], Any], method: str, agent: int) -> Any:
        space_of = getattr(self.copies[0], method)
        try:
            space = space_of(self._keys[agent])
        except (Exception, SystemExit) as error:
            raise foreign_fault(error, f"its {method}", self._of(agent), space_of) from error
        adapter: ObservationAdapter | ActionAdapter = adapt(space, self._of(agent))
        return adapter

    def _masks_at_reset(self) -> bool:
        """Whether its infos carry action masks after a reset."""
        if not any(isinstance(each.space, Discrete) for each in self._acting):
            return False
        result = self._judged(0, "reset", None, "its reset", reset_result, self.copies.call("reset", 0, seed=0))
        return any(mask_in(info) is not None for info in result.infos.values())

    def _judged(self, copy: int, method: str, agent: int | None, what: str, judge: Callable[..., Any], *values: Any) -> Any:
        """What a judgement of values of theirs gives.

        Raises:
            ForeignCodeError: it found them not to fit; names copy, step, agent and the method that gave them.
        """
        try:
            return judge(*values)
        except MisfitError as misfit:
            raise self._misfit(copy, method, agent, what, misfit) from misfit

    def _misfit(self, copy: int, method: str, agent: int | None, what: str, misfit: MisfitError) -> ForeignCodeError:
        where = f"{self.where}, copy {copy}" + (f", step {self._step}" if method == "step" else "")
        if agent is not None:
            where = f"{where}, agent '{self.names[agent]}'"
        place = self.copies.definition(method)
        return ForeignCodeError(f"{what} {misfit}", where=where, fix=None if place is None else f"see {place}")

    def _write(self, row: FloatArray, copy: int, method: str, agents: Iterable[int], observations: Any, infos: Any) -> None:
        """What some agents of one copy see now; one that is told nothing keeps what it saw, and everything is legal without a mask."""
        for i in agents:
            columns, adapter, key = self._columns[i], self._observed[i], self._keys[i]
            row[columns.there + 1 : columns.end] = 1.0
            observation = observations.get(key)
            if observation is not None:
                row[columns.begin : columns.there] = self._judged(copy, method, i, "its observation", adapter.read, observation)
                if method == "reset":
                    row[columns.there] = 1.0
            if not row[columns.there]:
                continue
            held = observation.get("action_mask") if adapter.masked and hasattr(observation, "get") else None
            mask = mask_in(infos.get(key)) if held is None else held
            if mask is None:
                continue
            if not self._mask_sizes[i]:
                self._refuse_mask(copy, method, i)
                continue
            size = self._mask_sizes[i]
            legal = self._judged(copy, method, i, "its action mask", mask_of, mask, size)
            if not legal.any():
                raise self._misfit(copy, method, i, "its action mask", MisfitError("allows no action; leave it one"))
            row[columns.there + 1 : columns.end] = legal

    def _refuse_mask(self, copy: int, method: str, agent: int) -> None:
        if self.settings.masked is False or not isinstance(self._acting[agent].space, Discrete):
            if "mask" not in self._reported:
                self._reported.add("mask")
                _log.warning("%s: its action masks are not heeded", self._of(agent))
            return
        where = f"{self.where}, copy {copy}, step {self._step}, agent '{self.names[agent]}'"
        raise ForeignCodeError(
            f"its info has an action mask after {method}, which no info had after the first reset",
            where=where,
            fix="set environment.masked: true to heed masks that come later (false to play without them)",
        )

    def _check_ended(self, copy: int, ended: set[int], listed: Any, result: Any) -> None:
        """An agent that has ended must not come back, and what it is paid is told once to be lost."""
        for i in sorted(ended):
            key = self._keys[i]
            back = listed is not None and key in listed and (key in result.observations or key in result.rewards)
            flags = [
                self._judged(copy, "step", i, "its flag", flag_of, each[key])
                for each in (result.terminated, result.truncated)
                if key in each
            ]
            if back and not any(flags):
                raise self._misfit(copy, "step", i, "it", MisfitError("is back after it had ended; start a new episode instead"))
            paid = self._judged(copy, "step", i, "its reward", reward_of, result.rewards[key]) if key in result.rewards else 0.0
            if paid and "reward" not in self._reported:
                self._reported.add("reward")
                _log.warning("%s: it is paid in step %d although it has ended before; that does not count", self._of(i), self._step)

    def _check_positions(self, numbers: tuple[int, ...]) -> None:
        for i, adapter in enumerate(self._observed):
            if isinstance(adapter.space, Discrete) or max(numbers) >= adapter.width:
                raise EnvironmentMismatchError(
                    f"its observation has no number {max(numbers)}", where=self._of(i), fix="correct environment.positions"
                )


def _columns(widths: Sequence[int], masks: Sequence[int]) -> list[_Columns]:
    columns, begin = [], 1  # behind the version
    for width, mask in zip(widths, masks, strict=True):
        columns.append(_Columns(begin, begin + width, begin + width + 1 + mask))
        begin = columns[-1].end
    return columns

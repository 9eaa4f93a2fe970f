"""An environment in use: B copies advanced through an iteration, with counter-based noise, one message per agent and step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import FiniteNetworkedMDP
from netagents.environments.joint_actions import JointActions
from netagents.environments.networked_mdp import BoolArray, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.proximity import Contacts, contacts_within, hop_distances, linked_pairs
from netagents.environments.session_steps import Visited, with_executed
from netagents.environments.spaces import Box, space_dtype
from netagents.environments.validation import (
    Breach,
    breach_of_graph,
    breach_of_masks,
    breach_of_observations,
    breach_of_reset,
    breach_of_shaping,
    breach_of_transition,
)
from netagents.errors import EnvironmentMismatchError, ForeignCodeError, NumericalError
from netagents.foreign.part_faults import definition
from netagents.messages import ENDED, TERMINATED, TRUNCATED, Step
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream


class Returns(NamedTuple):
    """Returns of one iteration over B copies.

    Attributes:
        team: (B,) mean over agents of the undiscounted sum of rewards.
        discounted: (B,) mean over agents of the discounted sum of rewards.
    """

    team: FloatArray
    discounted: FloatArray


class EnvironmentSession:
    """Steps B copies of an environment.

    Args:
        environment: the networked MDP.
        batch: B.
        discount: gamma, for the discounted returns.
        seed: the run's seed.
        counted: steps of an iteration that enter its returns (default: all).
        contacts: where the graph moves, of which other agents each agent is told how far away they are.
        drawn: random numbers are drawn for so many copies, of which the first B are played (default: B); where there are fewer than B,
            each further lot of copies gets the same ones again.
        shaped: agents are sent the environment's shaped rewards on top of its rewards; the returns count the latter alone.
    """

    def __init__(
        self,
        environment: NetworkedMDP,
        batch: int,
        discount: float,
        seed: int,
        counted: int | None = None,
        contacts: Sequence[Contacts] | None = None,
        drawn: int | None = None,
        shaped: bool = False,
    ) -> None:
        self.environment = environment
        self.batch = batch
        self.discount = discount
        self.seed = seed
        self._counted = counted
        self._drawn = batch if drawn is None else drawn
        spec = environment.spec
        self._dtypes = [space_dtype(space) for space in spec.observation_spaces]
        self._boxes = [agent for agent, space in enumerate(spec.observation_spaces) if isinstance(space, Box)]
        self._joint_actions = JointActions(environment, batch)
        # What netagents' own environments give is known; that of others is judged in every step.
        self._judged = not type(environment).__module__.startswith("netagents.")
        self._by_column = not self._judged and type(environment).observe is FiniteNetworkedMDP.observe
        self._index_dtype = self._dtypes[0] if not self._boxes and len(set(self._dtypes)) == 1 else None
        self._shaped = shaped and type(environment).shaping is not NetworkedMDP.shaping
        self._going_on: list[NDArray[np.uint8]] = [np.zeros(batch, dtype=np.uint8)] * spec.n
        self._masks: list[BoolArray] | None = None
        self.visited: list[Visited] | None = None
        """The steps of the iteration, since :meth:`remember` was called in it."""
        self._contacts = contacts if spec.capabilities.moving else None
        if self._contacts is not None:
            self._linked = linked_pairs(environment.topology)
            self._farthest = max((int(near.limits.max(initial=0)) for near in self._contacts), default=0)

    @property
    def state(self) -> JointState:
        """The joint state of all copies now."""
        return self._state

    def begin(self, iteration: int) -> list[Step]:
        """Reset all copies for an iteration; one message per agent, for step 0."""
        reset = self._draw(stream(self.seed, ENVIRONMENT_OWNER, Purpose.RESET, iteration), self.environment.spec.reset_noise)
        self.visited = None
        self._step = 0
        state = self.environment.reset(reset)
        if self._judged:
            self._refuse(breach_of_reset(state, self.batch), self.environment.reset)
        return self.branch(iteration, state)

    def remember(self) -> None:
        """Keep the steps of this iteration from here on in :attr:`visited`; for environments that leave earlier states as they are."""
        self.visited = []

    def branch(self, iteration: int, state: JointState) -> list[Step]:
        """Go on from another state, whose copies go on all of them, with the random numbers of an iteration; the messages of step 0.

        The environment must be pure (:attr:`netagents.environments.networked_mdp.Capabilities.branchable`).
        """
        spec, seed = self.environment.spec, self.seed
        self._noise = stream(seed, ENVIRONMENT_OWNER, Purpose.DYNAMICS, iteration)
        self._step, self._iteration, self._state = 0, iteration, state
        self._ended: BoolArray = np.zeros(self.batch, dtype=np.bool_)
        self._team = np.zeros(self.batch)
        self._discounted = np.zeros(self.batch)
        self._some_ended = False
        self._unsettled: FloatArray | None = None
        self._next_noise: FloatArray | None = None
        return self._messages(np.zeros((self.batch, spec.n)), self._going_on)

    def remove(self, agent: int) -> None:
        """Take the body of an agent out of all copies, for good; messages show it from the next step on.

        Raises:
            EnvironmentMismatchError: the environment cannot do so.
        """
        self._state = self.environment.without_body(self._state, agent)

    def advance(self, actions: Sequence[NDArray[Any]], replaced: Mapping[int, BoolArray] | None = None) -> list[Step]:
        """Apply one joint action, one array per agent; one message per agent, for the step it leads to.

        Args:
            actions: ``(B,)`` indices, or ``(B, *shape)`` float64, which is clipped to the bounds of its box.
            replaced: of agents whose action is not their own, ``(B,)`` in which copies; they are told what was executed.

        Raises:
            IllegalActionError: an action is out of range, not legal or of the wrong shape.
            NumericalError: an action, a reward or an observation is not finite.
        """
        self.settle()
        whole = self._joint_actions.checked(actions, self._masks, self._step)
        noise, self._next_noise = self._next_noise, None
        assert noise is not None
        if self.visited is not None:
            going = np.logical_not(self._ended if self._ended.ndim == 1 else np.logical_or.reduce(self._ended, axis=1))
            self.visited.append(Visited(self._state, list(whole), going))
        after = self.environment.step(self._state, whole, noise)
        if self._judged:
            self._refuse(breach_of_transition(self._state, after, self.environment.spec.n), self.environment.step)
        ended, rewards = self._ended, after.rewards
        if np.count_nonzero(np.isfinite(rewards)) < rewards.size:
            agent = int(np.flatnonzero(~np.isfinite(rewards).all(axis=0))[0])
            raise NumericalError(
                "the environment gave a reward that is not finite",
                where=f"agent {agent}, step {self._step}",
                fix="rewards must be finite numbers",
            )
        self._state = after.state
        if self._some_ended:
            rewards = np.where(ended[:, None] if ended.ndim == 1 else ended, 0.0, rewards)
        if self._counted is None or self._step < self._counted:
            self._unsettled = rewards
        if self._shaped:
            rewards = self._with_shaping(rewards, ended)
        self._step += 1
        messages = self._messages(rewards, self._flags(after))
        for agent, copies in (replaced or {}).items():
            messages[agent] = with_executed(messages[agent], actions[agent], copies)
        return messages

    def _with_shaping(self, rewards: FloatArray, ended: BoolArray) -> FloatArray:
        """Rewards with what the environment adds for learners; who has ended gets nothing more."""
        extra = self.environment.shaping(self._state, self._iteration)
        if extra is None:
            return rewards
        if self._judged:
            self._refuse(breach_of_shaping(extra, self.environment.spec.n, self.batch), self.environment.shaping)
        shaped: FloatArray = rewards + np.where(ended[:, None] if ended.ndim == 1 else ended, 0.0, extra)
        return shaped

    def settle(self) -> None:
        """Do what no message of the last step waits for: its part in the returns, and the random numbers of the next step.

        Whoever has others to answer calls this when they have been answered; :meth:`advance` and :meth:`returns` see to it else.
        """
        if self._unsettled is not None:
            mean = np.add.reduce(self._unsettled, axis=1) / self.environment.spec.n
            self._team += mean
            self._discounted += self.discount ** (self._step - 1) * mean
            self._unsettled = None
        if self._next_noise is None:
            self._next_noise = self._draw(self._noise, self.environment.spec.step_noise)

    def _draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        numbers = generator.random((self._drawn, *shape))
        return numbers[: self.batch] if self._drawn >= self.batch else np.tile(numbers, (self.batch // self._drawn, *(1,) * len(shape)))

    def _flags(self, after: Transition) -> list[NDArray[np.uint8]]:
        """Who ended at this step and who had before: one array per agent, the same one where whole copies end."""
        if not (self._some_ended or np.count_nonzero(after.terminated) or np.count_nonzero(after.truncated)):
            return self._going_on
        self._some_ended = True
        if after.terminated.ndim > self._ended.ndim:
            self._ended = np.repeat(self._ended[:, None], self.environment.spec.n, axis=1)
        marked = after.terminated * TERMINATED | after.truncated * TRUNCATED
        flags: NDArray[np.uint8] = np.where(self._ended, ENDED, marked).astype(np.uint8)
        self._ended = self._ended | after.terminated | after.truncated
        return [flags] * self.environment.spec.n if flags.ndim == 1 else list(np.ascontiguousarray(flags.T))

    def returns(self) -> Returns:
        """Returns of the iteration so far."""
        self.settle()
        return Returns(self._team.copy(), self._discounted.copy())

    def _messages(self, rewards: FloatArray, flags: Sequence[NDArray[np.uint8]]) -> list[Step]:
        # Messages own their arrays: who keeps one must not find it changed by the next step.
        columns = np.array(rewards.T, order="C")
        views = self._views()
        hops = None if self._contacts is None else self._hops(self._contacts)
        masked = self.environment.spec.capabilities.masked
        self._masks = self.environment.action_masks(self._state) if masked else None
        if self._judged and masked:
            spaces = self.environment.spec.action_spaces
            breach = breach_of_masks(self._masks, spaces, self.batch, masked=True, ended=self._ended, boxes=True)
            self._refuse(breach, self.environment.action_masks)
        if hops is None and self._masks is None:
            return list(map(Step, views, columns, flags))
        none: NDArray[np.uint8] = np.zeros((self.batch, 0), dtype=np.uint8)
        return [
            Step(view, columns[agent], flags[agent], hops[agent] if hops else none, self._masks[agent] if self._masks else None)
            for agent, view in enumerate(views)
        ]

    def _views(self) -> list[NDArray[Any]]:
        """Each agent's observation as it travels."""
        if self._by_column and self._index_dtype is not None:
            return list(self._state.T.astype(self._index_dtype, order="C"))
        observed = self.environment.observe(self._state)
        if self._judged:
            spaces = self.environment.spec.observation_spaces
            self._refuse(breach_of_observations(observed, spaces, self.batch, bounds=False), self.environment.observe)
        for agent in self._boxes:
            if not np.isfinite(observed[agent]).all():
                raise NumericalError(
                    "an observation is not finite", where=f"agent {agent}, step {self._step}", fix="observations must be finite numbers"
                )
        if self._index_dtype is not None:
            return list(np.concatenate(observed, dtype=self._index_dtype, casting="unsafe").reshape(len(observed), -1))
        return [np.array(view, dtype=dtype, order="C") for view, dtype in zip(observed, self._dtypes, strict=True)]

    def _refuse(self, breach: Breach | None, method: Callable[..., Any]) -> None:
        """Raise what is wrong with what somebody else's environment gave."""
        if breach is not None:
            place = definition(method)
            where = f"environment '{self.environment.spec.name}' breaks rule '{breach.rule}' at step {self._step}"
            raise ForeignCodeError(breach.what, where=where, fix=breach.fix + (f"; see {place}" if place else ""))

    def _hops(self, contacts: Sequence[Contacts]) -> list[NDArray[np.uint8]]:
        near = self.environment.graph(self._state)
        if self._judged and near is not None:
            self._refuse(breach_of_graph(near, self.environment.spec.n, self.batch, moving=True), self.environment.graph)
        if near is None:
            raise EnvironmentMismatchError(
                f"environment '{self.environment.spec.name}' has capability moving but gives no graph", fix="return one from graph(state)"
            )
        distances = hop_distances(near & self._linked, self._farthest)
        return [contacts_within(distances, agent, each) for agent, each in enumerate(contacts)]

"""The environment contract: a networked MDP as a pure function of its state, vectorized over B copies.

An environment owns no clock, no randomness and no episode: ``reset(noise)`` and ``step(state, actions, noise)`` are pure.
The noise is uniform on [0, 1), has a fixed shape per copy, and never depends on the state or the actions, so that two
rollouts with the same noise differ only by what the agents did (common random numbers).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel
from netagents.environments.feature_encoders import FeatureEncoder, WindowEncoder
from netagents.environments.picture import Picture
from netagents.environments.spaces import Space
from netagents.errors import EnvironmentMismatchError
from netagents.topology import Topology

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
JointState = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an environment can do beyond reset and step, and what a learner must be ready for.

    Attributes:
        branchable: it is pure: ``step`` may be called from any earlier state (needed for counterfactual power audits).  One that is
            not keeps its state to itself; it can only go on from where it is, and begins anew at every iteration.
        enumerable: :meth:`NetworkedMDP.kernel` gives exact tables (needed by ``netagents.exact``).
        vectorized: all B copies advance in one call without a Python loop.
        moving: the graph is computed from the state (:meth:`NetworkedMDP.graph`) and may change from step to step.
        masked: some actions are not legal in some states (:meth:`NetworkedMDP.action_masks`).
    """

    branchable: bool = True
    enumerable: bool = False
    vectorized: bool = True
    moving: bool = False
    masked: bool = False


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """What everybody may know of an environment before it runs.

    Attributes:
        name: the registered kind.
        state_spaces: local state space of each agent (n entries): what exact methods enumerate.
        action_spaces: local action space of each agent (n entries).
        horizon: default episode length H, in steps.
        discount: default gamma in (0, 1).
        reset_noise: shape, per copy, of the uniform noise that ``reset`` consumes.
        step_noise: shape, per copy, of the uniform noise that one ``step`` consumes.
        reach_offset: after how many steps a neighbour's action first touches me.  A critic of radius kappa gives power
            that can be trusted up to distance ``kappa - reach_offset``.
        state_scopes: for each agent i, the agents whose local states enter i's next state or reward (i included where it does).
        action_scopes: for each agent i, the agents whose actions enter i's next state or reward.
        untrained_return: published or exactly known mean undiscounted return per agent of uniform policies, if known.
        best_return: the best known (or optimal) mean undiscounted return per agent, if known.
        capabilities: see :class:`Capabilities`.
        observations: local observation space of each agent, where it differs from its local state.
        view: how a network reads the observations of a window.
    """

    name: str
    state_spaces: tuple[Space, ...]
    action_spaces: tuple[Space, ...]
    horizon: int
    discount: float
    reset_noise: tuple[int, ...]
    step_noise: tuple[int, ...]
    reach_offset: int
    state_scopes: tuple[tuple[int, ...], ...]
    action_scopes: tuple[tuple[int, ...], ...]
    untrained_return: float | None = None
    best_return: float | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    observations: tuple[Space, ...] | None = None
    view: FeatureEncoder = field(default_factory=WindowEncoder)

    @property
    def n(self) -> int:
        """Number of agents."""
        return len(self.state_spaces)

    @property
    def observation_spaces(self) -> tuple[Space, ...]:
        """What each agent is sent, and sends on to those whose policy reads it: its local state unless stated otherwise."""
        return self.state_spaces if self.observations is None else self.observations


class Transition(NamedTuple):
    """What one step gives, for B copies.

    Attributes:
        state: the joint state after the step, first axis B.
        rewards: local rewards, ``(B, n)`` float64, column i is r_i.
        terminated: ``(B,)`` bool, the copy reached an absorbing end (no bootstrap); or ``(B, n)`` where agents end one by one.
        truncated: bool of the same shape, the environment cut the copy short for a reason of its own (bootstrap).
            The time limit H is the learner's and is not reported here.

    What an agent does after its end is taken and has no effect; its reward counts as 0.
    """

    state: JointState
    rewards: FloatArray
    terminated: BoolArray
    truncated: BoolArray


class NetworkedMDP(ABC):
    """A networked Markov decision process with n agents on a graph.

    Subclasses set :attr:`spec` and :attr:`topology` in ``__init__`` and never change afterwards.
    """

    spec: EnvironmentSpec
    topology: Topology
    notes: tuple[str, ...] = ()
    """What a user should know about how the environment is read; :func:`netagents.testing.check_environment` warns of each."""

    def open(self, copies: int, report: Callable[[int, int], None] | None = None) -> None:  # noqa: B027 - most have nothing to make
        """Make what ``copies`` parallel copies need, before anybody waits for a step.

        Args:
            copies: B.
            report: called as ``report(made, wanted)`` on the way, where that takes long.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back processes, threads and files; called by the owner at the end, however that came.  Must not raise."""

    @abstractmethod
    def reset(self, noise: FloatArray) -> JointState:
        """Start states for B copies from noise ``(B, *spec.reset_noise)``."""

    @abstractmethod
    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """Advance B copies by one step, purely.

        Args:
            state: joint state of B copies; not modified.
            actions: one array per agent, ``(B,)`` int64 for discrete spaces, ``(B, *shape)`` float64 within the bounds for boxes.
            noise: ``(B, *spec.step_noise)`` uniforms.
        """

    @abstractmethod
    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """Each agent's own local observation: ``(B,)`` int64 for discrete spaces, ``(B, *shape)`` float64 for boxes."""

    def action_masks(self, state: JointState) -> list[BoolArray] | None:  # noqa: ARG002 - overriders read it
        """Legal actions per agent, ``(B, |A_i|)`` bool each, or None when every action is always legal."""
        return None

    def graph(self, state: JointState) -> BoolArray | None:  # noqa: ARG002 - overriders read it
        """Who is a neighbour of whom in each copy, where the graph is computed from the state (robots that move).

        ``(B, n, n)`` bool, symmetric, False on the diagonal; None when the graph is fixed.  The topology bounds it: whatever this
        says, agents that are no neighbours there have no link and do not become neighbours.
        """
        return None

    def shaping(self, state: JointState, iteration: int) -> FloatArray | None:  # noqa: ARG002 - overriders read it
        """Shaped rewards of the step that led to ``state``, as they weigh at an iteration of training: ``(B, n)`` float64, or None.

        They are added to what agents are sent while they learn, and to nothing else: returns, evaluation, the oracle and power audits
        count :attr:`Transition.rewards` alone.  An environment with shaped rewards keeps those of the last step in its state.
        """
        return None

    def without_body(self, state: JointState, agent: int) -> JointState:  # noqa: ARG002 - overriders read it
        """The state once the body of an agent has left it for good, in all copies, for the failure ``removed``.

        From then on the agent's actions have no effect on anybody, it is in nobody's way, and nobody sees it.  It still observes something
        of its observation space.  A new array; ``state`` is not modified.

        Raises:
            EnvironmentMismatchError: no body can be taken out of this environment.
        """
        raise EnvironmentMismatchError(
            f"no agent can be taken out of environment '{self.spec.name}'",
            fix="use noop, the crash whose body stays; kitchen, matrix_grid and predator_prey can take an agent out",
        )

    @property
    def removable(self) -> bool:
        """Whether the body of an agent can be taken out of a state: :meth:`without_body` does it."""
        return type(self).without_body is not NetworkedMDP.without_body

    def picture(self, state: JointState) -> Picture | None:  # noqa: ARG002 - overriders read it
        """What the first copy of ``state`` looks like, for ``netagents play``; None where nobody has said."""
        return None

    @property
    def drawable(self) -> bool:
        """Whether it draws itself: :meth:`picture` gives a picture of every state."""
        return type(self).picture is not NetworkedMDP.picture

    def kernel(self) -> FactoredKernel:
        """Exact local tables, for environments whose ``capabilities.enumerable`` is set.

        Raises:
            EnvironmentMismatchError: the environment cannot be enumerated.
        """
        raise EnvironmentMismatchError(
            f"environment '{self.spec.name}' cannot be enumerated",
            fix="exact values need a small finite environment such as line_msg or random_networked",
        )

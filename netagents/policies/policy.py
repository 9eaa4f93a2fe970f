"""The contracts of localized policies: what every one of them offers, and that of a table, whatever its parametrisation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import mul
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from netagents.foreign.part_values import check_distribution, is_foreign
from netagents.policies.mixed_radix import MixedRadix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BYTE = np.dtype(np.uint8)


class Policy(ABC):
    """What an agent does, given the local states of the agents in its window.

    A context is what the policy makes of one copy's local states: a row number for tables, a vector of features for networks.

    Attributes:
        window: the agents whose states it reads, ascending, itself included.
        component: name of its parameters, one array, in checkpoints.
        units: numbers of memory per copy; 0 for a policy without memory.
    """

    window: tuple[int, ...]
    component: ClassVar[str]
    units: int = 0

    @abstractmethod
    def contexts_of(self, steps: int, copies: int) -> NDArray[Any]:
        """Room for the contexts of (steps, copies) decisions."""

    @abstractmethod
    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> FloatArray:
        """The random numbers of (steps, copies) decisions, the same whether drawn at once or step by step."""

    @abstractmethod
    def context(self, states: Sequence[NDArray[Any]], near: BoolArray | None = None) -> NDArray[Any]:
        """The context of each copy.

        Args:
            states: one array with first axis B per agent of the window.
            near: (m, B) who of the window is there in each copy, where the graph moves; None where nobody can be missing.
        """

    @abstractmethod
    def act(self, context: Any, noise: FloatArray, mask: BoolArray | None = None) -> NDArray[Any]:
        """Draw an action per copy; first axis B.

        Args:
            context: of each copy.
            noise: :meth:`noise` of one step.
            mask: (B, A) legal actions, where some are not.
        """

    def decide(
        self, states: Sequence[NDArray[Any]], noise: FloatArray, mask: BoolArray | None = None, near: BoolArray | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """:meth:`context` and, from it, :meth:`act`: what an agent does in every step."""
        context = self.context(states, near)
        return context, self.act(context, noise, mask)

    @abstractmethod
    def greedy(self, context: Any, mask: BoolArray | None = None) -> NDArray[Any]:
        """The most probable action per copy."""

    # -- policies with memory --------------------------------------------------------------------------------------------

    def initial_memory(self, copies: int) -> NDArray[Any] | None:  # noqa: ARG002 - policies with memory read it
        """(B, units) what is remembered at the beginning of an episode; None for a policy without memory."""
        return None

    def next_context(
        self,
        memory: NDArray[Any] | None,  # noqa: ARG002 - policies with memory read it
        states: Sequence[NDArray[Any]],
        near: BoolArray | None = None,
    ) -> NDArray[Any]:
        """The context of each copy, given what it remembers; without memory that is :meth:`context`."""
        return self.context(states, near)

    def memory_of(self, context: Any) -> NDArray[Any] | None:  # noqa: ARG002
        """(B, units) what is remembered after a context; None for a policy without memory."""
        return None

    def along_episode(self, copies: int) -> Callable[..., tuple[NDArray[Any], NDArray[Any]]]:
        """:meth:`decide` along an episode of B copies: a policy with memory remembers what the earlier calls have read."""
        memory = self.initial_memory(copies)
        if memory is None:
            return self.decide

        def decide(
            states: Sequence[NDArray[Any]], noise: FloatArray, mask: BoolArray | None = None, near: BoolArray | None = None
        ) -> tuple[NDArray[Any], NDArray[Any]]:
            nonlocal memory
            context = self.next_context(memory, states, near)
            memory = self.memory_of(context)
            return context, self.act(context, noise, mask)

        return decide

    @abstractmethod
    def load(self, parameters: NDArray[Any]) -> None:
        """Take over parameters of the policy's own shape, else ValueError."""

    def statistics(self) -> dict[str, NDArray[Any]]:
        """What :meth:`restore_statistics` takes; empty for most policies."""
        return {}

    def restore_statistics(self, statistics: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 - most policies have none
        """Take over what is known of observations beside the parameters, by name; else KeyError or ValueError."""


def policy_arrays(policy: Policy) -> dict[str, NDArray[Any]]:
    """Parameters and statistics of a policy, named as in checkpoints."""
    statistics = {f"policy.{name}": np.array(array) for name, array in policy.statistics().items()}
    return {f"policy.{policy.component}": np.array(getattr(policy, policy.component)), **statistics}


def load_arrays(policy: Policy, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a policy the parameters and statistics that :func:`policy_arrays` or a checkpoint holds.

    Raises:
        KeyError, ValueError: they are missing or do not fit.
    """
    policy.load(arrays[f"policy.{policy.component}"])
    policy.restore_statistics({name.removeprefix("policy."): array for name, array in arrays.items()})


class TabularPolicy(Policy):
    """pi_i(a | x) as a table with a row per context x, the joint local states within kappa_policy, and a parameter per entry.

    A policy of your own implements :meth:`distribution` and :meth:`score_sum`; it may override :meth:`project`.  Set what these
    need before calling ``super().__init__``, which evaluates the policy at parameters of zero.

    Args:
        window: the agents whose states it reads, ascending, itself included.
        state_sizes: number of local states of each agent in the window.
        action_size: number of own actions A.

    Attributes:
        logits: (X, A) float64, the parameters theta, whatever they mean.
        probabilities: (X, A) of the present parameters.
        reads_bytes: whether states, contexts and actions fit into a byte each, for :meth:`decide_on_bytes`.
    """

    component = "logits"

    def __init__(self, window: Sequence[int], state_sizes: Sequence[int], action_size: int) -> None:
        self.window = tuple(window)
        self.radix = MixedRadix(state_sizes)
        self.action_size = action_size
        own = [getattr(type(self), name) is not getattr(TabularPolicy, name) for name in ("context", "act", "decide")]
        self.reads_bytes = self.radix.total <= 256 and action_size == 2 and not any(own)
        self.logits: FloatArray = np.zeros((self.radix.total, action_size))
        self._refresh()

    @abstractmethod
    def distribution(self, logits: FloatArray) -> FloatArray:
        """pi(. | x) of every row for parameters ``(X, A)``: positive, each row with sum 1, a pure function."""

    @abstractmethod
    def score_sum(self, credit: FloatArray) -> FloatArray:
        """sum over (x, a) of credit[x, a] * grad_theta log pi(a | x) at the present parameters, (X, A).

        With the sampled advantages as credit this is the policy gradient.
        """

    def project(self, logits: FloatArray, bound: float) -> FloatArray:
        """The parameters nearest to ``logits`` that are allowed: each within [-bound, bound] (theta_max)."""
        return np.clip(logits, -bound, bound)

    @property
    def contexts(self) -> int:
        """Number of rows X: joint local states of the window."""
        return self.radix.total

    def contexts_of(self, steps: int, copies: int) -> IntArray:
        """(steps, copies) int64 rows."""
        return np.empty((steps, copies), dtype=np.int64)

    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> FloatArray:
        """(steps, copies) uniforms on [0, 1)."""
        return generator.random((steps, copies))

    def context(self, states: Sequence[NDArray[Any]], near: BoolArray | None = None) -> NDArray[Any]:  # noqa: ARG002 - tables need fixed graphs
        """Row index x of each copy from the window's local states, one array of shape (...) per agent of the window."""
        return self.radix.encode_narrow(states)

    def act(self, context: IntArray, noise: FloatArray, mask: BoolArray | None = None) -> NDArray[Any]:  # noqa: ARG002 - and have no masks
        """Draw an action per copy by inverting the cumulative distribution.

        Args:
            context: (B,) row indices.
            noise: (B,) uniforms on [0, 1).

        Returns:
            (B,) integer actions.
        """
        if self.action_size == 2:
            return (noise >= self._first_thresholds.take(context)).view(np.uint8)
        actions: NDArray[Any] = (noise[:, None] >= self._thresholds[context]).sum(axis=1, dtype=np.int64)
        return actions

    def decide(
        self, states: Sequence[NDArray[Any]], noise: FloatArray, mask: BoolArray | None = None, near: BoolArray | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.reads_bytes and states[0].dtype is _BYTE:
            context, actions = self.decide_on_bytes(states, noise)
            return np.frombuffer(context, _BYTE), np.frombuffer(actions, _BYTE)
        return super().decide(states, noise, mask, near)

    def decide_on_bytes(self, states: Sequence[Any], noise: FloatArray) -> tuple[bytes, bytes]:
        """:meth:`decide` where the policy :attr:`reads_bytes`, on the bytes of uint8 arrays: context and actions are such, too."""
        # The states of all copies are one long integer whose bytes never carry.
        context = sum(map(mul, map(int.from_bytes, states), self.radix.strides)).to_bytes(noise.size)
        return context, (noise >= self._first_thresholds.take(np.frombuffer(context, _BYTE))).tobytes()

    def greedy(self, context: IntArray, mask: BoolArray | None = None) -> IntArray:  # noqa: ARG002
        """The most probable action per copy; ties go to the lowest action."""
        actions: IntArray = np.argmax(self.probabilities, axis=1)[context]
        return actions

    def ascend(self, step: FloatArray, bound: float) -> None:
        """Add ``step`` (X, A) to the parameters and project them."""
        self.logits = np.ascontiguousarray(self.project(self.logits + step, bound))
        self._refresh()
        if is_foreign(self):
            check_distribution(self.probabilities, self.logits.shape, self.distribution)

    def load(self, parameters: FloatArray) -> None:
        """Take over parameters of shape (X, A)."""
        if parameters.shape != self.logits.shape:
            raise ValueError(f"logits of shape {parameters.shape} for a policy of shape {self.logits.shape}")
        self.logits = np.ascontiguousarray(parameters, dtype=np.float64).copy()
        self._refresh()

    def _refresh(self) -> None:
        self.probabilities: FloatArray = self.distribution(self.logits)
        self._thresholds = np.ascontiguousarray(np.cumsum(self.probabilities, axis=1)[:, :-1])
        self._first_thresholds = np.ascontiguousarray(self._thresholds[:, :1]).reshape(-1)

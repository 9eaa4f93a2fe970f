"""Sources of actions beside an agent's policy: random, nothing, one fixed action, and a frozen policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Discrete, Space, space_dtype, space_shape
from netagents.experiment.intervention_settings import (
    FixedIntervention,
    NoopIntervention,
    PolicyIntervention,
    RandomIntervention,
    ReplacementSettings,
)
from netagents.policies import Policy

Actions = NDArray[Any]
BoolArray = NDArray[np.bool_]
Choose = Callable[[int, Sequence[NDArray[Any]], BoolArray | None, BoolArray | None], Actions]
"""(step, states of the policy's window, mask, near) -> (B, ...) actions, in the dtype in which they travel."""


def uniform_actions(space: Space, uniforms: NDArray[np.float64], mask: BoolArray | None = None) -> Actions:
    """Uniformly random actions.

    Args:
        space: of the actions.
        uniforms: (B, *shape) on [0, 1).
        mask: (B, A) legal actions; None where all are.

    Returns:
        (B,) indices or (B, *shape) values.
    """
    if not isinstance(space, Discrete):
        low, high = max(space.low, -1.0), min(space.high, 1.0)
        return np.asarray(low + uniforms * (high - low), dtype=np.float64)
    if mask is None:
        return (uniforms * space.size).astype(space_dtype(space))
    # The k-th legal action, k uniform.
    k = (uniforms * mask.sum(axis=1)).astype(np.int64)
    actions: Actions = (mask.cumsum(axis=1) > k[:, None]).argmax(axis=1).astype(space_dtype(space))
    return actions


def noop_actions(space: Space, copies: int) -> Actions:
    """(B, ...) action 0 for all copies, or the values of a box that are nearest to zero."""
    zeros = np.zeros((copies, *space_shape(space)), dtype=space_dtype(space))
    return zeros if isinstance(space, Discrete) else np.clip(zeros, space.low, space.high)


def legal_actions(actions: Actions, mask: BoolArray | None) -> Actions:
    """(B,) where an action is not legal, the first legal one instead."""
    if mask is None or not mask.size:
        return actions
    allowed = mask[np.arange(len(actions)), actions.astype(np.int64)]
    return np.where(allowed, actions, mask.argmax(axis=1)).astype(actions.dtype)


def fixed_actions(settings: FixedIntervention, space: Space, copies: int) -> Actions:
    """(B, ...) one action for all copies.

    Raises:
        ValueError: the space has no such action.
    """
    if isinstance(space, Discrete):
        if not isinstance(settings.action, int) or settings.action >= space.size:
            raise ValueError(f"{_text(settings.action)} is none of its actions, which are 0 to {space.size - 1}")
        return np.full(copies, settings.action, dtype=space_dtype(space))
    low, high = space.bounds()
    if isinstance(settings.action, int) or len(settings.action) != len(low):
        raise ValueError(f"{_text(settings.action)} is none of its actions, which are {len(low)} numbers")
    values = np.array(settings.action, dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= low).all() and (values <= high).all()):
        raise ValueError(f"{_text(settings.action)} is outside the bounds of its actions")
    return np.tile(values.reshape(space.shape), (copies, *(1,) * len(space.shape)))


def _text(action: int | tuple[float, ...]) -> str:
    return str(action if isinstance(action, int) else list(action))


class ActionSource:
    """What one intervention plays for one agent.

    Args:
        settings: of the intervention.
        space: of the agent's actions.
        copies: B. decisions: T + 1.
        policy: of a policy that is borrowed; it reads what the agent's own one reads.
    """

    def __init__(self, settings: ReplacementSettings, space: Space, copies: int, decisions: int, policy: Policy | None = None) -> None:
        self.settings, self.policy = settings, policy
        self._space, self._copies, self._decisions = space, copies, decisions

    @property
    def remembers(self) -> bool:
        """Whether it must be asked at every step, because what it plays depends on what it has read before."""
        return self.policy is not None and self.policy.units > 0

    def begin(self, generator: np.random.Generator) -> Choose:
        """What it plays in one iteration, with the random numbers of a generator."""
        space, settings, copies = self._space, self.settings, self._copies
        if isinstance(settings, RandomIntervention):
            uniforms = generator.random((self._decisions, copies, *space_shape(space)))
            return lambda step, _, mask, near: uniform_actions(space, uniforms[step], mask)  # noqa: ARG005
        if isinstance(settings, PolicyIntervention):
            assert self.policy is not None, "its source is made with one"
            return _played(self.policy, self.policy.noise(generator, self._decisions, copies), space, greedy=settings.greedy)
        actions = noop_actions(space, copies) if isinstance(settings, NoopIntervention) else self._fixed()
        return lambda step, states, mask, near: legal_actions(actions, mask)  # noqa: ARG005

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The parameters of a policy that is borrowed; a resumed run takes them from its own checkpoint."""
        policy = self.policy
        return {} if policy is None else {policy.component: getattr(policy, policy.component), **policy.statistics()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        if self.policy is not None:
            self.policy.load(arrays[self.policy.component])
            self.policy.restore_statistics(arrays)

    def _fixed(self) -> Actions:
        assert isinstance(self.settings, FixedIntervention), "worst actions have a source of their own"
        return fixed_actions(self.settings, self._space, self._copies)


def _played(policy: Policy, noise: NDArray[np.float64], space: Space, *, greedy: bool) -> Choose:
    dtype = space_dtype(space)
    memory = policy.initial_memory(noise.shape[1])

    def choose(step: int, states: Sequence[NDArray[Any]], mask: BoolArray | None, near: BoolArray | None) -> Actions:
        nonlocal memory
        context = policy.next_context(memory, states, near)
        memory = policy.memory_of(context)
        return (policy.greedy(context, mask) if greedy else policy.act(context, noise[step], mask)).astype(dtype)

    return choose

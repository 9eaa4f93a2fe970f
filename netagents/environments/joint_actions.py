"""Joint action of B copies: checked against action spaces and masks, and put into the form that an environment takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import FiniteNetworkedMDP
from netagents.environments.networked_mdp import BoolArray, FloatArray, NetworkedMDP
from netagents.environments.spaces import Box, Discrete
from netagents.errors import IllegalActionError, NumericalError


class JointActions:
    """What an environment is given in each step.

    Args:
        environment: takes the actions.
        batch: B.
    """

    def __init__(self, environment: NetworkedMDP, batch: int) -> None:
        self._spaces, self._batch = environment.spec.action_spaces, batch
        self._action_sizes = [space.size if isinstance(space, Discrete) else 0 for space in self._spaces]
        self._bounds = np.array([[size or 1] for size in self._action_sizes], dtype=np.uint64)
        self._least_bound = int(self._bounds.min(initial=1 << 63))
        # Where all agents' spaces are finite, a step's actions are worked on all at once.
        self._finite = all(self._action_sizes)
        self._takes_matrix = isinstance(environment, FiniteNetworkedMDP)

    def checked(self, actions: Sequence[NDArray[Any]], masks: Sequence[BoolArray] | None, step: int) -> Sequence[NDArray[Any]]:
        """The actions as the environment takes them; finite ones are checked all at once, since this runs every step.

        Args:
            actions: one array per agent, or one array of all.
            masks: per agent ``(B, |A_i|)`` legal actions, where the environment has them.
            step: for the lines of errors.

        Raises:
            IllegalActionError: an action is out of range, not legal or of the wrong shape.
            NumericalError: a continuous action is not finite.
        """
        whole: Sequence[NDArray[Any]]
        if self._finite:
            joint = self._joined(actions, step)
            # Its rows are the agents' actions, for those who take them so.
            whole = cast("Sequence[NDArray[Any]]", joint) if self._takes_matrix else list(joint)
        else:
            joint, whole = self._mixed(actions, step)
        # A negative number is a huge one without its sign.
        if np.maximum.reduce(joint.view(np.uint64), axis=None, initial=0) >= self._least_bound:
            self._check_bounds(joint, step)
        if masks is not None:
            self._check_legal(joint, masks, step)
        return whole

    def _check_bounds(self, joint: NDArray[np.int64], step: int) -> None:
        beyond = np.argwhere(joint.view(np.uint64) >= self._bounds)
        if len(beyond):
            agent, copy = beyond[0].tolist()
            raise IllegalActionError(agent, step, f"action {joint[agent, copy]}", f"actions are 0..{self._action_sizes[agent] - 1}")

    def _joined(self, actions: Sequence[NDArray[Any]], step: int) -> NDArray[np.int64]:
        if isinstance(actions, np.ndarray) and actions.shape == (len(self._action_sizes), self._batch) and actions.dtype.kind in "ui":
            joint: NDArray[np.int64] = actions.astype(np.int64)
            return joint
        try:
            return np.concatenate(actions, dtype=np.int64).reshape(len(self._action_sizes), self._batch)
        except (TypeError, ValueError):
            for agent, action in enumerate(actions):
                if action.shape != (self._batch,) or action.dtype.kind not in "ui":
                    raise IllegalActionError(
                        agent,
                        step,
                        f"actions are {action.dtype} of shape {action.shape}",
                        f"its action space asks for indices of shape ({self._batch},)",
                    ) from None
            raise

    def _mixed(self, actions: Sequence[NDArray[Any]], step: int) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
        """Finite actions as rows, 0 for the others; and all actions, the continuous ones within their boxes."""
        joint = np.zeros((len(self._action_sizes), self._batch), dtype=np.int64)
        whole: list[NDArray[Any]] = []
        for agent, (row, action, size) in enumerate(zip(joint, actions, self._action_sizes, strict=True)):
            if size:
                row[:] = action
                whole.append(row)
            else:
                whole.append(self._within(agent, action, step))
        return joint, whole

    def _within(self, agent: int, action: NDArray[Any], step: int) -> FloatArray:
        """Continuous actions of one agent, clipped to their box."""
        box = self._spaces[agent]
        assert isinstance(box, Box)
        if action.shape != (self._batch, *box.shape) or action.dtype != np.float64:
            raise IllegalActionError(
                agent,
                step,
                f"actions are {action.dtype} of shape {action.shape}",
                f"its action space asks for float64 of shape {(self._batch, *box.shape)}",
            )
        if not np.isfinite(action).all():
            raise NumericalError(
                "an action is not finite", where=f"agent {agent}, step {step}", fix="lower the step size; weights must stay finite"
            )
        clipped: FloatArray = np.clip(action, box.low, box.high)
        return clipped

    def _check_legal(self, joint: NDArray[np.int64], masks: Sequence[BoolArray], step: int) -> None:
        for agent, mask in enumerate(masks):
            legal = mask[np.arange(self._batch), joint[agent]]
            if not legal.all():
                raise IllegalActionError(
                    agent,
                    step,
                    f"action {joint[agent, int(np.argmin(legal))]} is not legal",
                    "choose among the actions that its mask allows",
                )

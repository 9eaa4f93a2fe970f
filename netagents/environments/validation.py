"""The contract of a networked MDP as rules that its specification and its values keep.

One place judges them: :func:`netagents.testing.check_environment` before a run, and the session in every step where the environment is
not netagents' own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.networked_mdp import EnvironmentSpec, JointState, Transition
from netagents.environments.picture import Picture
from netagents.environments.spaces import Discrete, Space
from netagents.topology import Topology

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

LARGEST_PICTURE = 1_000
"""Cells of the longer side of a picture."""


class Breach(NamedTuple):
    """A broken rule: its name, what is wrong, what would be right."""

    rule: str
    what: str
    fix: str


def breach_of_spec(environment: Any) -> Breach | None:
    """Numbers of agents, spaces and scopes agree with the topology and with each other."""
    spec = getattr(environment, "spec", None)
    if not isinstance(spec, EnvironmentSpec) or not isinstance(getattr(environment, "topology", None), Topology):
        return Breach("spec", f"{type(environment).__name__} has no spec or no topology", "set self.spec and self.topology in __init__")
    n = environment.topology.n
    lengths = [("state_spaces", spec.state_spaces), ("action_spaces", spec.action_spaces), ("observations", spec.observation_spaces)]
    for name, values in [*lengths, ("state_scopes", spec.state_scopes), ("action_scopes", spec.action_scopes)]:
        if len(values) != n:
            return Breach("spec", f"{name} has {len(values)} entries for {n} agents", "give one per agent of the topology")
    for name, scopes in (("state_scopes", spec.state_scopes), ("action_scopes", spec.action_scopes)):
        for i, scope in enumerate(scopes):
            if list(scope) != sorted({j for j in scope if 0 <= j < n}):
                return Breach("spec", f"{name}[{i}] is {tuple(scope)}", f"list agents 0..{n - 1} in ascending order, once each")
    if spec.horizon < 1 or not 0.0 < spec.discount < 1.0 or spec.reach_offset < 0:
        actual = f"horizon {spec.horizon}, discount {spec.discount}, reach_offset {spec.reach_offset}"
        return Breach("spec", actual, "use horizon >= 1, 0 < discount < 1 and reach_offset >= 0")
    return None


def breach_of_reset(state: Any, copies: int) -> Breach | None:
    """A reset gives an array with one row per copy."""
    if not isinstance(state, np.ndarray) or state.ndim < 1 or len(state) != copies:
        shape = getattr(state, "shape", type(state).__name__)
        return Breach("reset", f"{copies} copies gave a state of shape {shape}", "return an array with first axis B")
    return None


def breach_of_observations(observations: Any, spaces: Sequence[Space], copies: int, *, bounds: bool) -> Breach | None:
    """One array per agent, of the shape and dtype of its space; indices within it, and with ``bounds`` numbers too."""
    if not isinstance(observations, (list, tuple)) or len(observations) != len(spaces):
        actual = f"{len(observations)} observations" if isinstance(observations, (list, tuple)) else f"a {type(observations).__name__}"
        return Breach("observe", f"{actual} for {len(spaces)} agents", "return a list of one array per agent")
    for i, (values, space) in enumerate(zip(observations, spaces, strict=True)):
        complaint = _misfit(values, space, copies, bounds=bounds)
        if complaint:
            return Breach("observe", f"the observation of agent {i} {complaint}", "match the observation spaces")
    return None


def breach_of_masks(
    masks: Any, spaces: Sequence[Space], copies: int, *, masked: bool, ended: NDArray[np.bool_] | None = None, boxes: bool = False
) -> Breach | None:
    """None, or one bool array per agent, as the capability says, with a legal action in every copy that goes on.

    With ``boxes``, what stands in the place of an agent with a box of actions is passed over.
    """
    if (masks is not None) != masked:
        actual = f"capability masked is {masked}, but action_masks gives {'None' if masks is None else 'masks'}"
        return Breach("masks", actual, "let both say whether some actions are not always legal")
    if masks is None:
        return None
    if not isinstance(masks, (list, tuple)) or len(masks) != len(spaces):
        actual = f"{len(masks)} masks" if isinstance(masks, (list, tuple)) else f"a {type(masks).__name__}"
        return Breach("masks", f"{actual} for {len(spaces)} agents", "return one per agent")
    for i, (mask, space) in enumerate(zip(masks, spaces, strict=True)):
        if not isinstance(space, Discrete):
            if boxes:
                continue
            return Breach("masks", f"agent {i} has a mask over a box", "mask discrete actions only")
        if not isinstance(mask, np.ndarray) or mask.shape != (copies, space.size) or mask.dtype != np.bool_:
            return Breach("masks", f"the mask of agent {i} is {_kind(mask)}", f"return bool {(copies, space.size)}")
        empty = ~mask.any(axis=1)
        if ended is not None:
            empty &= ~(ended if ended.ndim == 1 else ended[:, i])
        if empty.any():
            actual = f"agent {i} has no legal action in copy {int(np.argmax(empty))}"
            return Breach("masks", actual, "leave it at least one, such as waiting")
    return None


def breach_of_graph(near: Any, n: int, copies: int, *, moving: bool) -> Breach | None:
    """None, or a symmetric bool adjacency per copy, as the capability says."""
    if (near is not None) != moving:
        actual = f"capability moving is {moving}, but graph gives {'None' if near is None else 'a graph'}"
        return Breach("graph", actual, "let both say whether the graph is computed from the state")
    if near is None:
        return None
    if not isinstance(near, np.ndarray) or near.shape != (copies, n, n) or near.dtype != np.bool_:
        return Breach("graph", f"the graph is {_kind(near)}", f"return bool {(copies, n, n)}")
    if near[:, np.arange(n), np.arange(n)].any() or not np.array_equal(near, near.transpose(0, 2, 1)):
        return Breach("graph", "the graph is not symmetric, or an agent is its own neighbour", "a graph is undirected and simple")
    return None


def breach_of_transition(state: JointState, outcome: Any, n: int) -> Breach | None:
    """A Transition whose state is like the one before, with rewards and flags of the right shapes and dtypes."""
    copies = len(state)
    if not isinstance(outcome, Transition):
        return Breach("step", f"it returned a {type(outcome).__name__}", "return a netagents.environments.Transition")
    after = outcome.state
    if not isinstance(after, np.ndarray) or after.shape != state.shape or after.dtype != state.dtype:
        return Breach("step", f"the state went from {_kind(state)} to {_kind(after)}", "keep shape and dtype")
    rewards = outcome.rewards
    if not isinstance(rewards, np.ndarray) or rewards.shape != (copies, n) or rewards.dtype != np.float64:
        return Breach("step", f"rewards are {_kind(rewards)}", f"return float64 {(copies, n)}")
    for name, flags in (("terminated", outcome.terminated), ("truncated", outcome.truncated)):
        if not isinstance(flags, np.ndarray) or flags.shape not in ((copies,), (copies, n)) or flags.dtype != np.bool_:
            return Breach("step", f"{name} is {_kind(flags)}", f"return bool {(copies,)} or {(copies, n)}")
    if outcome.terminated.shape != outcome.truncated.shape:
        return Breach("step", "terminated and truncated differ in shape", "end whole copies or single agents, in both")
    return None


def breach_of_shaping(extra: Any, n: int, copies: int) -> Breach | None:
    """None, or finite shaped rewards of every agent."""
    if extra is None:
        return None
    if not isinstance(extra, np.ndarray) or extra.shape != (copies, n) or extra.dtype != np.float64:
        return Breach("shaping", f"shaped rewards are {_kind(extra)}", f"return float64 {(copies, n)} or None")
    if not np.isfinite(extra).all():
        return Breach("shaping", "a shaped reward is not finite", "return finite numbers")
    return None


def breach_of_picture(picture: Any) -> Breach | None:
    """A picture of a size that can be shown, with finite places and colours ``#rrggbb``."""
    if not isinstance(picture, Picture):
        return Breach("picture", f"it returned a {type(picture).__name__}", "return a netagents.environments.Picture")
    if not (0.0 < picture.width <= LARGEST_PICTURE and 0.0 < picture.height <= LARGEST_PICTURE):
        return Breach("picture", f"a picture of {picture.width} x {picture.height} cells", f"use sides of up to {LARGEST_PICTURE} cells")
    numbers = [(tile.x, tile.y, tile.width, tile.height) for tile in picture.tiles]
    numbers += [(marker.x, marker.y, marker.radius, marker.heading or 0.0) for marker in picture.markers]
    if not np.isfinite(numbers).all():
        return Breach("picture", "a place, size or heading is not finite", "use finite numbers")
    colours = [picture.background, *(tile.colour for tile in picture.tiles), *(marker.colour for marker in picture.markers)]
    colours += [marker.badge for marker in picture.markers if marker.badge]
    for colour in colours:
        if not COLOUR.fullmatch(colour):
            return Breach("picture", f"colour {colour!r}", "write colours as #rrggbb")
    return None


def _misfit(values: Any, space: Space, copies: int, *, bounds: bool) -> str | None:
    shape = (copies,) if isinstance(space, Discrete) else (copies, *space.shape)
    dtype = np.int64 if isinstance(space, Discrete) else np.float64
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype != dtype:
        return f"is {_kind(values)}, not {np.dtype(dtype)} {shape}"
    if isinstance(space, Discrete):
        if not ((values >= 0) & (values < space.size)).all():
            return f"leaves [0, {space.size - 1}]"
        return None
    if bounds:
        low, high = space.bounds()
        flat = values.reshape(copies, -1)
        inside = np.isfinite(flat) & (flat >= low) & (flat <= high)
        if not inside.all():
            number = int(np.argmin(inside.all(axis=0)))
            which = f" at number {number}" if space.lows else ""
            return f"leaves [{low[number]}, {high[number]}]{which}"
    return None


def _kind(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"

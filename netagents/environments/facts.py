"""An environment specification as JSON: for records and for nodes where the environment itself cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from netagents.environments.contract import Capabilities, EnvironmentSpec
from netagents.environments.spaces import Box, Discrete, Space
from netagents.environments.views import view_from_json, view_to_json


def spec_to_json(spec: EnvironmentSpec) -> dict[str, Any]:
    """Every field of the specification as plain JSON values."""
    return {
        "name": spec.name,
        "state_spaces": [_space_to_json(space) for space in spec.state_spaces],
        "action_spaces": [_space_to_json(space) for space in spec.action_spaces],
        "horizon": spec.horizon,
        "discount": spec.discount,
        "reset_noise": list(spec.reset_noise),
        "step_noise": list(spec.step_noise),
        "reach_offset": spec.reach_offset,
        "state_scopes": [list(scope) for scope in spec.state_scopes],
        "action_scopes": [list(scope) for scope in spec.action_scopes],
        "untrained_return": spec.untrained_return,
        "best_return": spec.best_return,
        "capabilities": asdict(spec.capabilities),
        "observations": None if spec.observations is None else [_space_to_json(space) for space in spec.observations],
        "view": view_to_json(spec.view),
    }


def spec_from_json(facts: Mapping[str, Any]) -> EnvironmentSpec:
    """The specification that :func:`spec_to_json` was given.

    Raises:
        KeyError, TypeError, ValueError: the facts are not such a specification.
    """
    return EnvironmentSpec(
        name=str(facts["name"]),
        state_spaces=tuple(_space_from_json(space) for space in facts["state_spaces"]),
        action_spaces=tuple(_space_from_json(space) for space in facts["action_spaces"]),
        horizon=int(facts["horizon"]),
        discount=float(facts["discount"]),
        reset_noise=tuple(int(size) for size in facts["reset_noise"]),
        step_noise=tuple(int(size) for size in facts["step_noise"]),
        reach_offset=int(facts["reach_offset"]),
        state_scopes=tuple(tuple(int(j) for j in scope) for scope in facts["state_scopes"]),
        action_scopes=tuple(tuple(int(j) for j in scope) for scope in facts["action_scopes"]),
        untrained_return=_optional(facts["untrained_return"]),
        best_return=_optional(facts["best_return"]),
        capabilities=Capabilities(**{name: bool(value) for name, value in facts["capabilities"].items()}),
        observations=None if facts["observations"] is None else tuple(_space_from_json(space) for space in facts["observations"]),
        view=view_from_json(facts["view"]),
    )


def _space_to_json(space: Space) -> dict[str, Any]:
    if isinstance(space, Discrete):
        return {"size": space.size}
    return {"shape": list(space.shape), "low": repr(space.low), "high": repr(space.high)}


def _space_from_json(space: Mapping[str, Any]) -> Space:
    if "size" in space:
        return Discrete(int(space["size"]))
    return Box(tuple(int(size) for size in space["shape"]), float(space["low"]), float(space["high"]))


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)

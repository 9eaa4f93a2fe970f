"""An environment specification as JSON: for records and for nodes where the environment itself cannot be built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from netagents.environments.feature_encoders import view_from_json, view_to_json
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec
from netagents.environments.spaces import Box, Discrete, Space
from netagents.errors import EnvironmentMismatchError


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


def check_same_environment(recorded: EnvironmentSpec, built: EnvironmentSpec, where: str) -> None:
    """Refuse an environment that is not the one that a run was made with.

    Raises:
        EnvironmentMismatchError: names the first fact that differs.
    """
    before, now = spec_to_json(recorded), spec_to_json(built)
    for name, value in before.items():
        if now[name] != value:
            pairs = list(zip(value, now[name], strict=False)) if isinstance(value, list) and isinstance(now[name], list) else []
            agent = next((index for index, (old, new) in enumerate(pairs) if old != new), None)
            if agent is None or len(value) != len(now[name]):
                difference, of = f"{_short(now[name])}, not {_short(value)}", name
            else:
                difference, of = f"{_short(now[name][agent])}, not {_short(value[agent])}", f"{name} of agent {agent}"
            raise EnvironmentMismatchError(
                f"the environment that can be built here is not the one that the run was made with: {of} is {difference}",
                where=where,
                fix="install the version that it was run with, or make a new run",
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _space_to_json(space: Space) -> dict[str, Any]:
    if isinstance(space, Discrete):
        return {"size": space.size}
    box = {"shape": list(space.shape), "low": repr(space.low), "high": repr(space.high)}
    if space.lows:
        box |= {"lows": list(map(repr, space.lows)), "highs": list(map(repr, space.highs))}
    return box


def _space_from_json(space: Mapping[str, Any]) -> Space:
    if "size" in space:
        return Discrete(int(space["size"]))
    lows, highs = (tuple(map(float, space.get(name, ()))) for name in ("lows", "highs"))
    return Box(tuple(int(size) for size in space["shape"]), float(space["low"]), float(space["high"]), lows, highs)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)

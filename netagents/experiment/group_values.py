"""Plain values of groups of agents, completed before they are checked: what a group leaves out of a part is as for all agents.

A group that writes ``learning: {algorithm: {learning_rate: 0.001}}`` means the algorithm of all agents with another step size.  So a part
without a ``kind``, or with that of everybody, takes over what everybody has; each value keeps the origin that it has there.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from netagents.experiment.origins import Origin, closest
from netagents.experiment.yaml_document import KeyPath

PARTS: tuple[KeyPath, ...] = (
    ("policy",),
    ("utility",),
    ("learning", "algorithm"),
    ("learning", "schedule"),
    ("learning", "critic"),
    ("learning", "cells"),
)
"""Settings of a group that are groups of settings themselves."""

_KINDS_LEFT_OUT = {"policy": "softmax", "utility": "none", "learning.algorithm": "truncated_pg", "learning.schedule": "constant"}
_NEURAL = ("actor_critic", "ppo")


def complete_policy(values: dict[str, Any], origins: dict[KeyPath, Origin], at: KeyPath = ()) -> None:
    """A policy of networks where the algorithm needs one and nobody said which policy."""
    kind, policy = _kind(_get(values, ("learning", "algorithm"))), values.get("policy", {})
    if kind in _NEURAL and isinstance(policy, dict) and "kind" not in policy:
        values["policy"] = {"kind": "mlp", **policy}
        origins[(*at, "policy", "kind")] = closest((*at, "learning", "algorithm", "kind"), origins)


def complete_groups(values: dict[str, Any], origins: dict[KeyPath, Origin]) -> None:
    """Fill in, in place, what groups of agents take over from everybody."""
    groups = values.get("agents")
    for number, group in enumerate(groups if isinstance(groups, list) else ()):
        if not isinstance(group, dict):
            continue
        at: KeyPath = ("agents", number)
        policy = group.get("policy")
        if isinstance(policy, dict) and "kind" not in policy and ("run" in policy or "bank" in policy):
            policy["kind"] = "stored"
        for part in PARTS:
            _inherit(values, group, part, origins, at)
        if group.get("role") != "frozen" and _kind(values.get("policy")) not in ("mlp", "gru"):
            complete_policy(group, origins, at)


def _inherit(values: Mapping[str, Any], group: Mapping[str, Any], part: KeyPath, origins: dict[KeyPath, Origin], at: KeyPath) -> None:
    own, everyone = _get(group, part), _get(values, part)
    if not isinstance(own, dict) or not isinstance(everyone, dict):
        return
    usual = _kind(everyone) or _KINDS_LEFT_OUT.get(".".join(map(str, part)))
    if own.get("kind", usual) != usual:
        return
    _fill(own, everyone, part, origins, (*at, *part))


def _fill(own: dict[str, Any], everyone: Mapping[str, Any], part: KeyPath, origins: dict[KeyPath, Origin], at: KeyPath) -> None:
    for key, value in everyone.items():
        if key not in own:
            own[key] = deepcopy(value)
            # Below a value that was not written here, every path has the origin of its source.
            for path, origin in list(origins.items()):
                if path[: len(part) + 1] == (*part, key):
                    origins[(*at, *path[len(part) :])] = origin
            origins.setdefault((*at, key), closest((*part, key), origins))
        elif isinstance(own[key], dict) and isinstance(value, dict):
            _fill(own[key], value, (*part, key), origins, (*at, key))


def _get(values: Mapping[str, Any], path: KeyPath) -> Any:
    value: Any = values
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _kind(value: Any) -> Any:
    return value.get("kind") if isinstance(value, Mapping) else None

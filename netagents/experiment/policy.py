"""How agents' policies are parametrised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator

from netagents.experiment.base import Settings
from netagents.experiment.own_parts import CustomKind, PartKind

OWN_POLICIES = PartKind("policy", "netagents.policies", ("softmax",), "netagents.policies.TabularPolicy")
"""How policies of your own are named and found."""


class SoftmaxPolicySettings(Settings):
    """pi(a|x) proportional to exp(logit[x, a])."""

    kind: Literal["softmax"] = "softmax"


class CustomPolicySettings(Settings):
    """A tabular policy of your own: called as ``Class(window, state_sizes, action_size, **parameters)``."""

    kind: CustomKind = Field(description="'import:package.module:Class', or the name of an entry point in the group netagents.policies")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_POLICIES.check_name(kind)


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return "softmax" if kind == "softmax" else "custom"


PolicySettings = Annotated[
    Annotated[SoftmaxPolicySettings, Tag("softmax")] | Annotated[CustomPolicySettings, Tag("custom")],
    Discriminator(
        _tag,
        custom_error_type="policy_kind",
        custom_error_message="a policy needs a key 'kind': softmax, or import:package.module:Class",
    ),
]
"""The policy of every agent."""

"""Settings of policies: how agents' policies are parametrised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator

from netagents.experiment.base import Settings
from netagents.experiment.imported_parts import CustomKind, PartKind

OWN_POLICIES = PartKind("policy", "netagents.policies", ("softmax", "mlp", "gru"), "netagents.policies.TabularPolicy")
"""How policies of your own are named and found."""


HiddenLayers = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=8)]
"""Neurons of each hidden layer."""


BoxActing = Literal["gaussian", "tanh"]
"""How a network acts in a box: a Gaussian with a learned deviation, or a tanh with noise of a fixed one."""


class SoftmaxPolicySettings(Settings):
    """pi(a|x) proportional to exp(logit[x, a])."""

    kind: Literal["softmax"] = "softmax"


class MlpPolicySettings(Settings):
    """A perceptron over the observations within kappa_policy: categorical for finite actions; for boxes Gaussian, or tanh plus noise."""

    kind: Literal["mlp"] = "mlp"
    hidden: HiddenLayers = Field((64, 64), description="neurons of each hidden layer")
    activation: Literal["tanh", "relu"] = Field("tanh", description="of the hidden layers")
    deviation: Annotated[float, Field(gt=0.0, le=10.0)] = Field(
        0.6, description="first standard deviation of Gaussian actions, of which [-1, 1] is the whole box"
    )
    box: BoxActing = Field("gaussian", description="how it acts in a box: gaussian (learned deviation), or tanh(z) plus noise, for maddpg")
    noise: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.1, description="standard deviation of the noise on tanh actions while learning, of which [-1, 1] is the whole box"
    )


class GruPolicySettings(Settings):
    """A recurrent unit (GRU) over the observations within kappa_policy, whose memory begins anew with each episode."""

    kind: Literal["gru"] = "gru"
    units: Annotated[int, Field(ge=1, le=4096)] = Field(64, description="numbers of memory")
    deviation: Annotated[float, Field(gt=0.0, le=10.0)] = Field(
        0.6, description="first standard deviation of Gaussian actions, of which [-1, 1] is the whole box"
    )
    box: BoxActing = Field("gaussian", description="how it acts in a box: gaussian (learned deviation), or tanh(z) plus noise, for maddpg")
    noise: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.1, description="standard deviation of the noise on tanh actions while learning, of which [-1, 1] is the whole box"
    )


NetworkPolicySettings = MlpPolicySettings | GruPolicySettings
NETWORKS = (MlpPolicySettings, GruPolicySettings)
"""Settings of policies that are networks; all others are tables."""


class CustomPolicySettings(Settings):
    """A tabular policy of your own: called as ``Class(window, state_sizes, action_size, **parameters)``."""

    kind: CustomKind = Field(description="'import:package.module:Class', or the name of an entry point in the group netagents.policies")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_POLICIES.check_name(kind)


def policy_tag(value: Any) -> str | None:
    """The member of :data:`POLICY_MEMBERS` that a value is meant for; None without a kind."""
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return kind if kind in ("softmax", "mlp", "gru") else "custom"


POLICY_MEMBERS = (
    Annotated[SoftmaxPolicySettings, Tag("softmax")]
    | Annotated[MlpPolicySettings, Tag("mlp")]
    | Annotated[GruPolicySettings, Tag("gru")]
    | Annotated[CustomPolicySettings, Tag("custom")]
)
"""The kinds of policies."""

PolicySettings = Annotated[
    POLICY_MEMBERS,
    Discriminator(
        policy_tag,
        custom_error_type="policy_kind",
        custom_error_message="a policy needs a key 'kind': softmax, mlp, gru, or import:package.module:Class",
    ),
]
"""The policy of an agent."""

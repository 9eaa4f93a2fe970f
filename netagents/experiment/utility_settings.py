"""Settings of utilities f_i(lambda_i) of the discounted occupancy: one for all agents, or different ones per agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from netagents.experiment.base import Settings
from netagents.experiment.imported_parts import CustomKind, PartKind

Over = Literal["state", "action", "state_action"]
Floor = Annotated[float, Field(gt=0.0, le=0.1)]
Positive = Annotated[float, Field(gt=0.0, le=1e9)]
Table = tuple[tuple[float, ...], ...]
Target = tuple[float, ...] | Table
AgentIndex = Annotated[int, Field(ge=0)]


class NoUtilitySettings(Settings):
    """f = 0: a pure task."""

    kind: Literal["none"] = "none"


class LinearUtilitySettings(Settings):
    """f(lambda) = <c, lambda>: ordinary reward on (state, action) pairs."""

    kind: Literal["linear"] = "linear"
    rewards: Table = Field(description="c[s][a], one row per local state")


class EntropyUtilitySettings(Settings):
    """f(lambda) = weight * entropy of (1 - gamma) * lambda over states, actions or pairs."""

    kind: Literal["entropy"] = "entropy"
    over: Over = Field("state", description="what p is a distribution of")
    weight: float = Field(1.0, description="factor in front; a negative one favours few outcomes")
    floor: Floor = Field(1e-6, description="added to probabilities inside the logarithm")
    normalise: bool = Field(False, description="divide by the sampled mass; off as in SPDAC, which uses (1 - gamma) * lambda directly")


class DivergenceUtilitySettings(Settings):
    """f(lambda) = -weight * KL(p || target), p over states, actions or pairs: imitation."""

    kind: Literal["kl"] = "kl"
    target: Target = Field(description="probabilities: one per state or action, or one row per state when over is state_action")
    over: Over = Field("state", description="what p is a distribution of")
    weight: Positive = Field(1.0, description="factor in front")
    floor: Floor = Field(1e-6, description="added to the occupancy's probabilities inside the logarithm")
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="share of the uniform distribution mixed into the target, so that it is positive everywhere"
    )
    normalise: bool = Field(True, description="divide the occupancy by its sampled mass")


class DistanceUtilitySettings(Settings):
    """f(lambda) = -weight * squared Euclidean distance of p to a target: imitation with a bounded gradient."""

    kind: Literal["squared_distance"] = "squared_distance"
    target: Target = Field(description="probabilities: one per state or action, or one row per state when over is state_action")
    over: Over = Field("state", description="what p is a distribution of")
    weight: Positive = Field(1.0, description="factor in front")
    normalise: bool = Field(True, description="divide the occupancy by its sampled mass")


class QuadraticUtilitySettings(Settings):
    """f(lambda) = weight / 2 * sum of c * p^2: how much an agent concentrates on few states, actions or pairs."""

    kind: Literal["quadratic"] = "quadratic"
    coefficients: Target | None = Field(
        None, description="c >= 0: one per state or action, or one row per state when over is state_action; default: 1 everywhere"
    )
    over: Over = Field("action", description="what p is a distribution of")
    weight: float = Field(1.0, description="factor in front; a negative one spreads p")
    normalise: bool = Field(False, description="divide by the sampled mass; off as in SPDAC, which uses (1 - gamma) * lambda directly")


class RiskUtilitySettings(Settings):
    """f(lambda) = -weight * risk of a local cost under p."""

    kind: Literal["risk"] = "risk"
    costs: Table = Field(description="cost[s][a], one row per local state")
    measure: Literal["mean_variance", "entropic"] = Field(
        "mean_variance", description="mean + aversion * variance, or log E exp(aversion * cost) / aversion"
    )
    aversion: Positive = Field(1.0, description="weight of uncertainty relative to the mean; towards 0 both measures become the mean cost")
    weight: Positive = Field(1.0, description="factor in front")
    normalise: bool = Field(True, description="divide the occupancy by its sampled mass")


class TermSettings(Settings):
    """One term of a weighted sum."""

    weight: float = Field(1.0, description="factor in front of the term; may be negative")
    utility: AgentUtilitySettings


class WeightedSumSettings(Settings):
    """f(lambda) = sum of weight_k * f_k(lambda)."""

    kind: Literal["sum"] = "sum"
    terms: Annotated[tuple[TermSettings, ...], Field(min_length=1)]


UTILITY_KINDS: tuple[str, ...] = ("none", "linear", "entropy", "kl", "squared_distance", "quadratic", "risk", "sum")
"""The utilities of one agent that come with netagents."""

OWN_UTILITIES = PartKind("utility", "netagents.utilities", UTILITY_KINDS, "netagents.utilities.Utility")
"""How utilities of your own are named and found."""


class CustomUtilitySettings(Settings):
    """A utility of your own: called as ``Class(state_size, action_size, discount, **parameters)``."""

    kind: CustomKind = Field(description="'import:package.module:Class', or the name of an entry point in the group netagents.utilities")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_UTILITIES.check_name(kind)


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return kind if kind in (*UTILITY_KINDS, "per_agent") else "custom"


_NO_KIND = f"a utility needs a key 'kind': one of {', '.join(UTILITY_KINDS)}, or import:package.module:Class"
_ONE_AGENT = (
    Annotated[NoUtilitySettings, Tag("none")]
    | Annotated[LinearUtilitySettings, Tag("linear")]
    | Annotated[EntropyUtilitySettings, Tag("entropy")]
    | Annotated[DivergenceUtilitySettings, Tag("kl")]
    | Annotated[DistanceUtilitySettings, Tag("squared_distance")]
    | Annotated[QuadraticUtilitySettings, Tag("quadratic")]
    | Annotated[RiskUtilitySettings, Tag("risk")]
    | Annotated[WeightedSumSettings, Tag("sum")]
    | Annotated[CustomUtilitySettings, Tag("custom")]
)

AgentUtilitySettings = Annotated[_ONE_AGENT, Discriminator(_tag, custom_error_type="utility_kind", custom_error_message=_NO_KIND)]
"""The utility of one agent."""

for _recursive in (TermSettings, WeightedSumSettings):
    _recursive.model_rebuild()


class UtilityGroup(Settings):
    """Agents that share a utility."""

    name: str = Field("", description="name of the group in figures; default: group 1, group 2, ...")
    agents: Annotated[tuple[AgentIndex, ...], Field(min_length=1, description="the agents of the group, from 0")]
    utility: AgentUtilitySettings


class PerAgentUtilities(Settings):
    """Different utilities per agent: groups, and a default for all others."""

    kind: Literal["per_agent"] = "per_agent"
    default: AgentUtilitySettings = NoUtilitySettings()
    groups: tuple[UtilityGroup, ...] = ()

    @model_validator(mode="after")
    def _one_group_each(self) -> Self:
        first_group: dict[int, int] = {}
        for number, group in enumerate(self.groups, start=1):
            for agent in group.agents:
                if agent in first_group:
                    raise ValueError(f"agent {agent} is in group {first_group[agent]} and in group {number}; name each agent once")
                first_group[agent] = number
        return self


UtilitySettings = Annotated[
    _ONE_AGENT | Annotated[PerAgentUtilities, Tag("per_agent")],
    Discriminator(_tag, custom_error_type="utility_kind", custom_error_message=f"{_NO_KIND}; or per_agent"),
]
"""The utilities of all agents: one for everybody, or ``per_agent``."""


def utility_of(settings: UtilitySettings, agent: int) -> AgentUtilitySettings:
    """The utility of one agent: its group's, the default, or that of all agents."""
    if not isinstance(settings, PerAgentUtilities):
        return settings
    for group in settings.groups:
        if agent in group.agents:
            return group.utility
    return settings.default


def group_of(settings: UtilitySettings, agent: int) -> str:
    """The name of the agent's group: what a figure calls it; ``default`` outside all groups, ``all`` when all agents share one utility."""
    if not isinstance(settings, PerAgentUtilities):
        return "all"
    for number, group in enumerate(settings.groups, start=1):
        if agent in group.agents:
            return group.name or f"group {number}"
    return "default"

"""Groups of agents that differ from the others: their role, and what they are paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.base import Settings
from netagents.experiment.utility_settings import AgentIndex

Coefficient = Annotated[float, Field(ge=-1e6, le=1e6)]


class SelfishIncentiveSettings(Settings):
    """u_i = r_i: an agent that learns for itself alone."""

    kind: Literal["selfish"] = "selfish"


class TeamIncentiveSettings(Settings):
    """u_i = (1/n) sum of r_j: everybody's reward alike."""

    kind: Literal["team"] = "team"


class AlphaIncentiveSettings(Settings):
    """u_i = (1 - alpha) r_i + alpha (1/n) sum of r_j: a dial between selfish and team; below 0 it competes."""

    kind: Literal["alpha"] = "alpha"
    alpha: Annotated[float, Field(ge=-10.0, le=10.0)] = Field(description="0 is selfish, 1 is team")


class AdversaryIncentiveSettings(Settings):
    """u_i = -sum of r_j over those that it is set against: what they lose it gains."""

    kind: Literal["adversary"] = "adversary"
    against: Annotated[tuple[AgentIndex, ...], Field(min_length=1)] | None = Field(
        None, description="whom; default: everybody but the agents of its group"
    )


class MatrixIncentiveSettings(Settings):
    """u_i = sum of c_ij r_j with coefficients written out, a row for each agent of the group."""

    kind: Literal["matrix"] = "matrix"
    rows: Annotated[tuple[tuple[Coefficient, ...], ...], Field(min_length=1)] = Field(
        description="c_ij: a row per agent of the group in its order, in each a number per agent of the run"
    )


IncentiveSettings = Annotated[
    SelfishIncentiveSettings | TeamIncentiveSettings | AlphaIncentiveSettings | AdversaryIncentiveSettings | MatrixIncentiveSettings,
    Field(discriminator="kind"),
]
"""What an agent is paid: u_i = sum over j of c_ij r_j, over those within its gradient radius."""


MemberName = Annotated[str, Field(min_length=1, max_length=100)]
PathText = Annotated[str, Field(min_length=1, max_length=4096)]


class FrozenPolicySettings(Settings):
    """The policy of a frozen agent, from a run that learned it or from a bank."""

    run: PathText | None = Field(None, description="run directory; a relative path starts in the working directory")
    checkpoint: Annotated[int, Field(ge=0, le=10_000_000)] | None = Field(
        None, description="iteration of the checkpoint of the run; default: the newest"
    )
    bank: PathText | None = Field(None, description="bank of policies instead of a run; a relative path starts in the working directory")
    member: MemberName | None = Field(None, description="member of the bank")
    members: Annotated[tuple[MemberName, ...], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="several members of the bank, of which a lottery draws one per generation (fictitious co-play)"
    )
    generation: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1, description="iterations between draws among several members")
    agent: AgentIndex | None = Field(None, description="whose policy; default: that of the agent with the same number")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.run is None) == (self.bank is None):
            raise ValueError("a policy comes from a run or from a bank: name one of them")
        if self.bank is None and (self.member is not None or self.members is not None):
            raise ValueError("member belongs to a bank, not to a run")
        if self.bank is not None and self.checkpoint is not None:
            raise ValueError("checkpoint belongs to a run; a bank has members")
        if self.bank is not None and (self.member is None) == (self.members is None):
            raise ValueError("a bank has several policies: name a member, or members to draw from (`netagents bank show BANK` lists them)")
        if self.members is None and self.generation != 1:
            raise ValueError("generation is how often one of several members is drawn; name members")
        return self


class AgentGroup(Settings):
    """Agents that have another role or are paid in a way of their own; they learn from that alone, and nobody else learns from it."""

    agents: Annotated[tuple[AgentIndex, ...], Field(min_length=1, description="who is in the group, from 0")]
    role: Literal["learner", "frozen", "adversary", "population"] = Field(
        "learner", description="learns; plays a policy that never changes; learns to harm the others; or is a seat of a population"
    )
    incentive: IncentiveSettings | None = Field(
        None, description="what they are paid; default: adversary for that role, otherwise what everybody is"
    )
    policy: FrozenPolicySettings | None = Field(None, description="of frozen agents; default: the policy that training would begin with")
    greedy: bool = Field(False, description="frozen agents play the most probable action instead of drawing one")
    start: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0, description="iteration from which on they are paid so; before it their own reward"
    )

    members: Annotated[int, Field(ge=1, le=100)] = Field(1, description="of a population: how many each home holds; 1 is self-play")
    generation: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="of a population: iterations between draws of who plays and learns"
    )
    homes: Annotated[tuple[AgentIndex, ...], Field(min_length=1)] | None = Field(
        None, description="of a population: the seats that hold members and learn; the others play them; default: all of the group"
    )
    learners: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="of a population: how many homes learn in each generation, the others play members of other homes; default: all"
    )

    @property
    def paid(self) -> IncentiveSettings | None:
        """What they are paid, where that is not what everybody is."""
        if self.incentive is None and self.role == "adversary":
            return AdversaryIncentiveSettings()
        return self.incentive

    @model_validator(mode="after")
    def _parts_fit_the_role(self) -> Self:
        if self.role != "frozen" and (self.policy is not None or self.greedy):
            raise ValueError(f"policy and greedy belong to role frozen, not to {self.role}")
        if self.role == "frozen" and self.incentive is not None:
            raise ValueError("a frozen agent learns nothing, and an incentive would have no effect; leave it out")
        shared = self.members, self.generation, self.homes, self.learners
        if self.role != "population" and shared != (1, 1, None, None):
            raise ValueError(f"members, generation, homes and learners belong to role population, not to {self.role}")
        if self.role == "population":
            self._check_population()
        if self.role == "learner" and self.incentive is None:
            raise ValueError("a group of learners needs an incentive, or it differs from nobody")
        return self

    def _check_population(self) -> None:
        homes = self.agents if self.homes is None else self.homes
        learners = len(homes) if self.learners is None else self.learners
        if not set(homes) <= set(self.agents) or len(set(homes)) < len(homes):
            raise ValueError("homes are agents of the group, each named once")
        if learners > len(homes):
            raise ValueError(f"{learners} learners in a population with {len(homes)} homes")
        if learners < len(homes) and len(homes) < 2:
            raise ValueError("a home that does not learn needs another home whose members it plays")


def frozen_policy_of(groups: Sequence[AgentGroup], agent: int) -> FrozenPolicySettings | None:
    """Where the policy of a frozen agent comes from; None for all others, and where it is the untrained one."""
    return next((group.policy for group in groups if agent in group.agents), None)


def check_groups(groups: Sequence[AgentGroup]) -> None:
    """Refuse an agent in two groups, and a matrix without a row for each agent.

    Raises:
        ValueError: says which.
    """
    seen: dict[int, int] = {}
    for number, group in enumerate(groups):
        for agent in group.agents:
            if agent in seen:
                raise ValueError(f"agent {agent} is in agents[{seen[agent]}] and in agents[{number}]; name each agent once")
            seen[agent] = number
        if isinstance(group.incentive, MatrixIncentiveSettings) and len(group.incentive.rows) != len(group.agents):
            raise ValueError(f"agents[{number}].incentive has {len(group.incentive.rows)} rows for {len(group.agents)} agents")


def coefficients(group: AgentGroup, agent: int, n: int) -> Mapping[int, float]:
    """c_ij of one agent of a group, by j, without zeros; radii are not looked at.

    Raises:
        ValueError: a row of a matrix has not n numbers, or an adversary is set against an agent that does not exist, or itself.
    """
    rule = group.paid
    row = [0.0] * n
    if isinstance(rule, MatrixIncentiveSettings):
        row = list(rule.rows[group.agents.index(agent)])
        if len(row) != n:
            raise ValueError(f"the row of agent {agent} has {len(row)} numbers for {n} agents")
    elif isinstance(rule, AdversaryIncentiveSettings):
        against = tuple(j for j in range(n) if j not in group.agents) if rule.against is None else rule.against
        if agent in against or max(against, default=0) >= n or not against:
            raise ValueError(f"agent {agent} is an adversary and needs somebody to harm: other agents of 0 to {n - 1}")
        for j in against:
            row[j] = -1.0
    else:
        alpha = rule.alpha if isinstance(rule, AlphaIncentiveSettings) else float(isinstance(rule, TeamIncentiveSettings))
        row = [alpha / n] * n
        row[agent] += 1.0 - alpha
    return {j: c for j, c in enumerate(row) if c != 0.0}

"""Groups of agents that differ from the others: role, incentive, policy, algorithm, utility, constraints, signals and radii."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from netagents.experiment.algorithm_settings import AlgorithmSettings
from netagents.experiment.base import Settings
from netagents.experiment.constraint_settings import ConstraintSettings
from netagents.experiment.learning_settings import CellSettings, CriticSettings, LearningSettings, ScheduleSettings
from netagents.experiment.policy_settings import POLICY_MEMBERS, PolicySettings, policy_tag
from netagents.experiment.signal_settings import SignalSettings, check_names
from netagents.experiment.utility_settings import AgentIndex, AgentUtilitySettings

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

    kind: Literal["stored"] = "stored"
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
    settings: PolicySettings | None = Field(None, description="the settings with which the run learned it; default: policy of all agents")

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


def _tag(value: Any) -> str | None:
    tag = policy_tag(value)
    stored = isinstance(value, Mapping) and ("run" in value or "bank" in value)
    return "stored" if _kind(value) == "stored" or (tag is None and stored) else tag


def _kind(value: Any) -> Any:
    return value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)


GroupPolicySettings = Annotated[
    POLICY_MEMBERS | Annotated[FrozenPolicySettings, Tag("stored")],
    Discriminator(
        _tag,
        custom_error_type="policy_kind",
        custom_error_message="a policy needs a key 'kind': softmax, mlp, gru, or import:package.module:Class;"
        " a frozen agent's is also from a run or from a bank",
    ),
]
"""The policy of the agents of a group: as for all agents, or for frozen ones that of a run."""


RadiusOfGroup = Annotated[int, Field(ge=0, le=100_000)]


class GroupLearningSettings(Settings):
    """What the agents of a group learn with; what is left out is as for all agents.  Batch, horizon, discount and credit are the run's."""

    aliases: ClassVar[Mapping[str, str]] = LearningSettings.aliases
    algorithm: AlgorithmSettings | None = Field(None, description="as learning.algorithm")
    task_weight: Annotated[float, Field(ge=0.0)] | None = Field(None, description="as learning.task_weight")
    learning_rate: Annotated[float, Field(gt=0.0)] | None = Field(None, description="as learning.learning_rate")
    schedule: ScheduleSettings | None = Field(None, description="as learning.schedule")
    max_grad_norm: Annotated[float, Field(gt=0.0, le=1e9)] | None = Field(None, description="as learning.max_grad_norm")
    baseline: bool | None = Field(None, description="as learning.baseline")
    cells: CellSettings | None = Field(None, description="as learning.cells")
    logit_bound: Annotated[float, Field(gt=0.0)] | None = Field(None, description="as learning.logit_bound")
    critic: CriticSettings | None = Field(None, description="as learning.critic")


class AgentGroup(Settings):
    """Agents of which something else holds than of all; what is left out is as for all agents.

    Who has an incentive or a role of its own learns from that alone, and nobody else learns from it.
    """

    name: str = Field("", max_length=64, description="name of the group in figures; default: group 1, group 2, ...")
    agents: Annotated[tuple[AgentIndex, ...], Field(min_length=1, description="who is in the group, from 0")]
    role: Literal["learner", "frozen", "adversary", "population"] = Field(
        "learner", description="learns; plays a policy that never changes; learns to harm the others; or is a seat of a population"
    )
    incentive: IncentiveSettings | None = Field(
        None, description="what they are paid; default: adversary for that role, otherwise what everybody is"
    )
    policy: GroupPolicySettings | None = Field(
        None, description="their policy; frozen agents can take that of a run, default: the policy that training would begin with"
    )
    greedy: bool = Field(False, description="frozen agents play the most probable action instead of drawing one")
    start: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0, description="iteration from which on they are paid so; before it their own reward"
    )
    learning: GroupLearningSettings = GroupLearningSettings()
    utility: AgentUtilitySettings | None = Field(None, description="their utility")
    constraints: tuple[ConstraintSettings, ...] | None = Field(None, description="all that bind them, in the place of those of all agents")
    signals: tuple[SignalSettings, ...] | None = Field(None, description="all their terms, in the place of those of all agents")
    kappa: RadiusOfGroup | None = Field(None, description="their communication radius: default of the three below")
    kappa_policy: RadiusOfGroup | None = Field(None, description="whose states their actors read")
    kappa_critic: RadiusOfGroup | None = Field(None, description="whose states and actions index their critics")
    kappa_gradient: RadiusOfGroup | None = Field(None, description="whose values enter their gradients")

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

    @property
    def frozen_policy(self) -> FrozenPolicySettings | None:
        """The run that their policies are from."""
        return self.policy if isinstance(self.policy, FrozenPolicySettings) else None

    @property
    def learns_as_all(self) -> bool:
        """Whether role, incentive, signals and the task's weight are those of everybody."""
        same = self.paid is None and self.signals is None and self.learning.task_weight is None
        return self.role == "learner" and same

    def radius(self, name: str) -> int | None:
        """One radius, where the group has its own."""
        value: int | None = getattr(self, f"kappa_{name}")
        return self.kappa if value is None else value

    @model_validator(mode="after")
    def _parts_fit_the_role(self) -> Self:
        if self.role != "frozen" and (self.frozen_policy is not None or self.greedy):
            raise ValueError(f"a policy from a run and greedy belong to role frozen, not to {self.role}")
        if self.role == "frozen" and self.incentive is not None:
            raise ValueError("a frozen agent learns nothing, and an incentive would have no effect; leave it out")
        shared = self.members, self.generation, self.homes, self.learners
        if self.role != "population" and shared != (1, 1, None, None):
            raise ValueError(f"members, generation, homes and learners belong to role population, not to {self.role}")
        if self.role == "population":
            self._check_population()
        if self.role == "frozen":
            for key in ("utility", "constraints", "signals"):
                if getattr(self, key) is not None:
                    raise ValueError(f"a frozen agent learns nothing, and {key} would have no effect; leave it out")
        if all(getattr(self, key) == field.default for key, field in type(self).model_fields.items() if key not in ("name", "agents")):
            raise ValueError("a group needs an incentive or a setting of its own, or it differs from nobody")
        check_names(self.signals or ())
        return self

    def _check_population(self) -> None:
        homes = self.agents if self.homes is None else self.homes
        learners = len(homes) if self.learners is None else self.learners
        if not set(homes) <= set(self.agents) or len(set(homes)) < len(homes):
            raise ValueError("homes are agents of the group, each named once")
        if learners > len(homes):
            raise ValueError(f"more learners ({learners}) than homes ({len(homes)})")
        if learners < len(homes) and len(homes) < 2:
            raise ValueError("a home that does not learn needs another home whose members it plays")


def frozen_policy_of(groups: Sequence[AgentGroup], agent: int) -> FrozenPolicySettings | None:
    """Where the policy of a frozen agent comes from; None for all others, and where it is the untrained one."""
    return next((group.frozen_policy for group in groups if agent in group.agents), None)


def check_groups(groups: Sequence[AgentGroup]) -> None:
    """Refuse an agent in two groups, and a matrix without a row for each agent.

    Raises:
        ValueError: says which.
    """
    group_of: dict[int, int] = {}
    for number, group in enumerate(groups):
        for agent in group.agents:
            if agent in group_of:
                raise ValueError(f"agent {agent} is in agents[{group_of[agent]}] and in agents[{number}]; name each agent once")
            group_of[agent] = number
        narrower: tuple[ConstraintSettings | SignalSettings, ...] = (*(group.constraints or ()), *(group.signals or ()))
        if any(one.agents is not None for one in narrower):
            raise ValueError(f"agents[{number}]: constraints and signals of a group are its agents'; leave their key 'agents' out")
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

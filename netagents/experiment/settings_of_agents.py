"""Settings of single agents, worked out: what is said of all agents, and in its place what the agent's group says.

Every per-agent form of an experiment is read here and nowhere else: groups (``agents``), and the forms of earlier versions (lists of
radii, ``utility.kind: per_agent``, constraints and signals with ``agents``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from netagents.experiment.agent_groups import AgentGroup, FrozenPolicySettings
from netagents.experiment.constraint_settings import ConstraintSettings, constraints_of
from netagents.experiment.learning_settings import LearningSettings
from netagents.experiment.policy_settings import NETWORKS, PolicySettings
from netagents.experiment.signal_settings import SignalSettings, signals_of
from netagents.experiment.utility_settings import AgentUtilitySettings, NoUtilitySettings, group_of, utility_of

if TYPE_CHECKING:
    from netagents.experiment.experiment import Experiment

_OF_TABLES, _OF_NETWORKS = ("learning_rate", "critic"), ("cells",)


@dataclass(frozen=True)
class AgentSettings:
    """What holds of one agent.

    Attributes:
        where: names in messages who said it: ``agents[2].``, or nothing for what holds of all agents.
        role: learner, frozen or adversary.
        policy, learning, utility: as in :class:`netagents.experiment.Experiment`, of this agent alone.
        constraints, signals: those of this agent in the order of the file, by their place in it: ``constraints[2]``.
    """

    where: str
    role: str
    policy: PolicySettings
    learning: LearningSettings
    utility: AgentUtilitySettings
    constraints: Mapping[str, ConstraintSettings]
    signals: Mapping[str, SignalSettings]

    @property
    def uses_networks(self) -> bool:
        """Whether the policy is a network; a table otherwise."""
        return isinstance(self.policy, NETWORKS)

    @property
    def is_task_alone(self) -> bool:
        """Whether neither a utility nor a constraint is there beside the task."""
        return self.utility == NoUtilitySettings() and not self.constraints


def settings_of(experiment: Experiment, agent: int) -> AgentSettings:
    """The settings of one agent."""
    number, group = _group_of(experiment, agent)
    utility = utility_of(experiment.utility, agent)
    constraints = {f"constraints[{k}]": one for k, one in enumerate(experiment.constraints) if constraints_of((one,), agent)}
    signals = {f"signals[{k}]": one for k, one in enumerate(experiment.signals) if signals_of((one,), agent)}
    if group is None:
        return AgentSettings("", "learner", experiment.policy, experiment.learning, utility, constraints, signals)
    where = f"agents[{number}]."
    if group.constraints is not None:
        constraints = {f"{where}constraints[{k}]": one for k, one in enumerate(group.constraints)}
    if group.signals is not None:
        signals = {f"{where}signals[{k}]": one for k, one in enumerate(group.signals)}
    return AgentSettings(
        where=where,
        role=group.role,
        policy=policy_of(experiment.policy, group),
        learning=learning_of(experiment.learning, group),
        utility=utility if group.utility is None else group.utility,
        constraints=constraints,
        signals=signals,
    )


def policy_of(everyone: PolicySettings, group: AgentGroup) -> PolicySettings:
    """The policy of a group's agents; of one that is from a run the settings with which it was learned."""
    if group.policy is None:
        return everyone
    if isinstance(group.policy, FrozenPolicySettings):
        return everyone if group.policy.settings is None else group.policy.settings
    return group.policy


def learning_of(everyone: LearningSettings, group: AgentGroup) -> LearningSettings:
    """How a group's agents learn.

    Raises:
        ValueError: what the group says does not fit what is said of all.
    """
    own: dict[str, Any] = {key: value for key in type(group.learning).model_fields if (value := getattr(group.learning, key)) is not None}
    if not own:
        return everyone
    values: dict[str, Any] = {key: getattr(everyone, key) for key in LearningSettings.model_fields}
    algorithm = own.get("algorithm", everyone.algorithm)
    if algorithm.learns_with != everyone.algorithm.learns_with:
        # What belongs to tables alone says nothing of a group with networks, and the other way round.
        for key in {"networks": _OF_TABLES, "tables": _OF_NETWORKS}.get(algorithm.learns_with or "", ()):
            values[key] = LearningSettings.model_fields[key].default
    try:
        return LearningSettings.model_validate(values | own)
    except ValidationError as error:
        raise ValueError(str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")) from None


def group_name(experiment: Experiment, agent: int) -> str:
    """What figures call the group of an agent: its name, ``group 1``, ``group 2``, ...; ``all`` outside of all groups."""
    number, group = _group_of(experiment, agent)
    return group_of(experiment.utility, agent) if group is None else group.name or f"group {number + 1}"


def _group_of(experiment: Experiment, agent: int) -> tuple[int, AgentGroup | None]:
    return next(((number, group) for number, group in enumerate(experiment.agents) if agent in group.agents), (-1, None))

"""Policies of frozen agents and of interventions, read from the runs that learned them or from banks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from netagents.errors import EnvironmentMismatchError, RunDirectoryError
from netagents.experiment import Experiment
from netagents.experiment.agent_groups import FrozenPolicySettings, frozen_policy_of
from netagents.experiment.intervention_settings import PolicyIntervention
from netagents.learning import NetworkedAgent, Setup, make_agent
from netagents.learning.interventions.agent_interventions import AgentInterventions
from netagents.learning.roles.frozen_agent import FrozenAgent
from netagents.messages import RadiusKind
from netagents.policies import Policy
from netagents.policies.policy import load_arrays, policy_arrays
from netagents.records.checkpoint import load_checkpoint
from netagents.records.policy_bank import Bank
from netagents.records.run_directory import RunDirectory
from netagents.records.trained_policies import find_checkpoint


def load_frozen_policy(agent: NetworkedAgent) -> None:
    """Give a frozen agent, and interventions that borrow a policy for an agent, the policies that their settings name.

    All else stays as it is.

    Raises:
        RunDirectoryError: there is no such run, checkpoint, bank or member, or it is damaged.
        EnvironmentMismatchError: the policy is one of other spaces, another window or another kind.
    """
    for settings, policy in _borrowed(agent):
        _load(agent, settings, policy)


def borrows_policies(experiment: Experiment) -> bool:
    """Whether some agent plays, or is made to play, a policy that another run has learned."""
    groups = any(group.frozen_policy is not None for group in experiment.agents)
    return groups or any(isinstance(each, PolicyIntervention) and each.policy is not None for each in experiment.interventions)


def _borrowed(agent: NetworkedAgent) -> list[tuple[FrozenPolicySettings, Policy]]:
    """Where policies come from, and what takes over their parameters."""
    borrowed = []
    own = frozen_policy_of(agent.setup.experiment.agents, agent.index)
    if own is not None:
        borrowed.append((own, agent.policy))
    interventions = agent.interventions
    if isinstance(interventions, AgentInterventions):
        for source in interventions.sources.values():
            settings = source.settings
            if isinstance(settings, PolicyIntervention) and settings.policy is not None and source.policy is not None:
                borrowed.append((settings.policy, source.policy))
    return borrowed


def _load(agent: NetworkedAgent, settings: FrozenPolicySettings, policy: Policy) -> None:
    source = agent.index if settings.agent is None else settings.agent
    where = f"policy of agent {agent.index}, from {settings.run or settings.bank}"
    if settings.bank is not None:
        bank = Bank.open(Path(settings.bank))
        check_policy_fits(bank.setup, source, agent.setup, agent.index, where)
        names = (settings.member,) if settings.members is None else settings.members
        read = []
        for name in (name for name in names if name is not None):
            arrays = bank.arrays(name, {source})[source]
            load_into(policy, arrays, f"no policy that fits agent {agent.index}", f"{settings.bank}, member {name}")
            read.append(policy_arrays(policy))
        if isinstance(agent, FrozenAgent) and settings.members is not None:
            agent.pool = read
        return
    assert settings.run is not None, "the settings were checked"
    directory = RunDirectory.open(Path(settings.run))
    check_policy_fits(directory.setup(), source, agent.setup, agent.index, where)
    checkpoint = find_checkpoint(directory, settings.checkpoint)
    arrays = load_checkpoint(checkpoint, {source})[source]
    load_into(policy, arrays, f"agent {source} has no policy that fits agent {agent.index}", str(checkpoint))


def load_into(policy: Policy, arrays: Mapping[str, NDArray[Any]], what: str, where: str) -> None:
    """Give a policy the parameters and statistics that the arrays of an agent hold.

    Raises:
        RunDirectoryError: they do not fit; begins with ``what``.
    """
    try:
        load_arrays(policy, arrays)
    except (KeyError, ValueError) as error:
        raise RunDirectoryError(f"{what}: {error}", where=where) from error


def check_frozen_policies(setup: Setup) -> None:
    """Read every policy that is borrowed once, before anything is started.

    Raises:
        NetagentsError: as :func:`load_frozen_policy`.
    """
    if borrows_policies(setup.experiment):
        for agent in range(setup.n):
            load_frozen_policy(make_agent(agent, setup))


def check_policy_fits(other: Setup, source: int, setup: Setup, index: int, where: str) -> None:
    """Refuse a policy that agent ``index`` cannot play as agent ``source`` of another run did.

    Args:
        other: the run that the policy comes from.
        source: whose policy.
        setup: of the run in which it is to be played.
        index: by whom.
        where: named in errors.

    Raises:
        EnvironmentMismatchError: says what differs.
    """
    if source >= other.n:
        raise EnvironmentMismatchError(f"that run has no agent {source}", where=where, fix=f"its agents are 0 to {other.n - 1}")
    learned, required = other.agents[source], setup.agents[index]
    if learned.policy != required.policy:
        kinds = learned.policy.kind, required.policy.kind
        raise EnvironmentMismatchError(
            f"a policy of kind {kinds[0]} with settings that are not those of the {kinds[1]} here",
            where=where,
            fix="use the same policy, or state it in policy.settings",
        )
    bounds = learned.learning.logit_bound, required.learning.logit_bound
    if required.uses_networks and bounds[0] != bounds[1]:
        # How far logits go is part of what a network computes.
        raise EnvironmentMismatchError(
            f"a network that was learned with logit_bound {bounds[0]:g} and would be played with {bounds[1]:g}",
            where=where,
            fix=f"give the group learning: {{logit_bound: {bounds[0]:g}}}",
        )
    source_window, own_window = other.reach[RadiusKind.POLICY].window(source), setup.reach[RadiusKind.POLICY].window(index)
    places = [j - source for j in source_window] == [j - index for j in own_window] or len(source_window) == len(
        own_window
    ) == setup.n == other.n
    spaces = [[each.spec.observation_spaces[j] for j in window] for each, window in ((other, source_window), (setup, own_window))]
    if not places or spaces[0] != spaces[1]:
        raise EnvironmentMismatchError(
            f"it was learned from what agents {_words(source_window)} observe, and agent {index} here reads agents {_words(own_window)}"
            + ("" if places else ", who stand at other places around it")
            + ("" if spaces[0] == spaces[1] else ", with other observations"),
            where=where,
            fix="use a run with the same kappa_policy, graph and spaces, or name another agent of it",
        )
    if other.spec.action_spaces[source] != setup.spec.action_spaces[index]:
        raise EnvironmentMismatchError("its actions are other ones", where=where, fix="use a run of the same environment")


def _words(agents: Iterable[int]) -> str:
    return ", ".join(map(str, agents))

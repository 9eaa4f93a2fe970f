"""Policies of frozen agents and of interventions, read from the runs that learned them."""

from __future__ import annotations

from pathlib import Path

from netagents.errors import EnvironmentMismatchError, RunDirectoryError
from netagents.experiment import Experiment
from netagents.experiment.agent_settings import FrozenPolicySettings, frozen_policy_of
from netagents.experiment.intervention_settings import PolicyIntervention
from netagents.learning import NetworkedAgent, Setup, make_agent
from netagents.learning.interventions.agent_interventions import AgentInterventions
from netagents.messages import RadiusKind
from netagents.policies import Policy
from netagents.records.checkpoint import load_checkpoint
from netagents.records.run_directory import RunDirectory
from netagents.records.trained_policies import find_checkpoint


def load_frozen_policy(agent: NetworkedAgent) -> None:
    """Give a frozen agent, and interventions that borrow a policy for an agent, the policies that their settings name.

    All else stays as it is.

    Raises:
        RunDirectoryError: there is no such run or checkpoint, or it is damaged.
        EnvironmentMismatchError: the policy is one of other spaces, another window or another kind.
    """
    for settings, policy in _borrowed(agent):
        _load(agent, settings, policy)


def borrows_policies(experiment: Experiment) -> bool:
    """Whether some agent plays, or is made to play, a policy that another run has learned."""
    groups = any(group.policy is not None for group in experiment.agents)
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
    directory = RunDirectory.open(Path(settings.run))
    _check_fits(directory.setup(), source, agent, settings)
    checkpoint = find_checkpoint(directory, settings.checkpoint)
    arrays = load_checkpoint(checkpoint, {source})[source]
    try:
        policy.load(arrays[f"policy.{policy.component}"])
        policy.restore_statistics({name.removeprefix("policy."): array for name, array in arrays.items()})
    except (KeyError, ValueError) as error:
        raise RunDirectoryError(f"agent {source} has no policy that fits agent {agent.index}: {error}", where=str(checkpoint)) from error


def check_frozen_policies(setup: Setup) -> None:
    """Read every policy that is borrowed once, before anything is started.

    Raises:
        NetagentsError: as :func:`load_frozen_policy`.
    """
    if borrows_policies(setup.experiment):
        for agent in range(setup.n):
            load_frozen_policy(make_agent(agent, setup))


def _check_fits(other: Setup, source: int, agent: NetworkedAgent, settings: FrozenPolicySettings) -> None:
    setup, index, where = agent.setup, agent.index, f"policy of agent {agent.index}, from {settings.run}"
    if source >= other.n:
        raise EnvironmentMismatchError(f"that run has no agent {source}", where=where, fix=f"its agents are 0 to {other.n - 1}")
    if other.experiment.policy != setup.experiment.policy:
        kinds = other.experiment.policy.kind, setup.experiment.policy.kind
        raise EnvironmentMismatchError(
            f"a policy of kind {kinds[0]} with settings that are not those of the {kinds[1]} here", where=where, fix="use the same policy"
        )
    theirs, ours = other.reach[RadiusKind.POLICY].window(source), agent.policy.window
    places = [j - source for j in theirs] == [j - index for j in ours] or len(theirs) == len(ours) == setup.n == other.n
    spaces = [[each.spec.observation_spaces[j] for j in window] for each, window in ((other, theirs), (setup, ours))]
    if not places or spaces[0] != spaces[1]:
        raise EnvironmentMismatchError(
            f"it reads agents {', '.join(map(str, theirs))} of its run, which do not stand around it as those around agent {index} do",
            where=where,
            fix="use a run with the same kappa_policy, graph and spaces, or name another agent of it",
        )
    if other.spec.action_spaces[source] != setup.spec.action_spaces[index]:
        raise EnvironmentMismatchError("its actions are other ones", where=where, fix="use a run of the same environment")

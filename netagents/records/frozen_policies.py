"""Policies of frozen agents, read from the runs that learned them."""

from __future__ import annotations

from pathlib import Path

from netagents.errors import EnvironmentMismatchError, RunDirectoryError
from netagents.experiment.agent_settings import FrozenPolicySettings, frozen_policy_of
from netagents.learning import NetworkedAgent, Setup, make_agent
from netagents.messages import RadiusKind
from netagents.records.checkpoint import load_checkpoint
from netagents.records.run_directory import RunDirectory
from netagents.records.trained_policies import find_checkpoint


def load_frozen_policy(agent: NetworkedAgent) -> None:
    """Give a frozen agent the policy that its settings name; any other agent stays as it is.

    Raises:
        RunDirectoryError: there is no such run or checkpoint, or it is damaged.
        EnvironmentMismatchError: the policy is one of other spaces, another window or another kind.
    """
    settings = frozen_policy_of(agent.setup.experiment.agents, agent.index)
    if settings is None:
        return
    source = agent.index if settings.agent is None else settings.agent
    directory = RunDirectory.open(Path(settings.run))
    _check_fits(directory.setup(), source, agent, settings)
    checkpoint = find_checkpoint(directory, settings.checkpoint)
    arrays = load_checkpoint(checkpoint, {source})[source]
    try:
        agent.policy.load(arrays[f"policy.{agent.policy.component}"])
        agent.policy.restore_statistics({name.removeprefix("policy."): array for name, array in arrays.items()})
    except (KeyError, ValueError) as error:
        raise RunDirectoryError(f"agent {source} has no policy that fits agent {agent.index}: {error}", where=str(checkpoint)) from error


def check_frozen_policies(setup: Setup) -> None:
    """Read every policy of a frozen agent once, before anything is started.

    Raises:
        NetagentsError: as :func:`load_frozen_policy`.
    """
    for agent in setup.frozen:
        if frozen_policy_of(setup.experiment.agents, agent) is not None:
            load_frozen_policy(make_agent(agent, setup))


def _check_fits(other: Setup, source: int, agent: NetworkedAgent, settings: FrozenPolicySettings) -> None:
    setup, index, where = agent.setup, agent.index, f"policy of agent {agent.index}, from {settings.run}"
    if source >= other.n:
        raise EnvironmentMismatchError(f"that run has no agent {source}", where=where, fix=f"its agents are 0 to {other.n - 1}")
    learned, wanted = other.agents[source], setup.agents[index]
    if learned.policy != wanted.policy:
        kinds = learned.policy.kind, wanted.policy.kind
        raise EnvironmentMismatchError(
            f"a policy of kind {kinds[0]} with settings that are not those of the {kinds[1]} here",
            where=where,
            fix="use the same policy, or state it in policy.settings",
        )
    bounds = learned.learning.logit_bound, wanted.learning.logit_bound
    if wanted.uses_networks and bounds[0] != bounds[1]:
        # How far logits go is part of what a network computes.
        raise EnvironmentMismatchError(
            f"a network that was learned with logit_bound {bounds[0]:g} and would be played with {bounds[1]:g}",
            where=where,
            fix=f"give the group learning: {{logit_bound: {bounds[0]:g}}}",
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

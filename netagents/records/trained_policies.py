"""What a run has learned, from its checkpoints: which one is meant, and the policies in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netagents.errors import EnvironmentMismatchError, RunDirectoryError
from netagents.learning import Setup
from netagents.policies import Policy, TabularPolicy
from netagents.records.checkpoint import checkpoints, load_checkpoint
from netagents.records.run_creation import CHECKPOINTS
from netagents.records.run_directory import RunDirectory


def find_checkpoint(directory: RunDirectory, iteration: int | None) -> Path:
    """The checkpoint of an iteration; None means the newest.

    Raises:
        RunDirectoryError: there is no such checkpoint.
    """
    saved = checkpoints(directory.path / CHECKPOINTS)
    if iteration is None and saved:
        return saved[max(saved)]
    if iteration is None or iteration not in saved:
        have = ", ".join(str(each) for each in saved) or "none"
        problem = "no checkpoint yet" if iteration is None else f"no checkpoint of iteration {iteration}"
        raise RunDirectoryError(f"{problem} (there are: {have})", where=str(directory.path), fix=f"the run is {directory.state}")
    return saved[iteration]


def load_policies(checkpoint: Path, setup: Setup) -> list[Policy]:
    """The policies of all agents in agent order.

    Raises:
        RunDirectoryError: the checkpoint is damaged or does not fit the settings.
    """
    arrays = load_checkpoint(checkpoint, set(range(setup.n)))
    policies = []
    for agent in range(setup.n):
        policy = setup.policy(agent)
        try:
            policy.load(arrays[agent][f"policy.{policy.component}"])
            policy.restore_statistics({name.removeprefix("policy."): array for name, array in arrays[agent].items()})
        except (KeyError, ValueError) as error:
            raise RunDirectoryError(f"agent {agent} has no policy that fits the settings: {error}", where=str(checkpoint)) from error
        policies.append(policy)
    return policies


def as_tables(policies: Sequence[Policy], directory: Path) -> list[TabularPolicy]:
    """The same policies, all of them tables.

    Raises:
        EnvironmentMismatchError: they are networks, which exact methods cannot enumerate.
    """
    tables = [policy for policy in policies if isinstance(policy, TabularPolicy)]
    if len(tables) < len(policies):
        raise EnvironmentMismatchError("its policies are networks, not tables", where=str(directory), fix="use a run with kind softmax")
    return tables

"""Creation of banks: policies of runs, checkpoints and seeds, untrained ones and faulty ones, collected into one folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netagents.environments.specification_json import spec_to_json
from netagents.errors import ExperimentError, RunDirectoryError
from netagents.foreign.part_values import is_foreign
from netagents.learning import Setup
from netagents.policies import Policy, TabularPolicy
from netagents.policies.neural_policy import CategoricalPolicy
from netagents.policies.policy import policy_arrays
from netagents.records.atomic_files import write_json
from netagents.records.checkpoint import TEMPORARY, checkpoints, load_checkpoint, write_checkpoint
from netagents.records.frozen_policies import check_policy_fits
from netagents.records.policy_bank import BANK, BANK_FORMAT, MEMBERS, Arrays, Bank
from netagents.records.record_models import BankMember
from netagents.records.run_creation import CHECKPOINTS, ENVIRONMENT_FACTS, EXPERIMENT, TOPOLOGY, check_free, check_path, self_contained
from netagents.records.run_directory import RunDirectory
from netagents.topology.topology_json import topology_to_json

Which = Literal["last", "all"] | Sequence[int]
"""Checkpoints of a run: the newest, all of them, or those of the given iterations."""


@dataclass(frozen=True)
class _Entry:
    member: BankMember
    arrays: Mapping[int, Arrays]


def make_bank(
    path: Path, runs: Sequence[RunDirectory], which: Which = "last", *, untrained: bool = False, faulty: Sequence[int] = ()
) -> Bank:
    """Collect policies into a new bank; it appears whole or not at all.

    Args:
        path: of the bank; must not exist.
        runs: whose policies; all with the same agents, spaces, windows and policy settings.  The first one describes the bank.
        which: checkpoints of each run.
        untrained: also the policies with which the first run began.
        faulty: for each of these actions, policies that always play it.

    Raises:
        RunDirectoryError: the path exists or cannot be written, there is no run, one is named twice, or a checkpoint is missing.
        EnvironmentMismatchError: a run does not fit the first one.
        ExperimentError: an action does not exist, or policies have no parameters that stand for an action.
    """
    if not runs:
        raise RunDirectoryError("a bank needs at least one run", where=str(path), fix="name run directories")
    check_free(path)
    check_path(path)
    if untrained or faulty:
        runs[0].require_trust()
    setup = runs[0].setup()
    named: set[Path] = set()
    for run in runs:
        if run.path.resolve() in named:
            raise RunDirectoryError("is named twice, and its policies would be in the bank twice", where=str(run.path), fix="name it once")
        named.add(run.path.resolve())
    for run in runs[1:]:
        other = run.setup()
        if other.n != setup.n:
            raise RunDirectoryError(
                f"has {other.n} agents, and {runs[0].path} has {setup.n}", where=str(run.path), fix="use runs of one kind"
            )
        for agent in range(setup.n):
            check_policy_fits(other, agent, setup, agent, f"agent {agent} of {run.path}, beside {runs[0].path}")
    temporary = path.parent / f"{TEMPORARY}{path.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    members: dict[str, BankMember] = {}
    try:
        (temporary / MEMBERS).mkdir(parents=True)
        write_json(temporary / EXPERIMENT, self_contained(setup).model_dump(mode="json"))
        (temporary / TOPOLOGY).write_text(topology_to_json(setup.topology), encoding="utf-8")
        write_json(temporary / ENVIRONMENT_FACTS, spec_to_json(setup.spec))
        for entry in _entries(runs, which, setup, untrained, faulty):
            member, name, number = entry.member, entry.member.name, 2
            while name in members:
                name, number = f"{member.name}-{number}", number + 1
            members[name] = member.model_copy(update={"name": name})
            write_checkpoint(temporary / MEMBERS / name, member.iteration or 0, entry.arrays, {"graph_digest": setup.topology.digest})
        write_json(
            temporary / BANK,
            {
                "format_version": BANK_FORMAT,
                "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "n": setup.n,
                "graph_digest": setup.topology.digest,
                "members": [member.model_dump(exclude_none=True) for member in members.values()],
            },
        )
        temporary.rename(path)
    except OSError as error:
        raise RunDirectoryError(f"cannot be made: {error.strerror}", where=str(path), fix="name a folder that can be written") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bank.open(path)


def _entries(runs: Sequence[RunDirectory], which: Which, setup: Setup, untrained: bool, faulty: Sequence[int]) -> Iterator[_Entry]:
    if untrained:
        arrays = {agent: policy_arrays(setup.policy(agent)) for agent in range(setup.n)}
        yield _Entry(BankMember(name="untrained", kind="untrained", seed=setup.experiment.seed), arrays)
    for action in faulty:
        arrays = {agent: policy_arrays(_always(setup, agent, action)) for agent in range(setup.n)}
        yield _Entry(BankMember(name=f"always-{action}", kind="faulty", action=action), arrays)
    for run in runs:
        name, seed = str(run.manifest["name"]), int(run.manifest["seed"])
        word = "".join(each if each.isascii() and (each.isalnum() or each in "_.-") else "-" for each in name)[:60].lstrip("_.-") or "run"
        for iteration, checkpoint in _checkpoints(run, which).items():
            whole = load_checkpoint(checkpoint, set(range(setup.n)))
            size = max(map(population_size, whole.values()))
            for k in range(max(1, size)):
                arrays = {agent: _of_member(named, k) for agent, named in whole.items()}
                label = f"{word}-seed{seed}-{iteration}" + (f"-m{k}" if size > 1 else "")
                member = BankMember(
                    name=label,
                    kind="trained",
                    run=run.manifest["run"],
                    seed=seed,
                    iteration=iteration,
                    population=k if size > 1 else None,
                )
                yield _Entry(member, arrays)


def _checkpoints(run: RunDirectory, which: Which) -> dict[int, Path]:
    saved = checkpoints(run.path / CHECKPOINTS)
    if not saved:
        raise RunDirectoryError("has no checkpoint", where=str(run.path), fix=f"the run is {run.state}")
    if which == "all":
        return saved
    iterations = [max(saved)] if which == "last" else list(which)
    missing = [iteration for iteration in iterations if iteration not in saved]
    if missing:
        raise RunDirectoryError(
            f"no checkpoint of iteration {missing[0]} (there are: {', '.join(map(str, saved))})",
            where=str(run.path),
            fix="write checkpoints more often with checkpoints.every, or name others",
        )
    return {iteration: saved[iteration] for iteration in iterations}


def population_size(arrays: Mapping[str, NDArray[Any]]) -> int:
    """Members of the population that a seat holds; 0 where it holds one policy of its own."""
    names = [name.split(".", 2)[1] for name in arrays if name.startswith("member.") and ".policy." in name]
    return max(map(int, names), default=-1) + 1


def _of_member(arrays: Arrays, k: int) -> Arrays:
    """The policy of member k, or the only one of an agent that holds no population."""
    size = population_size(arrays)
    prefix = f"member.{min(k, size - 1)}." if size else ""
    start = f"{prefix}policy."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(start)}


def _always(setup: Setup, agent: int, action: int) -> Policy:
    """A policy that plays one action as surely as the bound of logits allows."""
    policy = setup.policy(agent)
    bound = setup.agents[agent].learning.logit_bound
    where, fix = "faulty", "leave the faulty members out"
    if isinstance(policy, TabularPolicy) and not is_foreign(policy):
        size = policy.action_size
        parameters = np.full_like(policy.logits, -bound)
        if action < size:
            parameters[:, action] = bound
    elif isinstance(policy, CategoricalPolicy):
        size = policy.action_size
        parameters = np.zeros_like(policy.weights)
        # The last layer's biases: nothing that is observed has any weight.
        parameters[-size:] = -4.0 * bound
        if action < size:
            parameters[action - size] = 4.0 * bound
    else:
        raise ExperimentError("these policies have no parameters that stand for an action", where=where, fix=fix)
    if action >= size:
        raise ExperimentError(f"agent {agent} has no action {action}", where=where, fix=f"its actions are 0 to {size - 1}")
    policy.load(parameters)
    return policy

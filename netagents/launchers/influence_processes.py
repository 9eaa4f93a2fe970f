"""Rollouts of an influence measurement with the agents as processes: every policy is in the process of its agent, and nobody else's.

Each rollout is a run whose agents are all frozen and play the very episodes that :mod:`netagents.launchers.influence_rollouts` plays in one
process: the same random numbers, so the same returns to the bit.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netagents.errors import RunDirectoryError, UsageError
from netagents.experiment import resolved
from netagents.experiment.load import load_experiment
from netagents.launchers.launch import launch
from netagents.launchers.policy_evaluation import COPIES
from netagents.learning.protocol.played_episodes import EARNED
from netagents.messages import RadiusKind
from netagents.records.influence_returns import FloatArray, InfluenceReturns
from netagents.records.policy_bank import Bank
from netagents.records.run_reader import Run


def play_as_processes(
    run: Run,
    bank: Bank,
    stored_returns: InfluenceReturns,
    everything: Sequence[tuple[int, ...]],
    show: Callable[[int, int], None] | None = None,
) -> None:
    """Play every source, or set of sources, that has no returns yet.

    Args:
        run: whose policies are the reference. bank: of policies.
        stored_returns: where returns are kept, and the plan.
        everything: sources and sets of sources.
        show: called as ``show(sources played, sources in all)``.

    Raises:
        UsageError: the plan has a pulse, in which an agent would play two policies.
        InterruptedRunError: Ctrl-C or SIGTERM; what is played stays, and the same command goes on.
        NetagentsError: a rollout failed.
    """
    if stored_returns.plan.pulse is not None:
        raise UsageError("a pulse is played in one process only", where="--pulse", fix="leave out --pulse or --launcher local")
    missing = [sources for sources in everything if stored_returns.read(sources) is None]
    played = len(everything) - len(missing)
    for number, sources in enumerate(missing, start=played):
        if show is not None:
            show(number, len(everything))
        combinations = itertools.product(range(len(stored_returns.plan.members)), repeat=len(sources))
        rows = [_rollout(run, bank, stored_returns, dict(zip(sources, each, strict=True))) for each in combinations]
        stored_returns.write(sources, np.stack(rows).reshape(stored_returns.shape(sources)))
    if show is not None and missing:
        show(len(everything), len(everything))


def _rollout(run: Run, bank: Bank, stored_returns: InfluenceReturns, varied: dict[int, int]) -> FloatArray:
    """``(M, n, windows)`` rewards of one rollout, in which some agents play members of the bank."""
    plan = stored_returns.plan
    with tempfile.TemporaryDirectory(prefix="netagents-rollout-") as folder:
        played = launch(load_experiment(rollout_settings(run, bank, stored_returns, varied)), path=Path(folder) / "run")
        blocks = []
        for block in range(len(played.iterations)):
            agents = [played.parameters(agent, block)[EARNED] for agent in range(run.n)]
            blocks.append(np.stack(agents, axis=1).transpose(2, 1, 0))
    if not blocks:
        raise RunDirectoryError("a rollout left no returns", where=str(stored_returns.path), fix="the same command goes on")
    return np.ascontiguousarray(np.concatenate(blocks)[: plan.repetitions])


def rollout_settings(run: Run, bank: Bank, stored_returns: InfluenceReturns, varied: dict[int, int]) -> dict[str, Any]:
    """The experiment of one rollout: everybody is frozen, and nothing is sent that no policy reads.

    Args:
        run, bank, kept: of the measurement.
        varied: agent -> number of the member of the bank that it plays.
    """
    plan, setup = stored_returns.plan, run.setup
    reference = {"run": str(run.path.absolute()), "checkpoint": plan.checkpoint}
    groups: list[dict[str, Any]] = [
        {"agents": [agent], "role": "frozen", "policy": {"bank": str(bank.path.absolute()), "member": plan.members[k]}}
        for agent, k in varied.items()
    ]
    others = [agent for agent in range(run.n) if agent not in varied]
    groups += [{"agents": others, "role": "frozen", "policy": reference}] if others else []
    values = resolved(run.experiment)
    blocks = -(-plan.repetitions // COPIES)
    values["learning"] |= {"iterations": blocks, "batch": min(plan.repetitions, COPIES), "horizon": plan.horizon}
    return values | {
        "kappa_policy": list(setup.reach[RadiusKind.POLICY].radii),
        "kappa_critic": 0,
        "kappa_gradient": 0,
        "agents": groups,
        "episodes": {"seed": plan.seed, "windows": plan.windows},
        "interventions": [],
        "signals": [],
        "utility": {"kind": "none"},
        "constraints": [],
        "faults": [],
        "failures": {},
        "clock": {"kind": "lockstep"},
        "checkpoints": {"every": 1, "keep": max(2, blocks)},
        "runtime": {"launcher": "local", "monitor": False},
    }

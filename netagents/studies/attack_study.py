"""Attacks on a finished run, as a study: some agents become fresh learners that harm the others, who are frozen and greedy.

The protocol of MIR2 (arXiv 2310.09833): victims do not know who attacks and learn nothing more; the adversaries see what the agents in
their place saw, and are trained with minus the victims' rewards as theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netagents.errors import UsageError
from netagents.experiment import Experiment
from netagents.experiment.agent_groups import AdversaryIncentiveSettings, AgentGroup, FrozenPolicySettings, GroupLearningSettings
from netagents.experiment.checkpoint_settings import CheckpointSettings
from netagents.experiment.clock_settings import LockstepSettings
from netagents.experiment.failure_settings import FailureSettings
from netagents.experiment.policy_settings import PolicySettings
from netagents.experiment.settings_of_agents import settings_of
from netagents.experiment.signal_settings import CustomTermSettings
from netagents.experiment.topology_settings import EdgesSettings
from netagents.experiment.utility_settings import NoUtilitySettings
from netagents.records.run_reader import Run
from netagents.studies.radius_study import RADII
from netagents.studies.study_specification import Study, StudySetting, diameter, parse_whole_numbers

LEVELS = 8
"""Checkpoints of an adversary's training that are kept: its levels of skill."""


def parse_adversaries(words: Sequence[str], n: int, *, each: bool = False) -> list[tuple[int, ...]]:
    """Groups of adversaries from words such as ``0``, ``1,3`` or ``0..2``, each once, in this order.

    Args:
        words: as written.
        n: number of agents of the run.
        each: every agent alone as well.

    Raises:
        UsageError: a word is no list of agents of the run, or names all of them.
    """
    groups: list[tuple[int, ...]] = [(agent,) for agent in range(n)] if each else []
    for word in words:
        group = tuple(parse_whole_numbers(word, "--adversaries"))
        if group[-1] >= n:
            raise UsageError(f"there is no agent {group[-1]}", where="--adversaries", fix=f"agents are 0 to {n - 1}")
        groups.append(group)
    for group in groups:
        if len(group) == n:
            raise UsageError(f"all {n} agents are adversaries, and nobody is left to harm", where="--adversaries", fix="leave somebody out")
    return list(dict.fromkeys(groups))


def attack_study(
    run: Run,
    groups: Sequence[tuple[int, ...]],
    *,
    budget: int | None = None,
    seeds: int = 3,
    checkpoint: int | None = None,
    adaptive: Sequence[float] = (),
) -> Study:
    """One training run per group of adversaries, kind of adversary and seed.

    Args:
        run: finished, with a checkpoint.
        groups: of adversaries, see :func:`parse_adversaries`.
        budget: iterations of the adversaries' training (default: as many as the run's own).
        seeds: per group; none of them is the run's own.
        checkpoint: of the run (default: the newest).
        adaptive: weights with which adversaries are also paid for the information between victims' observations and actions, besides
            those that are not.

    Raises:
        RunDirectoryError: there is no such checkpoint.
        ExperimentError: the adversaries' experiment cannot be.
    """
    run.policies(checkpoint)
    played = max(run.checkpoints) if checkpoint is None else checkpoint
    iterations = run.experiment.learning.iterations if budget is None else budget
    base = _without_learning(run, iterations).model_copy(update={"agents": _victims(run, played, tuple(range(run.n)))})
    settings = []
    for group in groups:
        victims = tuple(agent for agent in range(run.n) if agent not in group)
        for weight in (0.0, *adaptive):
            roles = (*_victims(run, played, victims), *_adversaries(run, group, victims, weight))
            experiment = Experiment.model_validate(
                {**base.model_dump(mode="json"), "agents": [each.model_dump(mode="json") for each in roles], **_radii(run, group)}
            )
            label = f"adversaries {','.join(map(str, group))}" + ("" if weight == 0.0 else f", adaptive {weight:+g}")
            values: dict[str, Any] = {"adversaries": ",".join(map(str, group)), "adaptive": weight}
            settings.append(StudySetting(label, values, experiment))
    notes = [f"victims play the policies of {run.path.name} after iteration {played}, the most probable action"]
    if run.experiment.agents:
        notes.append("roles and incentives of the run itself do not count here: everybody but the adversaries is frozen")
    first = run.experiment.seed + 1
    return Study(
        "attack",
        run.path.name,
        base,
        tuple(settings),
        tuple(range(first, first + seeds)),
        ("adversaries", "adaptive"),
        "return",
        tuple(notes),
    )


def _without_learning(run: Run, iterations: int) -> Experiment:
    """The run's experiment with everything taken away that agents learn from, and one process for all."""
    experiment, topology = run.experiment, run.topology
    fixed = EdgesSettings(n=topology.n, edges=tuple((int(i), int(j)) for i, j in topology.edges))
    drawn = experiment.topology.kind == "file" or getattr(experiment.topology, "seed", 0) is None
    return experiment.model_copy(
        update={
            "topology": fixed if drawn else experiment.topology,
            "learning": experiment.learning.model_copy(update={"iterations": iterations, "credit": "shared_q", "task_weight": 1.0}),
            "utility": NoUtilitySettings(),
            "constraints": (),
            "signals": (),
            "faults": (),
            "clock": LockstepSettings(),
            "failures": FailureSettings(),
            "runtime": type(experiment.runtime)(launcher="in_process", directory=experiment.runtime.directory),
            "checkpoints": CheckpointSettings(every=max(1, iterations // LEVELS), keep=LEVELS + 1),
        }
    )


def _victims(run: Run, checkpoint: int, agents: Sequence[int]) -> tuple[AgentGroup, ...]:
    """Frozen groups, one for each kind of policy among the agents."""
    kinds: dict[str, tuple[PolicySettings | None, list[int]]] = {}
    for agent in agents:
        own = _own_policy(run, agent)
        kinds.setdefault(repr(own), (own, []))[1].append(agent)
    stored = str(run.path.resolve())
    return tuple(
        AgentGroup(
            agents=tuple(members),
            role="frozen",
            policy=FrozenPolicySettings(run=stored, checkpoint=checkpoint, settings=own),
            greedy=True,
        )
        for own, members in kinds.values()
    )


def _adversaries(run: Run, group: Sequence[int], victims: tuple[int, ...], weight: float) -> tuple[AgentGroup, ...]:
    """The adversaries, each with the policy's and the algorithm's settings of its seat, all of them against the victims."""
    signals = None if weight == 0.0 else (CustomTermSettings(kind="victim_information", weight=weight),)
    made = []
    for agent in group:
        own = next((each for each in run.experiment.agents if agent in each.agents), None)
        learning = GroupLearningSettings() if own is None else own.learning.model_copy(update={"task_weight": None})
        made.append(
            AgentGroup(
                agents=(agent,),
                role="adversary",
                incentive=AdversaryIncentiveSettings(against=victims),
                policy=_own_policy(run, agent),
                learning=learning,
                signals=signals,
            )
        )
    return tuple(made)


def _own_policy(run: Run, agent: int) -> PolicySettings | None:
    """The settings of an agent's policy, where they are not those of all agents."""
    own = settings_of(run.experiment, agent).policy
    return None if own == run.experiment.policy else own


def _radii(run: Run, group: Sequence[int]) -> dict[str, list[int]]:
    """Every agent's radii as in the run, but for adversaries, who are told what everybody earns."""
    widest = diameter(run.topology)
    radii = {f"kappa_{name}": [run.experiment.radius_of(agent, name) for agent in range(run.n)] for name in RADII}
    for agent in group:
        radii["kappa_gradient"][agent] = max(radii["kappa_gradient"][agent], widest)
    return radii

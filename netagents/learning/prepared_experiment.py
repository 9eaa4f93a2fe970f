"""Prepared experiment: everything that a launcher or node needs of it, with every check made before the first file or process exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netagents.environments.environment_builder import build_environment
from netagents.environments.networked_mdp import NetworkedMDP
from netagents.experiment import Experiment
from netagents.experiment.imported_parts import has_foreign_code
from netagents.foreign.containment import contained
from netagents.foreign.part_modules import search_folder
from netagents.learning.branch_checks import check_audit
from netagents.learning.fault_checks import check_faults
from netagents.learning.first_occupancies import check_first_occupancies
from netagents.learning.protocol.setup import Setup
from netagents.learning.setup_builder import check_fits, make_setup
from netagents.randomness import ENVIRONMENT_OWNER, seeded_globally
from netagents.topology import Topology, build_topology


@dataclass(frozen=True)
class Prepared:
    """A run that is known to fit: graph, environment and setup belong together."""

    experiment: Experiment
    topology: Topology
    environment: NetworkedMDP
    setup: Setup


def prepare(
    experiment: Experiment,
    base: Path | None = None,
    *,
    keep: bool = False,
    check: Callable[[Topology], None] | None = None,
    stage: Callable[[str], None] | None = None,
) -> Prepared:
    """Build graph and environment and check that every agent's tables, utility and radii fit.

    Args:
        experiment: the settings.
        base: folder of the experiment file, in which graph files and modules of the user's own are looked up.
        keep: leave what the environment has opened to the caller, who closes it; otherwise it is closed, and opened anew when it is used.
        check: called with the graph, before anything that takes long with many agents; may raise.
        stage: told what is being looked at.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    if not has_foreign_code(experiment):
        return _prepare(experiment, base, keep, check, stage)
    with seeded_globally(experiment.seed, ENVIRONMENT_OWNER):
        return _prepare(experiment, base, keep, check, stage)


def _prepare(
    experiment: Experiment,
    base: Path | None,
    keep: bool,
    check: Callable[[Topology], None] | None,
    stage: Callable[[str], None] | None,
) -> Prepared:
    report = stage if stage is not None else _nothing
    report("building the graph")
    topology = build_topology(experiment.topology, base, experiment.seed)
    if check is not None:
        check(topology)
    if base is not None:
        search_folder(base)
    with contained():
        report(f"building the environment of {topology.n} agents")
        environment = build_environment(experiment.environment, topology)
        try:
            report(f"working out the neighbourhoods of {topology.n} agents")
            setup = make_setup(experiment, topology, environment.spec)
            report(f"checking what each of {topology.n} agents needs")
            check_fits(setup)
            check_faults(setup)
            check_audit(setup)
            report("checking the first utilities")
            check_first_occupancies(setup, environment)
        except BaseException:
            environment.close()
            raise
        if not keep:
            environment.close()
    return Prepared(experiment, topology, environment, setup)


def _nothing(_: str) -> None:
    """Nobody wants to know what is being looked at."""

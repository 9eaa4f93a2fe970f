"""From an experiment to everything a launcher or node needs, with every check made before the first file or process exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netagents.environments.build import build_environment
from netagents.environments.contract import NetworkedMDP
from netagents.experiment import Experiment
from netagents.foreign.containment import contained
from netagents.foreign.part_modules import search_folder
from netagents.learning.check_faults import check_faults
from netagents.learning.probe import check_first_occupancies
from netagents.learning.setup import Setup, check_fits, make_setup
from netagents.topology import Topology, build_topology


@dataclass(frozen=True)
class Prepared:
    """A run that is known to fit: graph, environment and setup belong together."""

    experiment: Experiment
    topology: Topology
    environment: NetworkedMDP
    setup: Setup


def prepare(experiment: Experiment, base: Path | None = None, *, keep: bool = False) -> Prepared:
    """Build graph and environment and check that every agent's tables, utility and radii fit.

    Args:
        experiment: the settings.
        base: folder of the experiment file, in which graph files and modules of the user's own are looked up.
        keep: leave what the environment has opened to the caller, who closes it; otherwise it is closed, and opened anew when it is used.

    Raises:
        NetagentsError: whatever is wrong, in one line; nothing has been written.
    """
    topology = build_topology(experiment.topology, base, experiment.seed)
    if base is not None:
        search_folder(base)
    with contained():
        environment = build_environment(experiment.environment, topology)
        try:
            setup = make_setup(experiment, topology, environment.spec)
            check_fits(setup)
            check_faults(setup)
            check_first_occupancies(setup, environment)
        except BaseException:
            environment.close()
            raise
        if not keep:
            environment.close()
    return Prepared(experiment, topology, environment, setup)

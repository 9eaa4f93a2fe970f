"""Launcher: what carries out a prepared run, and what it states about itself.

The nodes are the same under every launcher, so one experiment has the same bits under all of them.  What differs is where nodes run and how
they are started, watched and ended.  A launcher that places nodes on hosts is a
:class:`~netagents.launchers.hosts.host_launcher.HostLauncher`: it says how a host is reached, and the rest is common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

from netagents.errors import ExperimentError
from netagents.experiment import Experiment
from netagents.experiment.experiment import check_capabilities
from netagents.experiment.launcher_capabilities import OWN_LAUNCHERS, LauncherCapabilities
from netagents.launchers.display import Display
from netagents.launchers.iteration_callback import IterationWatch
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.learning.prepared_experiment import Prepared
from netagents.records.run_directory import RunDirectory


@dataclass(frozen=True)
class LaunchedRun:
    """One run to carry out.

    Attributes:
        prepared: what the directory's settings describe.
        directory: of the run; it is there, and its lock is held.
        display: shows progress; closed by the caller.
        interruptions: signals that were caught before, and are answered by the launcher.
        first: the iteration to go on with, after the checkpoint of the one before; None for a new run.
        watch: of the recorded iterations, for the caller's callback; None where there is none.
        detached: return once the run has been handed over to its engine, where the launcher can do that.
    """

    prepared: Prepared
    directory: RunDirectory
    display: Display
    interruptions: Interruptions
    first: int | None = None
    watch: IterationWatch | None = None
    detached: bool = False

    @property
    def experiment(self) -> Experiment:
        """The settings."""
        return self.prepared.experiment


class Launcher(ABC):
    """What carries out runs; made without arguments, once per run."""

    capabilities: ClassVar[LauncherCapabilities]
    """What it states about itself; settings that do not fit are refused."""

    def check(self, prepared: Prepared, display: Display) -> None:  # noqa: B027 - many need nothing
        """Find out whether what is to carry out the run is there, before anything is written.

        Raises:
            EngineError: it is not; one line, with the engine's own words.
        """

    @abstractmethod
    def carry_out(self, run: LaunchedRun) -> None:
        """Start all nodes, show the progress, and return when the run has finished; nothing is left behind but the records.

        Raises:
            NodeFailedError: names the node that failed first; all others have been ended.
            InterruptedRunError: Ctrl-C or SIGTERM; the records are complete up to then.
            EngineError: what runs the nodes failed.
        """

    def close(self) -> None:  # noqa: B027 - many hold nothing
        """Give back what :meth:`check` has opened; called at the end, also where nothing was carried out, and may be called again."""


LAUNCHERS = {
    "local": "netagents.launchers.local:LocalLauncher",
    "in_process": "netagents.launchers.in_process_launcher:InProcessLauncher",
    "compose": "netagents.launchers.compose.compose_launcher:ComposeLauncher",
    "ssh": "netagents.launchers.ssh.ssh_launcher:SshLauncher",
    "slurm": "netagents.launchers.slurm.slurm_launcher:SlurmLauncher",
    "ray": "netagents.launchers.ray.ray_launcher:RayLauncher",
}
"""Launcher of netagents -> its class, imported only when it is asked for."""


def make_launcher(experiment: Experiment) -> Launcher:
    """The launcher that an experiment asks for.

    Raises:
        ExperimentError: it is one of a user that cannot be made, or that cannot carry out these settings.
    """
    name = experiment.runtime.launcher
    if name in LAUNCHERS:
        module, _, of_class = LAUNCHERS[name].partition(":")
        made: Launcher = getattr(import_module(module), of_class)()
        return made
    where = "runtime.launcher"
    own: Launcher = OWN_LAUNCHERS.make(name, Launcher, {}, {}, where)  # type: ignore[type-abstract]
    if not isinstance(getattr(own, "capabilities", None), LauncherCapabilities):
        raise ExperimentError(
            f"{type(own).__name__} states no capabilities", where=where, fix="set capabilities = LauncherCapabilities(...) in the class"
        )
    try:
        check_capabilities(experiment, own.capabilities)
    except ValueError as error:
        raise ExperimentError(str(error), where=where) from error
    return own

"""Capabilities of launchers: what each states about itself, which is what settings are checked against.

A check never asks for the name of a launcher.  Those that come with netagents have a row here, so that settings can be checked before
anything is imported; a launcher of a user states its row as :attr:`netagents.launchers.launcher.Launcher.capabilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netagents.experiment.imported_parts import PartKind


@dataclass(frozen=True, slots=True)
class LauncherCapabilities:
    """What a launcher states about itself.

    Attributes:
        processes: each node is a process of its own, so that clocks and faults of processes have a meaning.
        same_host: all nodes are on the launcher's host, where links need no network; otherwise they are tcp links with keys.
        forks_here: the nodes are children of the launcher, and this machine's limits of processes are those of the run.
        chooses_transport: ``runtime.transport`` and ``runtime.insecure`` are heeded.
        own_files: nodes can read and write files of the launcher's host under the same paths.
        records_inboxes: ``runtime.record_inbox`` is heeded.
        detaches: a run goes on without the command that started it.
        images: nodes are containers of ``runtime.containers.image``.
    """

    processes: bool = True
    same_host: bool = True
    forks_here: bool = False
    chooses_transport: bool = False
    own_files: bool = True
    records_inboxes: bool = False
    detaches: bool = False
    images: bool = False


CAPABILITIES: Mapping[str, LauncherCapabilities] = {
    "local": LauncherCapabilities(forks_here=True, chooses_transport=True, records_inboxes=True),
    "in_process": LauncherCapabilities(processes=False),
    "compose": LauncherCapabilities(own_files=False, images=True),
    "slurm": LauncherCapabilities(same_host=False, records_inboxes=True, detaches=True),
    "ssh": LauncherCapabilities(same_host=False, own_files=False),
    "ray": LauncherCapabilities(same_host=False, own_files=False),
}
"""Launcher of netagents -> what it states."""

OWN_LAUNCHERS = PartKind("launcher", "netagents.launchers", tuple(CAPABILITIES), "netagents.launchers.launcher.Launcher")
"""Launchers of users, by import path or entry point."""


def stated_capabilities(launcher: str) -> LauncherCapabilities | None:
    """What a launcher of netagents states; None for one of a user, whose class must be imported first."""
    return CAPABILITIES.get(launcher)

"""Launcher inside a Slurm job: the batch step starts the server and the monitor, and a step on each host its agents.

``python -m netagents.launchers.slurm.slurm_job RUN`` carries out the run of a directory that is there.  When Slurm puts the job back into
the queue, it goes on from the newest checkpoint.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from netagents.errors import EngineError, NetagentsError, exit_code_of
from netagents.experiment import Experiment
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.foreign.containment import contained
from netagents.launchers.facts_process import prepare_apart
from netagents.launchers.hosts.agent_placement import Placement
from netagents.launchers.hosts.host_channel import Host, address_towards, runner_command
from netagents.launchers.hosts.host_launcher import HostLauncher
from netagents.launchers.launcher import LaunchedRun
from netagents.launchers.slurm import slurm_client
from netagents.launchers.slurm.job_folder import FOLDER, KEYS, JobDisplay, clear_outcome, write_outcome
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.records.reopened_run import complete, next_iteration
from netagents.records.run_directory import RunDirectory

_ENDED_TASK = re.compile(r"^srun: error: .*\btasks? [0-9,-]+: ")


class SlurmJobLauncher(HostLauncher):
    """Places agents on the hosts of the allocation in which this process runs."""

    capabilities = CAPABILITIES["slurm"]

    def __init__(self, memory: int | None = None) -> None:
        self._memory = memory

    def hosts(self, experiment: Experiment) -> Sequence[Host]:
        nodelist = os.environ.get("SLURM_JOB_NODELIST", "")
        if not nodelist:
            raise EngineError("this process is in no job", where=slurm_client.WHERE)
        named = slurm_client.allocated_hosts(nodelist)
        own = experiment.runtime.hosts.server
        names = []
        for name, place in named:
            others = [address for _, address in named if address != place]
            # The first host is this one, and its own name may stand for loopback here.
            address = address_towards(others[0] if others else place) if name == named[0][0] else numeric(place)
            words = runner_command(experiment.runtime.hosts.python or sys.executable)
            names.append(Host(name, slurm_client.step(name, name, words, memory=None), address=address, server=own))
        return names

    def connections(self, hosts: Sequence[Host], placement: Placement) -> list[tuple[Host, list[str]]]:
        each = super().connections(hosts, placement)
        if self._memory is None:
            return each
        return [
            (
                Host(
                    f"{host.name}, step {role}",
                    slurm_client.step(host.name, role, host.command[-len(runner_command()) :], memory=self._memory),
                    address=host.address,
                    server=host.server,
                ),
                [role],
            )
            for host, roles in each
            for role in roles
        ]

    def explain(self, host: Host, code: int | None, words: Sequence[str]) -> EngineError:
        # Last, srun says that a task has ended; before that, why.
        reasons = [line for line in words if not _ENDED_TASK.search(line)] or [*words]
        words_of_step = reasons[-1][:300] if reasons else f"the step ended with exit code {code}"
        return EngineError(words_of_step, where=f"host {host.name}", fix="all hosts of the job must have netagents at the same path")

    def key_folder(self, directory: RunDirectory) -> Path:
        return directory.path.absolute() / FOLDER / KEYS


def numeric(name: str) -> str:
    """The numeric address of a host.

    Raises:
        EngineError: its name has none here.
    """
    import socket

    try:
        addresses = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise EngineError(f"has no address here: {error.strerror}", where=f"host {name}", fix="see NodeAddr in slurm.conf") from error
    return str(min(addresses, key=lambda entry: entry[0] != socket.AF_INET)[4][0])


def carry_out_job(path: Path) -> None:
    """Carry out the run of a directory, or go on with it, as the job in which this process runs.

    Raises:
        NetagentsError: whatever ends it, in one line.
    """
    # Who submitted the job decided whether code that the directory names may run.
    directory = RunDirectory.open(path, trust=True)
    directory.lock.take()
    folder = path / FOLDER
    clear_outcome(folder)
    shutil.rmtree(folder / KEYS, ignore_errors=True)  # of an attempt that Slurm ended
    experiment = directory.experiment()
    interruptions = Interruptions()
    try:
        with contained():
            prepared = prepare_apart(experiment)
            first = next_iteration(directory) if any(event["event"] == "started" for event in directory.events()) else None
            if first is not None and os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
                directory.append_event("resumed", first_iteration=first, changes=[])
            if first is not None and first >= experiment.learning.iterations:
                complete(directory, prepared)
                return
            memory = experiment.runtime.containers.memory if experiment.runtime.slurm.steps == "role" else None
            SlurmJobLauncher(memory).carry_out(LaunchedRun(prepared, directory, JobDisplay(folder), interruptions, first))
    finally:
        interruptions.close()
        directory.lock.release()


def main() -> int:
    """The job: its exit code is that of the run."""
    path = Path(sys.argv[1])
    try:
        carry_out_job(path)
    except Exception as error:
        print(f"netagents: error: {error}", file=sys.stderr)
        write_outcome(path / FOLDER, error)
        if not isinstance(error, NetagentsError):
            raise
        return exit_code_of(error)
    write_outcome(path / FOLDER, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

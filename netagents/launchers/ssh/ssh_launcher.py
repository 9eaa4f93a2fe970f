"""Ssh launcher: agents on hosts of a list, each host reached with one ssh connection, which carries keys, logs and exit codes."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from netagents.errors import EngineError
from netagents.experiment import Experiment
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.hosts.host_channel import Host, runner_command
from netagents.launchers.hosts.host_launcher import HostLauncher
from netagents.launchers.ssh.hosts_file import read_hosts

SSH_VARIABLE = "NETAGENTS_SSH"
"""Environment variable with the command of ssh and its options, where it is not ``ssh``."""

OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
"""No terminal, no questions, and an end to connections that are dead."""

_COMMAND_MISSING = 127


class SshLauncher(HostLauncher):
    """Reaches the hosts of ``runtime.hosts.file`` with ssh."""

    capabilities = CAPABILITIES["ssh"]

    def sees_files(self, experiment: Experiment) -> bool:
        return experiment.runtime.hosts.shared_files

    def hosts(self, experiment: Experiment) -> Sequence[Host]:
        settings = experiment.runtime.hosts
        if settings.file is None:
            raise EngineError("no file of hosts", where="runtime.hosts.file", fix="name one with --hosts FILE")
        ssh = shlex.split(os.environ.get(SSH_VARIABLE, "ssh"))
        if not ssh or shutil.which(ssh[0]) is None:
            raise EngineError(f"no command '{ssh[0] if ssh else ''}'", where="launcher ssh", fix="install the client of OpenSSH")
        # The remote shell reads one line; the variables that decide about bits are set before Python imports anything.
        threads = " ".join(f"{name}=1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"))
        remote = f"{threads} exec {shlex.join(runner_command(settings.python or sys.executable))}"
        return [
            Host(
                each.name,
                (*ssh, *OPTIONS, *(("-p", str(each.port)) if each.port is not None else ()), "--", each.name, remote),
                each.slots,
                each.address,
                settings.server,
                over_ssh=True,
            )
            for each in read_hosts(Path(settings.file))
        ]

    def explain(self, host: Host, code: int | None, words: Sequence[str]) -> EngineError:
        words_of_ssh = words[-1][:300] if words else f"ssh ended with exit code {code}"
        where = f"host {host.name}"
        if code == _COMMAND_MISSING or "No module named" in words_of_ssh:
            return EngineError(words_of_ssh, where=where, fix="install netagents there, and name its Python with runtime.hosts.python")
        return EngineError(words_of_ssh, where=where, fix=f"`ssh {host.name} true` must work without a question")

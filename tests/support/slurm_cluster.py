"""A real Slurm on loopback for tests: munged, slurmctld and two slurmd on this machine, as children of the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from hidden_folder import without

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
MessageTimeout=10
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=40 RealMemory=40000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=40 RealMemory=40000 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def why_no_slurm() -> str | None:
    """Why none can be started here; None if one can."""
    if os.getuid() != 0:
        return "starting Slurm's daemons needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"Slurm is not installed: no command {missing[0]}" if missing else None


class SlurmCluster:
    """Nodes n1 and n2 of partition ``main``.

    Args:
        folder: for its files; must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.hidden = folder / "hidden"
        """A folder that n2 does not see, where this user may arrange that."""
        self.hidden.mkdir()
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        for name in ("state", "spool-n1", "spool-n2"):
            (folder / name).mkdir(mode=0o700)
        text = CONFIGURATION.format(folder=folder, host=socket.gethostname().partition(".")[0], ports=_free_ports(3))
        (folder / "slurm.conf").write_text(text)

    def start(self) -> None:
        """Start all daemons; returns when both nodes are idle."""
        folder = self.folder
        munge = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.sock"]
        munge += [f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"]
        self._daemon("munged", munge)
        _until(lambda: (folder / "munge.sock").exists(), "the socket of munged")
        self._daemon("slurmctld", ["slurmctld", "-D", "-c"])
        for node in ("n1", "n2"):
            self.start_node(node)
        _until(lambda: self.command("sinfo", "-h", "-o", "%T").split() == ["idle"], "two idle nodes")

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._daemon(node, [*(without(self.hidden) if node == "n2" else ()), "slurmd", "-D", "-N", node])

    def kill(self, name: str) -> None:
        """Kill a daemon."""
        self.daemons[name].kill()
        self.daemons[name].wait()

    def _daemon(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.daemons[name] = subprocess.Popen(words, stdout=output, stderr=output, env={**os.environ, **self.environment})

    def command(self, *words: str) -> str:
        """The output of a command of Slurm."""
        return subprocess.run(words, capture_output=True, text=True, env={**os.environ, **self.environment}, timeout=30).stdout

    def jobs(self) -> list[str]:
        """Numbers of the jobs that wait or run."""
        return self.command("squeue", "-h", "-o", "%i").split()

    def kill_host(self, node: str) -> None:
        """Kill all that runs on a node, as if it had lost its power: slurmd, the daemons of steps, and what the steps run."""
        self.kill(node)
        marks = (f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.folder}/slurm.conf".encode())
        tasks: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if all(mark in variables for mark in marks):
                tasks.append(int(folder.name))
        for pid in {*map(_parent, tasks), *tasks}:
            if pid in tasks or _command(pid).startswith(b"slurmstepd:"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def stop(self) -> None:
        """End everything."""
        for job in self.jobs():
            self.command("scancel", "--signal=KILL", "--full", job)
        for name in ("n1", "n2", "slurmctld", "munged"):
            daemon = self.daemons.get(name)
            if daemon is not None and daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                try:
                    daemon.wait(5)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()


def _until(condition: object, what: str, seconds: float = 30.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _free_ports(count: int) -> list[int]:
    with_sockets = [socket.socket() for _ in range(count)]
    try:
        for each in with_sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in with_sockets]
    finally:
        for each in with_sockets:
            each.close()

"""A real sshd on two loopback addresses, which stand for two hosts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HOSTS = ("127.0.0.2", "127.0.0.3")

CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.2
ListenAddress 127.0.0.3
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
SetEnv TMPDIR={temporary}
"""


def why_no_sshd() -> str | None:
    """Why none can be started here; None if one can."""
    if _sshd() is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        return "OpenSSH's server is not installed: no command sshd"
    with socket.socket() as probe:
        try:
            probe.bind((HOSTS[0], 0))
        except OSError:
            return f"this machine has no second loopback address ({HOSTS[0]})"
    return None


def _sshd() -> str | None:
    return shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


class SshServers:
    """One sshd that listens on both addresses, with a key of its own for the user of the test.

    Args:
        folder: for its files. temporary: folder of temporary files of whatever it starts.
    """

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.folder = folder
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        with socket.socket() as probe:
            probe.bind((HOSTS[0], 0))
            self.port = probe.getsockname()[1]
        file = folder / "sshd_config"
        file.write_text(CONFIGURATION.format(port=self.port, folder=folder, temporary=temporary))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (folder / "sshd.log").open("wb") as log:
            self.process = subprocess.Popen([str(_sshd()), "-D", "-e", "-f", str(file)], stdout=log, stderr=log)
        self.command = f"ssh -F none -i {folder}/user -o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=no -o LogLevel=ERROR"
        deadline = time.monotonic() + 30.0
        while not (folder / "sshd.pid").exists():
            assert self.process.poll() is None, (folder / "sshd.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def hosts_file(self, *slots: int) -> Path:
        """A file with both hosts and their numbers of agents."""
        file = self.folder / "hosts.txt"
        lines = [f"{host} {each} port={self.port}\n" for host, each in zip(HOSTS, slots, strict=True)]
        file.write_text("# two hosts\n" + "".join(lines))
        return file

    def connections(self) -> dict[int, int]:
        """The processes of sshd that serve a connection, with the one that runs its command."""
        results = {}
        for child in _children(self.process.pid):
            below = _children(child)
            # With privileges separated, the monitor's child serves the connection.
            for serving in below:
                results[child] = serving
        return results

    def stop(self) -> None:
        """End it and all its connections."""
        for pid in (*self.connections(), self.process.pid):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self.process.wait(10)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []

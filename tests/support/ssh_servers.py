"""A real sshd on each of two addresses, which stand for two hosts: loopback addresses, or this machine and a network namespace."""

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
HostKey {folder}/host
PidFile {pid}
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


def why_no_namespace() -> str | None:
    """Why no network namespace can be made here; None if one can."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return "a network namespace needs root and the command ip (iproute2)"
    result = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if result.returncode == 0 else f"no network namespace can be made here: {result.stderr.decode().strip()}"


class SshServers:
    """An sshd on each of two addresses, with a key of its own for the user of the test.

    Args:
        folder: for its files. temporary: folder of temporary files of whatever it starts.
        apart: the second host is a network namespace of its own, joined to this machine by one cable.
    """

    def __init__(self, folder: Path, temporary: Path, *, apart: bool = False) -> None:
        self.folder = folder
        self._undo: list[list[str]] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.hosts = self._cable() if apart else HOSTS
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        with socket.socket() as probe:
            probe.bind((self.hosts[0], 0))
            self.port = probe.getsockname()[1]
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.command = f"ssh -F none -i {folder}/user -o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=no -o LogLevel=ERROR"
        for number, host in enumerate(self.hosts):
            self._serve(host, temporary, ["ip", "netns", "exec", self.namespace] if apart and number else [])

    @property
    def namespace(self) -> str:
        """Name of the network namespace; both ends of the cable begin with it."""
        return f"na{os.getpid() % 100_000}"

    def _cable(self) -> tuple[str, str]:
        # The range of RFC 2544, for tests of networks.
        near, far = (f"198.18.{os.getpid() % 250}.{end}" for end in (1, 2))
        name = self.namespace
        for words in (
            ["netns", "add", name],
            ["link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name],
            ["addr", "add", f"{near}/24", "dev", f"{name}a"],
            ["link", "set", f"{name}a", "up"],
            ["-n", name, "addr", "add", f"{far}/24", "dev", f"{name}b"],
            ["-n", name, "link", "set", f"{name}b", "up"],
            ["-n", name, "link", "set", "lo", "up"],
        ):
            subprocess.run(["ip", *words], check=True)
            if words[:2] == ["netns", "add"]:
                self._undo.append(["ip", "netns", "del", name])
        return near, far

    def cut(self) -> None:
        """Pull out the cable: from now on nothing arrives, and nobody is told."""
        subprocess.run(["ip", "link", "set", f"{self.namespace}a", "down"], check=True)

    def _serve(self, host: str, temporary: Path, prefix: list[str]) -> None:
        folder, pid = self.folder, self.folder / f"sshd-{host}.pid"
        file = folder / f"sshd_config-{host}"
        listening = f"ListenAddress {host}\n"
        file.write_text(listening + CONFIGURATION.format(port=self.port, folder=folder, pid=pid, temporary=temporary))
        with (folder / f"sshd-{host}.log").open("wb") as log:
            self.processes.append(subprocess.Popen([*prefix, str(_sshd()), "-D", "-e", "-f", str(file)], stdout=log, stderr=log))
        deadline = time.monotonic() + 30.0
        while not pid.exists():
            assert self.processes[-1].poll() is None, (folder / f"sshd-{host}.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def hosts_file(self, *slots: int) -> Path:
        """A file with both hosts and their numbers of agents."""
        file = self.folder / "hosts.txt"
        lines = [f"{host} {each} port={self.port}\n" for host, each in zip(self.hosts, slots, strict=True)]
        file.write_text("# two hosts\n" + "".join(lines))
        return file

    def connections(self) -> dict[int, int]:
        """The processes of sshd that serve a connection, with the one that runs its command."""
        results = {}
        for child in [child for process in self.processes for child in _children(process.pid)]:
            below = _children(child)
            # With privileges separated, the monitor's child serves the connection.
            for serving in below:
                results[child] = serving
        return results

    def stop(self) -> None:
        """End them and all their connections."""
        for pid in (*self.connections(), *(process.pid for process in self.processes)):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait(10)
        for words in self._undo:
            subprocess.run(words, check=True)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []

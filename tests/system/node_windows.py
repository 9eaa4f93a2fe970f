"""Nodes that are started one by one, as if each had a window of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

from live_run import patience


class ByHand:
    """A shell with many windows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, subprocess.Popen[str]] = {}
        self.files: list[IO[str]] = []

    def node(self, name: str, role: str, *words: str) -> None:
        """Start a node; without keys where no words say otherwise."""
        words = words if "--keys" in words else (*words, "--insecure")
        file = (self.folder / f"{name}.err").open("w")
        self.files.append(file)
        command = [sys.executable, "-m", "netagents", "node", role, *words]
        self.nodes[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file, text=True)

    def code(self, name: str, seconds: float = 30.0) -> int:
        return self.nodes[name].wait(patience(seconds))

    def log_lines(self, name: str) -> list[str]:
        return (self.folder / f"{name}.err").read_text().splitlines()

    def close(self) -> None:
        for process in self.nodes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        for file in self.files:
            file.close()

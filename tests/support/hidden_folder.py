"""A folder that some processes of this machine do not see, as where a file system that hosts are said to share is not shared."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def why_not_hidden() -> str | None:
    """Why no folder can be hidden here; None if one can."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        return "hiding a folder from a process needs root and the command unshare"
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run([*_hiding(Path(folder)), "true"], capture_output=True, check=False)
    return None if result.returncode == 0 else f"no folder can be hidden here: {result.stderr.decode().strip()}"


def without(folder: Path) -> list[str]:
    """The words before a command whose processes see an empty folder there; none where that cannot be arranged."""
    return _hiding(folder) if why_not_hidden() is None else []


def _hiding(folder: Path) -> list[str]:
    # The shell becomes the command, so its process number is the one that was started.
    script = f'mount -t tmpfs none "{folder}" && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]

"""Owner of the records: in a container, the process becomes the user that owns the mounted folder."""

from __future__ import annotations

import os
from pathlib import Path

from netagents.errors import RunDirectoryError


def become_owner_of(folder: Path) -> None:
    """Change this process, started as root, permanently to the user that owns ``folder``, without other groups.

    Does nothing if it is that user already.

    Raises:
        RunDirectoryError: the folder does not exist, or this process is neither its owner nor root.
    """
    try:
        status = folder.stat()
    except OSError as error:
        raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(folder), fix="make it, or mount it") from error
    if os.geteuid() == status.st_uid:
        return
    try:
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)
    except PermissionError:
        raise RunDirectoryError(
            f"belongs to user {status.st_uid}, and this process is user {os.geteuid()}",
            where=str(folder),
            fix=f"start the container as root or as user {status.st_uid}",
        ) from None

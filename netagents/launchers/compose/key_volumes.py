"""Key volumes of a run in containers: each node's new keys are written to the volume that only its container mounts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from netagents.errors import UsageError
from netagents.launchers.node_commands import IMAGE_USER
from netagents.wire.security.key_bundles import KeyBundle, keys_are_held, write_bundle


def fill_volumes(bundles: Iterable[KeyBundle], folder: Path, records: Path) -> bool:
    """Replace the keys in the mounted folders ``folder/ROLE`` by those of a new run; requires root.

    The server's keys belong to the owner of ``records``, to which it changes, those of other nodes to the image's user.

    Args:
        bundles: of all nodes.
        folder: below which the volumes are mounted.
        records: the folder into which the server writes.

    Returns:
        False if a run is using the present keys; they are kept then.

    Raises:
        UsageError: a volume is missing, or cannot be written.
    """
    bundles = list(bundles)
    if keys_are_held(folder / "environment"):
        return False
    try:
        owner = records.stat()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(records), fix="name the folder of the records") from error
    for bundle in bundles:
        own = folder / bundle.role
        if not own.is_dir():
            raise UsageError("nothing is mounted there", where=str(own), fix="write the Compose file anew: it is of another experiment")
        try:
            for old in own.iterdir():
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
            own.chmod(0o700)
            write_bundle(bundle, own)
            user, group = (owner.st_uid, owner.st_gid) if bundle.role == "environment" else (IMAGE_USER, IMAGE_USER)
            for path in (*own.iterdir(), own):
                os.chown(path, user, group)
        except OSError as error:
            raise UsageError(f"keys cannot be written: {error.strerror}", where=str(own), fix="run this as root") from error
    return True

"""Road network files: found when the experiment is loaded, so that a run names them whatever folder it is read from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from netagents.errors import ExperimentError
from netagents.experiment.origins import Origin, closest
from netagents.experiment.yaml_document import KeyPath

ENDING = ".net.xml"

ENVIRONMENT: KeyPath = ("environment",)


def locate_network(values: Any, origins: dict[KeyPath, Origin], base: Path, shipped: Path) -> None:
    """Make the paths of a ``sumo`` environment absolute, and note a digest of what is in the files; anything else stays as it is.

    The name of a network that comes with netagents stays a name, so that the run can be repeated on another machine.

    Args:
        values: the experiment's plain values; changed in place.
        origins: where each setting comes from; changed alike.
        base: the folder that paths are relative to.
        shipped: the folder of the networks that come with netagents.

    Raises:
        ExperimentError: there is no such file.
    """
    environment = values.get("environment") if isinstance(values, dict) else None
    if not (isinstance(environment, dict) and environment.get("kind") == "sumo"):
        return
    files = []
    for key in ("network", "routes"):
        name = environment.get(key, "traffic_grid" if key == "network" else None)
        if not isinstance(name, str) or not name or "\0" in name:
            continue  # the settings say what is wrong
        path = base / name
        if not path.is_file() and key == "network" and (shipped / f"{name.removesuffix(ENDING)}{ENDING}").is_file():
            environment[key] = name.removesuffix(ENDING)
            path = shipped / f"{environment[key]}{ENDING}"
            origins.setdefault((*ENVIRONMENT, key), closest(ENVIRONMENT, origins))
        elif path.is_file():
            environment[key] = str(path.resolve())
        else:
            what = "road network" if key == "network" else "route file"
            fix = "paths are relative to the experiment file"
            if key == "network":
                names = ", ".join(sorted(each.name.removesuffix(ENDING) for each in shipped.glob(f"*{ENDING}")))
                fix = f"{fix}; with netagents come {names}"
            raise ExperimentError(f"no such {what}", where=name, fix=fix)
        files.append(path)
    if files and environment.get("digest") is None:
        environment["digest"] = digest_of(files)
        origins[(*ENVIRONMENT, "digest")] = closest((*ENVIRONMENT, "network"), origins)


def digest_of(files: list[Path]) -> str:
    """16 hexadecimal digits that say whether files are still what they were."""
    whole = hashlib.sha256()
    for path in files:
        try:
            whole.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise ExperimentError(f"cannot be read ({error.strerror or error})", where=str(path)) from None
    return whole.hexdigest()[:16]

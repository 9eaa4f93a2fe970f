"""Settings of containers: image and limits of each container of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netagents.experiment.base import Settings, written


class ContainerSettings(Settings):
    """Images and limits of containers, for the compose launcher, ``netagents compose`` and ``netagents script``; none of it changes
    what is learned.
    """

    image: Annotated[str, written(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}", "write a name of an image, such as netagents:0.1.0")] | None = Field(
        None, description="image of all containers, which may contain your own code; default: the one of launch/Dockerfile"
    )
    memory: Annotated[int, Field(ge=64, le=1 << 20)] = Field(256, description="MiB that an agent or the monitor may use")
    server_memory: Annotated[int, Field(ge=128, le=1 << 20)] = Field(1024, description="MiB that the environment server may use")
    processors: Annotated[float, Field(ge=0.05, le=256.0)] = Field(1.0, description="processors that one container may use")

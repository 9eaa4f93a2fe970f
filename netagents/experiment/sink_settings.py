"""Settings of sinks: places beside the records to which the monitor writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netagents.experiment.base import Settings


class SinkSettings(Settings):
    """A place beside the records to which the monitor writes; one that fails or blocks is cut off, and the run goes on."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] = Field(
        description="files, tensorboard, wandb, mlflow, or what an installed package offers as an entry point of the group netagents.sinks"
    )
    folder: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        "sinks", description="where it writes; a relative one starts where the run was started"
    )
    options: dict[Annotated[str, Field(max_length=200)], str | int | float | bool] = Field(
        default_factory=dict, description="of the sink: project, entity and group of wandb, uri and experiment of mlflow"
    )

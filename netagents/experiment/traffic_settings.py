"""Settings of the environment ``sumo``: traffic signals on a road network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from netagents.experiment.base import Settings, written
from netagents.experiment.environment_kind import Discount, EnvironmentKind, Horizon

Seconds = Annotated[int, Field(ge=1, le=3_600)]


class DemandSettings(Settings):
    """Vehicles that enter at every end of the network and leave at any other, all equally likely; every episode draws its own."""

    vehicles_per_hour: Annotated[float, Field(gt=0.0, le=3_600.0)] = Field(400.0, description="vehicles per hour that enter on each road")


class SumoSettings(EnvironmentKind):
    """Traffic signals in SUMO, one agent each; needs the extra 'sumo'.  Each copy is a process of its own beside the server."""

    built_by: ClassVar[str] = "netagents.environments.adapters.sumo_traffic:SumoTraffic"

    kind: Literal["sumo"] = "sumo"
    network: Annotated[str, Field(min_length=1)] = Field(
        "traffic_grid",
        description="road network (.net.xml): path relative to the experiment file, or traffic_grid or midtown, which come with netagents",
    )
    routes: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="SUMO's route file (.rou.xml) with the traffic, relative to the experiment file; default: traffic as demand says"
    )
    digest: Annotated[str, written(r"[0-9a-f]{16}", "leave it out; loading computes it")] | None = Field(
        None, description="of network and routes as they were when the experiment was loaded; other files are refused afterwards"
    )
    demand: DemandSettings = Field(default_factory=DemandSettings, description="the traffic where no routes are given")
    begin: Annotated[int, Field(ge=0, le=1_000_000)] = Field(0, description="second of the routes at which an episode begins")
    warm_up: Annotated[int, Field(ge=0, le=7_200)] = Field(
        60, description="seconds under the network's own signal programs before the agents take over"
    )
    interval: Seconds = Field(10, description="seconds between decisions, yellow included")
    yellow: Seconds = Field(3, description="seconds of yellow between two green phases")
    horizon: Horizon = Field(60, description="default episode length H, in decisions")
    gamma: Discount = Field(0.9, description="default discount factor")

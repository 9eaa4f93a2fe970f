"""Settings of failure policies: what happens to a run when one of its processes fails."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings

StandIn = Literal["noop", "random", "last"]


class FailureSettings(Settings):
    """Failure policies, per role.  The environment server's failure always ends the run: ``netagents resume``."""

    agent: Literal["stop_all", "restart", "continue_without"] = Field(
        "stop_all",
        description="end the run; or start the agent again and take all agents back to the newest checkpoint (checkpoints.every); or "
        "go on without it, from the start of the iteration in which it failed",
    )
    stand_in: StandIn = Field(
        "noop", description="what the server plays for a lost agent: action 0, uniformly random actions, or its last action repeatedly"
    )
    monitor: Literal["continue_without", "stop_all"] = Field("continue_without", description="go on, or end the run")
    restarts: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="how often one agent is started again before its failure ends the run"
    )
    delay: Annotated[float, Field(ge=0.0, le=3600.0)] = Field(
        0.2, description="seconds before an agent's first restart; twice as long before each further one"
    )

    @property
    def longest_delay(self) -> float:
        """Seconds before the last restart that is allowed."""
        return float(self.delay * 2.0 ** min(self.restarts - 1, 60))

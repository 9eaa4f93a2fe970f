"""Settings of clocks: which node waits for which, and what lockstep does about an action that is late."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings

Late = Annotated[float, Field(gt=0.0, le=3600.0)]
Grace = Annotated[float, Field(ge=0.0, le=3600.0)]


class WaitSettings(Settings):
    """The step waits for every action, up to timeouts.exchange."""

    kind: Literal["wait"] = "wait"


class UseLastSettings(Settings):
    """An agent that is late repeats its last action; its policy learns nothing from that step."""

    kind: Literal["use_last"] = "use_last"
    after: Late = Field(0.1, description="seconds after which an action is late")
    max_age: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        5, description="steps for which an action may be repeated; then the step waits, up to timeouts.exchange"
    )


class DropStepSettings(Settings):
    """An agent that is late does nothing (action 0) in this step, and its policy learns nothing from it."""

    kind: Literal["drop_step"] = "drop_step"
    after: Late = Field(0.1, description="seconds after which an action is late")


StragglerSettings = Annotated[WaitSettings | UseLastSettings | DropStepSettings, Field(discriminator="kind")]


class LockstepSettings(Settings):
    """Every step waits for all agents: repeatable bit for bit."""

    kind: Literal["lockstep"] = "lockstep"
    straggler: StragglerSettings = Field(WaitSettings(), description="what the server does about an action that is late")


class BoundedStalenessSettings(Settings):
    """An agent uses messages of its neighbours that are at most some steps old, and waits where they are older."""

    kind: Literal["bounded_staleness"] = "bounded_staleness"
    steps: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        description="s: a State may be this many steps old, a Trace, ShadowReward or TruncatedQ this many iterations"
    )
    grace: Grace = Field(0.02, description="seconds to wait for the newest message before an older one is used")


class FreeRunningSettings(Settings):
    """The environment does not wait: it steps on a timer, with each agent's last action."""

    kind: Literal["free_running"] = "free_running"
    period: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(description="seconds between steps of the environment")
    grace: Grace = Field(0.02, description="seconds to wait for an iteration's Trace, ShadowReward or TruncatedQ")


ClockSettings = Annotated[LockstepSettings | BoundedStalenessSettings | FreeRunningSettings, Field(discriminator="kind")]

"""Settings of the environment ``smax``: battles like StarCraft's, simulated by JaxMARL."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from netagents.experiment.environment_kind import Discount, EnvironmentKind, Horizon

BattleMap = Literal["3m", "4m_vs_3m", "8m", "25m", "5m_vs_6m", "10m_vs_11m", "27m_vs_30m"]


class SmaxSettings(EnvironmentKind):
    """SMAX, JaxMARL's battles after StarCraft: one agent per marine of one's own against a scripted enemy; needs the extra 'jax'."""

    built_by: ClassVar[str] = "netagents.environments.adapters.smax:Smax"

    kind: Literal["smax"] = "smax"
    map: BattleMap = Field("3m", description="marines on either side; one's own are the agents")
    radius: Annotated[float, Field(gt=0.0, le=1_000.0)] = Field(
        9.0, description="distance within which living units of one's own are neighbours; 9 is how far a marine sees, the field is 32 x 32"
    )
    horizon: Horizon = Field(100, description="default episode length H")
    gamma: Discount = Field(0.99, description="default discount factor")

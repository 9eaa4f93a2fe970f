"""Settings of the kitchen: Overcooked with any number of cooks, shipped layouts, rooms in a row, or a kitchen of your own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.base import Settings, written
from netagents.experiment.environment_kind import Cost, Discount, EnvironmentKind, Horizon

Order = Annotated[str, written(r"[OT]{1,3}", "write the ingredients of one soup, O (onion) and T (tomato), such as OOO")]
Seconds = Annotated[int, Field(ge=1, le=60)]
Value = Annotated[float, Field(ge=0.0, le=1e6)]


class ShapingSettings(Settings):
    """Extra rewards of single steps of the work, for learning only: 3 for an ingredient in a pot, 3 for a useful dish (two cooks),
    5 for a soup taken from its pot.  Their weight falls linearly from ``weight`` at iteration 0 to 0 at ``until_iteration``.
    """

    weight: Cost = Field(1.0, description="weight of the shaped rewards at iteration 0")
    until_iteration: Annotated[int, Field(ge=1, le=10_000_000)] = Field(description="first iteration without shaped rewards")


class KitchenSettings(EnvironmentKind):
    """Overcooked: cooks share a kitchen, fill pots, and carry soups to the hatch."""

    built_by: ClassVar[str] = "netagents.environments.games.kitchen:Kitchen"

    kind: Literal["kitchen"] = "kitchen"
    layout: Literal[
        "cramped_room",
        "asymmetric_advantages",
        "coordination_ring",
        "forced_coordination",
        "counter_circuit_o_1order",
        "counter_circuit",
        "centre_pots",
        "bottleneck",
        "m_shaped_s",
        "large_room",
        "five_by_five",
        "multiplayer_schelling",
        "corridor",
        "rooms",
    ] = Field("cramped_room", description="a shipped layout, or rooms: one room per cook, in a row")
    grid: str | None = Field(
        None,
        description="own kitchen: lines of X (counter), O, T, D (onions, tomatoes, dishes), P (pot), S (hatch), 1 to 9 (starts), blanks",
    )
    room_width: Annotated[int, Field(ge=1, le=20)] = Field(1, description="columns of floor in each room of layout rooms")
    room_height: Annotated[int, Field(ge=3, le=20)] = Field(3, description="rows of floor in each room of layout rooms")
    dynamics: Literal["old", "new"] = Field(
        "old", description="old: three ingredients start to cook by themselves; new: a cook with empty hands starts a pot, however full"
    )
    collisions: Literal["freeze_all", "pairwise"] = Field(
        "freeze_all", description="when two cooks collide: nobody in the kitchen moves (the public engine's rule), or only those two stay"
    )
    orders: Annotated[tuple[Order, ...], Field(min_length=1)] | None = Field(
        None, description="soups that are paid for; default: the layout's, else [OOO]"
    )
    bonus_orders: tuple[Order, ...] | None = Field(None, description="soups that pay twice; default: the layout's, else none")
    delivery: Value | None = Field(None, description="what a delivered soup pays; default: the layout's, else 20")
    ingredient_values: tuple[Value, Value] | None = Field(
        None, description="instead of delivery: what each onion and each tomato of a soup pays"
    )
    cook_time: Seconds | None = Field(None, description="steps that a soup cooks; default: the layout's, else 20")
    ingredient_times: tuple[Seconds, Seconds] | None = Field(
        None, description="instead of cook_time: steps per onion and per tomato of a soup"
    )
    rewards: Literal["team", "own"] = Field("team", description="team: everybody earns every delivery; own: the cook who delivers")
    shaping: ShapingSettings | None = Field(None, description="shaped rewards; returns are reported without them")
    observation: Literal["full", "local"] = Field("full", description="full: the whole kitchen; local: a window around the cook")
    sight: Annotated[int, Field(ge=1, le=10)] = Field(2, description="a local window has 2 sight + 1 cells per side")
    graph: Literal["fixed", "proximity"] = Field(
        "fixed", description="who are neighbours: as the topology says, or moving: cooks within the radius of each other"
    )
    radius: Annotated[int, Field(ge=1, le=200)] = Field(3, description="king's moves within which cooks are neighbours, with proximity")
    random_start: bool = Field(False, description="start on random cells, within reach of the drawn ones, instead of the drawn cells")
    horizon: Horizon = Field(400, description="default episode length H")
    gamma: Discount = Field(0.99, description="default discount factor")

    @model_validator(mode="after")
    def _one_rule_each(self) -> Self:
        for one, other in (("delivery", "ingredient_values"), ("cook_time", "ingredient_times")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"{one} and {other} exclude each other; use one of them")
        if self.dynamics == "old":
            for order in (*(self.orders or ()), *(self.bonus_orders or ())):
                if len(order) != 3:
                    raise ValueError(f"order {order}: with dynamics old only soups of three ingredients cook; use dynamics: new")
        return self

"""Settings of the environments in ``netagents.environments.games``: small tasks in which agents depend on each other."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from netagents.experiment.base import Settings
from netagents.experiment.environment_kind import Cost, Discount, EnvironmentKind, Horizon, Probability
from netagents.experiment.game_table import check_game
from netagents.experiment.kitchen_settings import KitchenSettings

Payoff = Annotated[float, Field(ge=-1e6, le=1e6)]
Payoffs = Annotated[
    tuple[Annotated[tuple[Payoff, ...], Field(min_length=2, max_length=64)], ...],
    Field(min_length=2, max_length=64, description="payoffs[own action][other's action] of a symmetric game"),
]


class MatrixRules(Settings):
    """A symmetric two-player game; on a graph every agent plays one action against all neighbours and earns the mean payoff."""

    payoffs: Payoffs

    @field_validator("payoffs")
    @classmethod
    def _square(cls, payoffs: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        for number, row in enumerate(payoffs):
            if len(row) != len(payoffs):
                raise ValueError(f"row {number} has {len(row)} entries; use {len(payoffs)} rows of {len(payoffs)} payoffs each")
        return payoffs


class PrisonersDilemmaRules(MatrixRules):
    """Action 0 cooperates, 1 defects; defecting always pays more."""

    kind: Literal["prisoners_dilemma"] = "prisoners_dilemma"
    payoffs: Payoffs = ((3.0, 0.0), (5.0, 1.0))


class StagHuntRules(MatrixRules):
    """Action 0 hunts the stag, which takes both; 1 hunts the hare, which is safe."""

    kind: Literal["stag_hunt"] = "stag_hunt"
    payoffs: Payoffs = ((4.0, 0.0), (2.0, 2.0))


class ChickenRules(MatrixRules):
    """Action 0 is the dove, 1 the hawk; two hawks get nothing."""

    kind: Literal["chicken"] = "chicken"
    payoffs: Payoffs = ((3.0, 2.0), (5.0, 0.0))


class PureCoordinationRules(MatrixRules):
    """Equal actions pay 1, others nothing."""

    kind: Literal["pure_coordination"] = "pure_coordination"
    payoffs: Payoffs = ((1.0, 0.0), (0.0, 1.0))


class PublicGoodsRules(Settings):
    """Action 1 gives: r_i = multiplier x (share of givers among i and its neighbours) - cost x (i gives)."""

    kind: Literal["public_goods"] = "public_goods"
    multiplier: Cost = Field(2.0, description="what a neighbourhood in which all give pays each member")
    cost: Cost = Field(1.0, description="what giving costs; a dilemma where multiplier / (degree + 1) < cost < multiplier")


class RelyRules(Settings):
    """RELY(c, L, delta): leaves rely on themselves or on hubs.  Agents 0 and 1 are the hubs, all others leaves."""

    kind: Literal["rely"] = "rely"
    self_reward: Payoff = Field(0.5, description="c: what a leaf earns alone; relying on a hub that serves pays 1")
    loss: Cost = Field(2.0, description="L: what a leaf loses that relies on a hub which sabotages")
    split_cost: Cost = Field(0.1, description="delta: what splitting reliance over both hubs costs")
    wage: Cost = Field(0.1, description="what a hub that serves earns per step and leaf that relies on it")


class GameTableRules(Settings):
    """A game written out in tables."""

    kind: Literal["table"] = "table"
    game: dict[str, JsonValue] = Field(description="players, actions, states, rewards and transitions; see docs/environments.md")

    @field_validator("game")
    @classmethod
    def _sound(cls, game: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return check_game(game)


class GameFileRules(Settings):
    """A game from a YAML file, which is read when the experiment is loaded."""

    kind: Literal["file"] = "file"
    path: str = Field(min_length=1, description="path relative to the experiment file")


RulesSettings = Annotated[
    PrisonersDilemmaRules
    | StagHuntRules
    | ChickenRules
    | PureCoordinationRules
    | PublicGoodsRules
    | RelyRules
    | GameTableRules
    | GameFileRules,
    Field(discriminator="kind"),
]


class GameSettings(EnvironmentKind):
    """A finite game in tables, repeated: a built-in one, or your own from a file."""

    built_by: ClassVar[str] = "netagents.environments.games.build_game:build_game"

    kind: Literal["game"] = "game"
    rules: RulesSettings = Field(PrisonersDilemmaRules(), description="which game")
    memory: Literal["none", "last_action"] = Field(
        "none", description="last_action: an agent's local state is its last action (0: none yet), so that neighbours receive it"
    )
    horizon: Horizon = Field(20, description="default episode length H")
    gamma: Discount = Field(0.95, description="default discount factor")

    @model_validator(mode="after")
    def _one_memory(self) -> Self:
        if self.memory == "last_action" and isinstance(self.rules, GameTableRules) and "states" in self.rules.game:
            raise ValueError("memory last_action is for stage games, and this game has states of its own; use memory: none")
        return self


class GatheringSettings(EnvironmentKind):
    """Agents on a ring of cells that should meet where most of them are."""

    built_by: ClassVar[str] = "netagents.environments.games.gathering:Gathering"

    kind: Literal["gathering"] = "gathering"
    cells: Annotated[int, Field(ge=3, le=10_000)] = Field(12, description="cells of the ring (m)")
    sight: Annotated[int, Field(ge=0, le=5_000)] = Field(2, description="distance up to which an agent sees others (r)")
    observation: Literal["sight", "cell"] = Field(
        "sight", description="what an agent observes: how many others are in each cell it sees, or its own cell, which neighbours receive"
    )
    slip: Probability = Field(0.05, description="chance that a move fails and the agent stays")
    horizon: Horizon = Field(20, description="default episode length H")
    gamma: Discount = Field(0.95, description="default discount factor")


class PredatorPreySettings(EnvironmentKind):
    """Predators with local sight that catch prey together on a grid."""

    built_by: ClassVar[str] = "netagents.environments.games.predator_prey:PredatorPrey"

    kind: Literal["predator_prey"] = "predator_prey"
    side: Annotated[int, Field(ge=2, le=255)] = Field(5, description="cells per side of the grid")
    prey: Annotated[int, Field(ge=1, le=10_000)] | None = Field(None, description="number of prey; default: half as many as predators")
    sight: Annotated[int, Field(ge=0, le=20)] = Field(2, description="a predator sees a square of 2 sight + 1 cells per side around itself")
    hunters: Annotated[int, Field(ge=1, le=100)] = Field(2, description="predators that are needed for a catch")
    reach: Annotated[int, Field(ge=0, le=255)] = Field(2, description="king's moves within which they must be of the prey")
    prey_motion: Probability = Field(1.0, description="chance per step that a prey takes one of the five actions at random, else it stays")
    horizon: Horizon = Field(50, description="default episode length H")
    gamma: Discount = Field(0.95, description="default discount factor")


class LoadBalancingSettings(EnvironmentKind):
    """Nodes that execute jobs or off-load them to neighbours before one overflows: the task of RoM-Q."""

    built_by: ClassVar[str] = "netagents.environments.games.load_balancing:LoadBalancing"

    kind: Literal["load_balancing"] = "load_balancing"
    capacity: Annotated[int, Field(ge=1, le=62)] = Field(3, description="jobs that a node can hold (c)")
    arrival: Probability = Field(0.5, description="chance of a new job per node and step")
    penalty: Cost = Field(100.0, description="what an overflow costs the node")
    alive: Cost = Field(8.0, description="what a node earns per step while no node has overflowed (u)")
    execute_costs: Annotated[tuple[Cost, ...], Field(min_length=1)] = Field(
        (4.0, 1.0), description="what executing a job costs nodes 0, 1, ...; repeated when there are more nodes"
    )
    offload_costs: Annotated[tuple[Cost, ...], Field(min_length=1)] = Field(
        (2.0, 2.0), description="what off-loading a job costs nodes 0, 1, ...; repeated when there are more nodes"
    )
    horizon: Horizon = Field(50, description="default episode length H")
    gamma: Discount = Field(0.9, description="default discount factor")


class MatrixGridSettings(EnvironmentKind):
    """A matrix game played by walking: collect resources of two classes, then interact by beam ("in the matrix" of Melting Pot)."""

    built_by: ClassVar[str] = "netagents.environments.games.matrix_grid:MatrixGrid"

    kind: Literal["matrix_grid"] = "matrix_grid"
    game: Literal["chicken", "stag_hunt", "prisoners_dilemma", "pure_coordination"] = Field("chicken", description="whose payoffs")
    payoffs: Payoffs | None = Field(None, description="2 x 2 payoffs[own class][other's class] instead of the game's")
    map: Literal["small", "medium", "large", "obstacle"] = Field("small", description="one of the four maps")
    layout: str | None = Field(
        None, description="a map of your own: lines of W (wall), n (start), 1, 2 (resource), a (either resource) and blanks"
    )
    regeneration: Probability = Field(0.02, description="chance per step that a resource comes back, once its delay is over")
    regeneration_delay: Annotated[int, Field(ge=0, le=10_000)] = Field(10, description="steps that a taken resource stays away at least")
    freeze: Annotated[int, Field(ge=0, le=1_000)] = Field(
        16, description="steps between an interaction and its payment, in which both players are frozen"
    )
    respawn: Annotated[int, Field(ge=1, le=1_000)] = Field(5, description="steps between their payment and their return")
    random_end: bool = Field(
        False, description="copies end with probability 0.1 every 100 steps from step 1000 on, at 5000 at the latest (stag hunt: 2500)"
    )
    horizon: Horizon = Field(2_000, description="default episode length H")
    gamma: Discount = Field(0.99, description="default discount factor")

    @field_validator("payoffs")
    @classmethod
    def _two_by_two(cls, payoffs: tuple[tuple[float, ...], ...] | None) -> tuple[tuple[float, ...], ...] | None:
        if payoffs is not None and [len(row) for row in payoffs] != [2, 2]:
            raise ValueError("there are two classes of resources; use 2 rows of 2 payoffs")
        return payoffs


GAMES: tuple[type[EnvironmentKind], ...] = (
    GameSettings,
    GatheringSettings,
    PredatorPreySettings,
    LoadBalancingSettings,
    MatrixGridSettings,
    KitchenSettings,
)
"""Settings of the games that come with netagents."""

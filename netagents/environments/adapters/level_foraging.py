"""Level-based foraging (package ``lbforaging``) as a ``ParallelEnv``: that package's rules, and the agents' places beside their sight.

Agents and food on a grid have levels.  Whoever is next to food may load it; it is taken when the levels of those that load it at once
are at least its own, and they share it by level.  Agents see what lies within ``sight``, and so they form a graph that moves.  Used through
``environment: {kind: pettingzoo, make: "netagents.environments.adapters.level_foraging:parallel_env"}``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.picture import Marker, Picture, Tile, agent_colour

ACTIONS = 6
"""None, north, south, west, east, load."""


class ForagingParallelEnv:
    """One grid of the package.

    An agent observes its row and column, then what the package gives it: row, column and level of each food, of itself and of each other
    agent in sight, relative to the corner of its sight; -1, -1, 0 for what it does not see.  The package shows an agent at the border
    others that are up to twice as far away; these are hidden here.  Illegal actions are masked.

    Args:
        size: cells per side.
        players, foods: how many agents and how much food.
        sight: how many cells an agent sees in each direction.
        cooperative: food of a level that needs all agents (at most three of them); else any level up to that.
        steps: after which the package ends an episode.
    """

    def __init__(self, size: int, players: int, foods: int, sight: int, *, cooperative: bool, steps: int) -> None:
        from gymnasium.spaces import Box, Discrete
        from lbforaging.foraging import ForagingEnv
        from lbforaging.foraging.environment import Player

        class NumberedPlayer(Player):  # type: ignore[misc]
            """An agent of the package that is hashed by its number: sets of them would otherwise have another order in each process."""

            def __init__(self, number: int) -> None:
                super().__init__()
                self.number = number

            def __hash__(self) -> int:
                return self.number

            def __eq__(self, other: object) -> bool:
                return self is other

        self._game: Any = ForagingEnv(
            players=players,
            min_player_level=1,
            max_player_level=2,
            min_food_level=1,
            max_food_level=None,
            field_size=(size, size),
            max_num_food=foods,
            sight=sight,
            max_episode_steps=steps,
            force_coop=cooperative,
            grid_observation=False,
        )
        self._game.players = [NumberedPlayer(number) for number in range(players)]
        self.size, self.steps = size, steps
        self.possible_agents = [f"agent_{number}" for number in range(players)]
        self.agents: list[str] = []
        space = self._game.observation_space[0]
        low, high = (np.concatenate([[edge, edge], bound]) for edge, bound in ((0.0, space.low), (size - 1.0, space.high)))
        self._observation_space = Box(low.astype(np.float32), high.astype(np.float32))
        self._acting = Discrete(ACTIONS)

    def observation_space(self, agent: str) -> Any:  # noqa: ARG002 - the same for all
        """Box of ``2 + 3 foods + 3 players`` numbers."""
        return self._observation_space

    def action_space(self, agent: str) -> Any:  # noqa: ARG002 - the same for all
        """Six actions."""
        return self._acting

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new grid."""
        for player in self._game.players:
            player.position = None  # the package would keep new ones away from the places of the last episode
        observations, _ = self._game.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        return self._observations(observations), self._infos()

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, Any]:
        """One step of all agents."""
        choices = [int(actions[agent]) for agent in self.possible_agents]
        observations, rewards, over, _, _ = self._game.step(choices)
        cut = bool(over) and self._game.field.sum() > 0
        result = (
            self._observations(observations),
            dict(zip(self.possible_agents, map(float, rewards), strict=True)),
            dict.fromkeys(self.possible_agents, bool(over) and not cut),
            dict.fromkeys(self.possible_agents, cut),
            self._infos(),
        )
        if over:
            self.agents = []
        return result

    def close(self) -> None:
        """Nothing to give back."""

    def picture(self) -> Picture:
        """The grid: food as discs with its level, agents with their number and a smaller disc where they are of level 2."""
        tiles = [Tile(float(column), float(row), "#e3e8d8") for row in range(self.size) for column in range(self.size)]
        markers = [
            Marker(column + 0.5, row + 0.5, "#e69f00", text=str(self._game.field[row, column]), radius=0.3)
            for row, column in np.argwhere(self._game.field > 0).tolist()
        ]
        for number, player in enumerate(self._game.players):
            row, column = player.position
            markers.append(
                Marker(
                    column + 0.5, row + 0.5, agent_colour(number), agent=number, badge="#f7e08a" if player.level > 1 else "", heading=0.0
                )
            )
        remaining = int((self._game.field > 0).sum())
        return Picture(float(self.size), float(self.size), tiles, markers, caption=f"{remaining} foods left")

    def _observations(self, arrays: Any) -> dict[str, NDArray[np.float32]]:
        observations = {}
        for agent, player, each in zip(self.possible_agents, self._game.players, arrays, strict=True):
            players = each[3 * self._game.max_num_food :].reshape(-1, 3).copy()
            players[np.abs(players[:, :2] - players[0, :2]).max(axis=1) > self._game.sight] = (-1.0, -1.0, 0.0)
            observations[agent] = np.concatenate([player.position, each[: 3 * self._game.max_num_food], players.ravel()]).astype(np.float32)
        return observations

    def _infos(self) -> dict[str, Any]:
        infos = {}
        for agent, player in zip(self.possible_agents, self._game.players, strict=True):
            mask = np.zeros(ACTIONS, dtype=np.int8)
            mask[[action.value for action in self._game._valid_actions[player]]] = 1
            infos[agent] = {"action_mask": mask}
        return infos


def parallel_env(
    size: int = 8, players: int = 3, foods: int = 3, sight: int = 2, *, cooperative: bool = False, steps: int = 50
) -> ForagingParallelEnv:
    """Level-based foraging; see :class:`ForagingParallelEnv`."""
    return ForagingParallelEnv(size, players, foods, sight, cooperative=cooperative, steps=steps)

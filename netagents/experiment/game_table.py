"""Game tables as users write them: players, actions, one shared state, rewards and transitions, and what may be wrong with them.

::

    players: [row, column]              # or a number
    actions: [cooperate, defect]        # of all players, or one list per player
    states: [calm, war]                 # default: none, a stage game
    keeper: row                         # whose local state it is; default: the first player
    start: calm                         # or {calm: 0.5, war: 0.5}; default: the first state
    rewards:                            # [state][first player's action][second player's action]...: one number per player, or one for all
      calm: [[[3, 3], [0, 5]], [[5, 0], [1, 1]]]
      war: [[[1, 1], [0, 2]], [[2, 0], [0, 0]]]
    transitions:                        # the same way: the next state, or chances of several
      calm: [[calm, war], [war, {calm: 0.1, war: 0.9}]]
      war: {cooperate: [calm, war], defect: [war, war]}

Each level is a list in the order of the names, or a mapping from names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

KEYS = ("name", "players", "actions", "states", "keeper", "start", "rewards", "transitions")
MOST_PLAYERS = 16
TOLERANCE = 1e-9


class GameTableError(ValueError):
    """Something wrong with a game table: where in it, what, and what would be right."""

    def __init__(self, path: Path, what: str, fix: str) -> None:
        self.path = path
        self.what = what
        self.fix = fix
        dotted = ".".join(str(part) for part in path)
        super().__init__(f"{dotted}: {what}; {fix}" if path else f"{what}; {fix}")


class GameTable(NamedTuple):
    """A finite game with at most one shared state.

    Attributes:
        players: names. actions: names, per player. states: names; one state for a stage game.
        keeper: the player whose local state the game's state is.
        start: chance of each state.
        rewards: for each state and joint action, the last player's varying fastest, one number per player.
        transitions: in the same order, the chance of each next state.
    """

    players: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    states: tuple[str, ...]
    keeper: int
    start: tuple[float, ...]
    rewards: tuple[tuple[float, ...], ...]
    transitions: tuple[tuple[float, ...], ...]


def check_game(game: dict[str, Any]) -> dict[str, Any]:
    """The game as it was given.

    Raises:
        GameTableError: it is none.
    """
    read_game(game)
    return game


def read_game(game: Any) -> GameTable:
    """The tables of a game.

    Raises:
        GameTableError: a key is missing or unknown, a level has the wrong length, a name is unknown, or chances do not sum to one.
    """
    if not isinstance(game, Mapping):
        raise GameTableError((), "holds no game", "write players:, actions: and rewards:")
    for key in game:
        if key not in KEYS:
            raise GameTableError((key,), f"unknown key '{key}'", f"keys are {', '.join(KEYS)}")
    for key in ("players", "actions", "rewards"):
        if key not in game:
            raise GameTableError((), f"'{key}' is missing", "a game has players, actions and rewards")
    players = _players(game["players"])
    actions = _actions(game["actions"], players)
    stage = "states" not in game
    states = ("stage",) if stage else _names(game["states"], ("states",), "state")
    for key in ("keeper", "start", "transitions"):
        if stage and key in game:
            raise GameTableError((key,), f"'{key}' without states", "list the states, or leave it out")
    if not stage and "transitions" not in game:
        raise GameTableError(("states",), "'transitions' is missing", "say for each state and joint action which state comes next")
    keeper = _keeper(game["keeper"], players) if "keeper" in game else 0
    start = _law(game["start"], states, ("start",)) if "start" in game else _law(states[0], states, ())
    levels = [(f"action of {player}", names) for player, names in zip(players, actions, strict=True)]
    if not stage:
        levels.insert(0, ("state", states))
    rewards = tuple(_rewards(value, len(players), path) for path, value in _leaves(game["rewards"], levels, ("rewards",)))
    if stage:
        transitions: tuple[tuple[float, ...], ...] = ((1.0,),) * len(rewards)
    else:
        transitions = tuple(_law(value, states, path) for path, value in _leaves(game["transitions"], levels, ("transitions",)))
    return GameTable(players, actions, states, keeper, start, rewards, transitions)


def _players(value: Any) -> tuple[str, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        names = tuple(f"player {i}" for i in range(max(0, min(value, MOST_PLAYERS + 1))))
    else:
        names = _names(value, ("players",), "player")
    if not 1 <= len(names) <= MOST_PLAYERS:
        raise GameTableError(("players",), "a table of so many players", f"use 1 to {MOST_PLAYERS}")
    return names


def _actions(value: Any, players: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    if not (isinstance(value, list) and value and all(isinstance(each, list) for each in value)):
        return (_names(value, ("actions",), "action"),) * len(players)
    if len(value) != len(players):
        raise GameTableError(("actions",), f"{len(value)} lists for {len(players)} players", "give one list for all, or one per player")
    return tuple(_names(each, ("actions", i), "action") for i, each in enumerate(value))


def _names(value: Any, path: Path, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise GameTableError(path, f"no list of {what} names", f"write [{what}, ...]")
    names: list[str] = []
    for i, name in enumerate(value):
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise GameTableError((*path, i), f"a {what} name that is neither text nor a whole number", "put it in quotes")
        if str(name) in names:
            raise GameTableError((*path, i), f"the {what} '{name}' stands twice", "use each name once")
        names.append(str(name))
    return tuple(names)


def _keeper(value: Any, players: Sequence[str]) -> int:
    if str(value) not in players:
        raise GameTableError(("keeper",), f"no player is called '{value}'", f"players are {', '.join(players)}")
    return players.index(str(value))


def _leaves(value: Any, levels: Sequence[tuple[str, Sequence[str]]], path: Path) -> Iterator[tuple[Path, Any]]:
    """The entries of a nested table in C order, and where each stands."""
    if not levels:
        yield path, value
        return
    (what, names), below = levels[0], levels[1:]
    if isinstance(value, Mapping):
        for key in value:
            if key not in names:
                raise GameTableError((*path, key), f"no {what} is called '{key}'", f"there are {', '.join(names)}")
        for name in names:
            if name not in value:
                raise GameTableError(path, f"nothing for {what} '{name}'", f"give an entry for each of {', '.join(names)}")
            yield from _leaves(value[name], below, (*path, name))
    elif isinstance(value, list):
        if len(value) != len(names):
            raise GameTableError(path, f"{len(value)} entries for each {what}", f"give {len(names)}, in the order {', '.join(names)}")
        for i, each in enumerate(value):
            yield from _leaves(each, below, (*path, i))
    else:
        raise GameTableError(path, f"no table by {what}", f"give a list in the order {', '.join(names)}, or a mapping from these names")


def _rewards(value: Any, players: int, path: Path) -> tuple[float, ...]:
    entries = value if isinstance(value, list) else [value] * players
    if len(entries) != players:
        raise GameTableError(path, f"{len(entries)} rewards for {players} players", "give one per player, or one number for all")
    return tuple(_number(entry, (*path, i) if isinstance(value, list) else path, "a reward") for i, entry in enumerate(entries))


def _law(value: Any, states: Sequence[str], path: Path) -> tuple[float, ...]:
    chances = value if isinstance(value, Mapping) else {value: 1.0}
    law = [0.0] * len(states)
    for name, chance in chances.items():
        if isinstance(name, list | dict) or str(name) not in states:
            at = (*path, name) if isinstance(value, Mapping) else path
            raise GameTableError(at, f"no state is called '{name}'", f"states are {', '.join(states)}")
        law[states.index(str(name))] = _number(chance, (*path, name), "a chance")
    if min(law) < 0.0:
        raise GameTableError(path, "a chance below 0", "chances run from 0 to 1")
    if abs(sum(law) - 1.0) > TOLERANCE:
        raise GameTableError(path, f"chances sum to {sum(law):g}", "make them sum to 1")
    return tuple(law)


def _number(value: Any, path: Path, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GameTableError(path, f"{what} that is no finite number", "write a number")
    return float(value)

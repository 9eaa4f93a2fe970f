"""Transition tables: text with one row per event and one column per state, read into a mapping of (state, event) -> (state, actions).

A cell names the next state and, behind a colon, what is done: ``lost: note, drop``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)
Action = TypeVar("Action", bound=StrEnum)


class Transition(NamedTuple, Generic[State, Action]):
    """The next state, and what is done on the way, in this order."""

    state: State
    actions: tuple[Action, ...]


Table = Mapping[tuple[State, Event], Transition[State, Action]]


def read_table(text: str, states: type[State], events: type[Event], actions: type[Action]) -> Table[State, Event, Action]:
    """The table that ``text`` draws.

    Args:
        text: the first line names the states behind ``event``; every other one an event and a cell for each of these states.
        states: their names. events: their names; each has a row. actions: their names.

    Raises:
        ValueError: a name is unknown, a row is missing, comes twice or has another number of cells, or a cell leads to a state that the
            table has no column for.
    """
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    columns = [states(name) for name in head[1:]]
    table: dict[tuple[State, Event], Transition[State, Action]] = {}
    for name, *cells in rows:
        event = events(name)
        for column, cell in zip(columns, cells, strict=True):
            target, _, action = cell.partition(":")
            state = states(target.strip())
            if (column, event) in table:
                raise ValueError(f"{event} has two rows")
            if state not in columns:
                raise ValueError(f"{event} leads from {column} to {state}, which has no column")
            table[column, event] = Transition(state, tuple(actions(word.strip()) for word in action.split(",") if word.strip()))
    if missing := [event.value for event in events if (columns[0], event) not in table]:
        raise ValueError(f"no row for {', '.join(missing)}")
    return table

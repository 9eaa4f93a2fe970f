"""Walking an agent through a rollout: all turns of an iteration's steps in one loop.  This is what a lockstep step costs an agent."""

from __future__ import annotations

from typing import Any

from netagents.errors import NetagentsError
from netagents.learning.turns import Rounds
from netagents.messages import ENVIRONMENT, Action, Kind, State, Step
from netagents.wire.exchange import Exchange
from netagents.wire.transport import Received

_SERVER = (ENVIRONMENT,)
_new: Any = tuple.__new__  # a named tuple, without the call in between


def walk(exchange: Exchange, rounds: Rounds) -> None:
    """Takes an agent through its rounds, as its turns would one by one.

    In lockstep it is known which messages a step brings, so while nothing else comes they need not wait in the inbox.  Whatever else
    happens (another message, one of an unknown look, a tenth of a second without any) hands the step over to ``receive``.

    Args:
        exchange: of the agent; it is :attr:`plain <netagents.wire.arrivals.Arrivals.plain>`.
    """
    iteration, steps, audience, heard, observe, decide = rounds
    inbox, gather = exchange.inbox, exchange.gather
    send_state, send_action = exchange.line(Kind.STATE, audience).send, exchange.line(Kind.ACTION, _SERVER).send
    if iteration > inbox.iteration:
        inbox.advance(iteration)

    def observe_and_tell(observed: Step) -> None:
        observe(observed)
        if audience:
            send_state(_new(State, (observed.observation,)), iteration, step)

    for step in range(steps + 1):
        from_server: dict[int, Any] = {}
        from_neighbours: dict[int, Any] = {}
        other: Received | None = None
        if not inbox.phases:
            came = {Kind.STEP: from_server, Kind.STATE: from_neighbours}
            other = gather(iteration, step, came, 1 + len(heard), on_step=observe_and_tell)
        observed: Any = from_server.get(ENVIRONMENT)
        states: list[Any] = list(map(from_neighbours.get, heard))
        if observed is None or None in states:
            inbox.take_over(iteration, step, {Kind.STEP: from_server, Kind.STATE: from_neighbours})
            observed, states = _go_on(exchange, rounds, step, other, told=observed is not None)
        actions = decide(step, observed, states)
        if step < steps:
            send_action(_new(Action, (actions,)), iteration, step)
    inbox.take_over(iteration, steps + 1, {Kind.STEP: {}, Kind.STATE: {}})


def _go_on(exchange: Exchange, rounds: Rounds, step: int, other: Received | None, *, told: bool) -> tuple[Any, list[Any]]:
    """The rest of a step turn by turn: from what came instead of its messages, if anything did, and from whether the Step had come."""
    iteration, _, audience, heard, observe, _ = rounds
    observed: Any
    if other is not None:
        try:
            exchange.settle(other)
        except NetagentsError as error:
            awaited = (Kind.STATE, step, heard) if told else (Kind.STEP, step, _SERVER)
            error.wait = exchange.wait(iteration, *awaited)
            raise
    (observed,) = exchange.receive(iteration, Kind.STEP, step, _SERVER)
    if not told:
        observe(observed)
        if audience:
            exchange.send(State(observed.observation), Kind.STATE, iteration, step, audience)
    return observed, exchange.receive(iteration, Kind.STATE, step, heard)

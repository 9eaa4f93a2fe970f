"""Walking an agent through a rollout: all turns of an iteration's steps in one loop.  This is what a lockstep step costs an agent."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from netagents.errors import NetagentsError
from netagents.learning.turns import Rounds
from netagents.messages import ENVIRONMENT, Action, Kind, State
from netagents.wire.arrivals import GLANCE_SECONDS, alone
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
    inbox, take, recognise = exchange.inbox, exchange.take, exchange.recognise
    send_state, send_action = exchange.line(Kind.STATE, audience).send, exchange.line(Kind.ACTION, _SERVER).send
    places = {agent: place for place, agent in enumerate(heard)}
    if iteration > inbox.iteration:
        inbox.advance(iteration)
    waited = decoded = 0.0
    now = perf_counter()
    for step in range(steps + 1):
        observed: Any = None
        states: list[Any] = [None] * len(heard)
        missing = len(heard) + 1
        received = None
        if now >= exchange.next_glance:
            exchange.glance(now)
        quick = not inbox.phases
        while quick and missing:
            received = take(GLANCE_SECONDS)
            woken = perf_counter()
            waited += woken - now
            first, user = (received, None) if type(received) is bytes else alone(received)
            known = recognise(first, inbox.door, user)
            if known is None:
                break
            layout, its, at = known
            if at != step or its != iteration:
                break
            if layout.kind is Kind.STATE:
                place = places.get(layout.sender)
                if place is None or states[place] is not None:
                    break
                states[place] = layout.read(first)
                now = perf_counter()
                decoded += now - woken
            elif layout.kind is Kind.STEP and observed is None:
                observed = layout.read(first)
                decoded += perf_counter() - woken
                observe(observed)
                if audience:
                    send_state(_new(State, (observed.observation,)), iteration, step)
                now = perf_counter()
            else:
                break
            counted = layout.counted
            counted[0] += 1
            counted[1] += layout.size
            missing -= 1
        if missing:
            observed, states = _go_on(exchange, rounds, step, observed, states, received)
        actions = decide(step, observed, states)
        if step < steps:
            send_action(_new(Action, (actions,)), iteration, step)
        now = perf_counter()
    inbox.take_over(iteration, steps + 1, {Kind.STEP: {}, Kind.STATE: {}})
    exchange.traffic.wait_seconds += waited
    exchange.traffic.serialise_seconds += decoded


def _go_on(
    exchange: Exchange, rounds: Rounds, step: int, observed: Any, states: list[Any], other: Received | None
) -> tuple[Any, list[Any]]:
    """The rest of a step turn by turn: from what came of it so far, and the message that was none of it, if there was one."""
    iteration, _, audience, heard, observe, _ = rounds
    came = {j: state for j, state in zip(heard, states, strict=True) if state is not None}
    exchange.inbox.take_over(iteration, step, {Kind.STEP: {} if observed is None else {ENVIRONMENT: observed}, Kind.STATE: came})
    if other is not None:
        try:
            exchange.take_in(other)
        except NetagentsError as error:
            awaited = (Kind.STEP, step, _SERVER) if observed is None else (Kind.STATE, step, heard)
            error.wait = exchange.wait(iteration, *awaited)
            raise
    told = observed is not None
    (observed,) = exchange.receive(iteration, Kind.STEP, step, _SERVER)
    if not told:
        observe(observed)
        if audience:
            exchange.send(State(observed.observation), Kind.STATE, iteration, step, audience)
    return observed, exchange.receive(iteration, Kind.STATE, step, heard)

"""Walking an agent through a rollout: all turns of an iteration's steps in one loop.  This is what a lockstep step costs an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netagents.errors import NetagentsError
from netagents.learning.protocol.requests import RolloutRequest
from netagents.messages import ENVIRONMENT, Kind, State, Step
from netagents.wire.codec.message_template import MessageTemplate
from netagents.wire.session.exchange import Exchange
from netagents.wire.transport.transport import Received

_SERVER = (ENVIRONMENT,)


def drive_rollout(exchange: Exchange, rounds: RolloutRequest) -> None:
    """Takes an agent through its rounds, as its turns would one by one.

    In lockstep it is known which messages a step brings, so while nothing else comes they need not wait in the inbox, and their bytes
    are passed on without making arrays of them.  Whatever else happens (another message, one of an unknown look, a tenth of a second
    without any) hands the step over to ``receive``.

    Args:
        exchange: of the agent; it is :attr:`plain <netagents.wire.session.receiver.Arrivals.plain>`.
    """
    iteration, steps, out_neighbours, in_neighbours, place, state, action, observe, decide = rounds
    inbox, gather = exchange.inbox, exchange.gather
    send_state, send_action = (
        exchange.channel(Kind.STATE, out_neighbours).compile(state),
        exchange.channel(Kind.ACTION, _SERVER).compile(action),
    )
    if iteration > inbox.iteration:
        inbox.advance(iteration)
    steps_like: MessageTemplate | None = None
    unread: list[bytes] = []
    for step in range(steps + 1):
        from_server: dict[int, tuple[MessageTemplate, bytes]] = {}
        from_neighbours: dict[int, tuple[MessageTemplate, bytes]] = {}
        came = {Kind.STEP: from_server, Kind.STATE: from_neighbours}
        other: Received | None = None
        if not inbox.phases:
            other = gather(iteration, step, came, Kind.STEP, 1, raw=True)
        if from_server:
            template, frame = from_server[ENVIRONMENT]
            if template is not steps_like:
                _read(steps_like, unread, observe)
                steps_like = template
            unread.append(frame)
            own = frame[template.lead]
            if out_neighbours:
                send_state(own, iteration, step)
            if len(from_neighbours) < len(in_neighbours):
                other = gather(iteration, step, came, Kind.STATE, len(in_neighbours), raw=True)
        states: list[bytes] = []
        for j in in_neighbours:
            if j not in from_neighbours:
                break
            template, frame = from_neighbours[j]
            states.append(frame[template.lead])
        if not from_server or len(states) < len(in_neighbours):
            read = {kind: {sender: template.read(frame) for sender, (template, frame) in phase.items()} for kind, phase in came.items()}
            inbox.resume_at(iteration, step, read)
            observed, messages = _go_on(exchange, rounds, step, other, told=bool(from_server))
            if not from_server:
                _read(steps_like, unread, observe)
                observe(observed)
            own, states = observed.observation.tobytes(), [message.values.tobytes() for message in messages]
        states.insert(place, own)
        actions = decide(step, states)
        if step < steps:
            send_action(actions, iteration, step)
    _read(steps_like, unread, observe)
    inbox.resume_at(iteration, steps + 1, {Kind.STEP: {}, Kind.STATE: {}})


def _read(template: MessageTemplate | None, frames: list[bytes], observe: Callable[[Step], object]) -> None:
    """Reads the Steps so far all at once, which takes much less than one by one."""
    if template is not None and frames:
        steps: Any = template.read_all(frames)
        observe(steps)
        frames.clear()


def _go_on(exchange: Exchange, rounds: RolloutRequest, step: int, other: Received | None, *, told: bool) -> tuple[Step, list[State]]:
    """The rest of a step turn by turn: from what came instead of its messages, if anything did, and from whether the Step had come."""
    iteration, out_neighbours, in_neighbours = rounds.iteration, rounds.out_neighbours, rounds.in_neighbours
    if other is not None:
        try:
            exchange.process_other(other)
        except NetagentsError as error:
            awaited = (Kind.STATE, step, in_neighbours) if told else (Kind.STEP, step, _SERVER)
            error.wait = exchange.wait(iteration, *awaited)
            raise
    observed: Any
    (observed,) = exchange.receive(iteration, Kind.STEP, step, _SERVER)
    if out_neighbours and not told:
        exchange.send(State(observed.observation), Kind.STATE, iteration, step, out_neighbours)
    states: Any = exchange.receive(iteration, Kind.STATE, step, in_neighbours)
    return observed, states

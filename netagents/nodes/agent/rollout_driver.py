"""Rollout loop: all steps of an iteration of one agent in lockstep.  Its cost is the agent's cost per step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netagents.errors import NetagentsError
from netagents.learning.protocol.requests import RolloutRequest
from netagents.messages import ENVIRONMENT, Kind, State, Step
from netagents.wire.codec.message_template import MessageTemplate
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.steady_links import SteadyLinks
from netagents.wire.transport.transport import Received

_SERVER = (ENVIRONMENT,)


def drive_rollout(exchange: Exchange, request: RolloutRequest) -> None:
    """Carry out a rollout with the same result as its requests one by one.

    In lockstep it is known which messages a step brings.  While only these arrive, they do not wait in the inbox, and their bytes are
    passed on without making arrays of them.  Anything else (another message, an unknown header, a tenth of a second without a message)
    hands the step over to ``receive``.

    Args:
        exchange: of the agent; it :attr:`supports rollouts <netagents.wire.session.receiver.Receiver.supports_rollouts>`.
        request: the rollout.
    """
    iteration, steps, out_neighbours, in_neighbours, own_index, sample_state, sample_action, observe, decide = request
    inbox, gather = exchange.inbox, exchange.gather
    send_state = exchange.channel(Kind.STATE, out_neighbours).compile(sample_state)
    send_action = exchange.channel(Kind.ACTION, _SERVER).compile(sample_action)
    if iteration > inbox.iteration:
        inbox.advance(iteration)
    step_template: MessageTemplate | None = None
    step_frames: list[bytes] = []
    steady_step: SteadyLinks | None = None
    steady_state: SteadyLinks | None = None
    for step in range(steps + 1):
        from_server: dict[int, tuple[MessageTemplate, bytes]] = {}
        from_neighbours: dict[int, tuple[MessageTemplate, bytes]] = {}
        received = {Kind.STEP: from_server, Kind.STATE: from_neighbours}
        other: Received | None = None
        if not inbox.phases:
            if steady_step is None:
                other = gather(iteration, step, received, Kind.STEP, _SERVER, raw=True)
            else:
                other = steady_step.gather(step, received)
        if from_server:
            template, frame = from_server[ENVIRONMENT]
            if template is not step_template:
                _read(step_template, step_frames, observe)
                step_template = template
            step_frames.append(frame)
            own = frame[template.lead]
            if out_neighbours:
                send_state(own, iteration, step)
            if len(from_neighbours) < len(in_neighbours):
                if steady_state is None:
                    other = gather(iteration, step, received, Kind.STATE, in_neighbours, raw=True)
                else:
                    other = steady_state.gather(step, received)
        states: list[bytes] = []
        for j in in_neighbours:
            if j not in from_neighbours:
                break
            template, frame = from_neighbours[j]
            states.append(frame[template.lead])
        if not from_server or len(states) < len(in_neighbours):
            decoded = {
                kind: {sender: template.read(frame) for sender, (template, frame) in phase.items()} for kind, phase in received.items()
            }
            inbox.resume_at(iteration, step, decoded)
            observed, messages = _finish_step(exchange, request, step, other, observed=bool(from_server))
            if not from_server:
                _read(step_template, step_frames, observe)
                observe(observed)
            own, states = observed.observation.tobytes(), [message.values.tobytes() for message in messages]
            steady_step = steady_state = None
        elif steady_step is None:
            steady_step = exchange.steady_links(iteration, Kind.STEP, _SERVER, from_server)
            steady_state = exchange.steady_links(iteration, Kind.STATE, in_neighbours, from_neighbours)
        states.insert(own_index, own)
        actions = decide(step, states)
        if step < steps:
            send_action(actions, iteration, step)
    _read(step_template, step_frames, observe)
    inbox.resume_at(iteration, steps + 1, {Kind.STEP: {}, Kind.STATE: {}})


def _read(template: MessageTemplate | None, frames: list[bytes], observe: Callable[[Step], object]) -> None:
    """Read the collected Steps all at once, which takes much less time than one by one."""
    if template is not None and frames:
        steps: Any = template.read_all(frames)
        observe(steps)
        frames.clear()


def _finish_step(
    exchange: Exchange, request: RolloutRequest, step: int, other: Received | None, *, observed: bool
) -> tuple[Step, list[State]]:
    """Finish a step request by request.

    Args:
        other: what arrived instead of the step's messages, if anything did.
        observed: whether the Step had arrived, and the State had been sent.
    """
    iteration, out_neighbours, in_neighbours = request.iteration, request.out_neighbours, request.in_neighbours
    if other is not None:
        try:
            exchange.process_other(other)
        except NetagentsError as error:
            awaited = (Kind.STATE, step, in_neighbours) if observed else (Kind.STEP, step, _SERVER)
            error.wait = exchange.wait(iteration, *awaited)
            raise
    message: Any
    (message,) = exchange.receive(iteration, Kind.STEP, step, _SERVER)
    if out_neighbours and not observed:
        exchange.send(State(message.observation), Kind.STATE, iteration, step, out_neighbours)
    states: Any = exchange.receive(iteration, Kind.STATE, step, in_neighbours)
    return message, states

"""The forms of a run's messages, worked out from its setup: what a node may expect of each peer."""

from __future__ import annotations

import numpy as np

from netagents.environments.spaces import Space, space_dtype, space_shape
from netagents.learning.protocol.setup import Setup
from netagents.messages import ENVIRONMENT, Kind
from netagents.wire.codec.expected_shapes import ANY, ExpectedShapes, Forms

_FLOAT = np.dtype(np.float64)
_BYTE = np.dtype(np.uint8)
_TRUTH = np.dtype(np.bool_)


def shapes_of(setup: Setup, agent: int) -> Forms:
    """What ``agent`` may be told: by the server, and by the agents that it hears.

    Decisions of a trace may be those of the batch or of further steps, and a table or signal may be left out, so that these
    sizes are open.  Executed actions come with steps whose action was replaced, and marks of living steps from agents that ended.
    """
    batch, spec = setup.batch, setup.spec
    step = [_values(spec.observation_spaces[agent], batch), ExpectedShapes(_FLOAT, (batch,)), ExpectedShapes(_BYTE, (batch,))]
    hops = ExpectedShapes(_BYTE, (batch, len(setup.contacts(agent).agents) if spec.capabilities.moving else 0))
    mask = ExpectedShapes(_TRUTH, (batch, ANY if spec.capabilities.masked else 0))
    replaced = [*step, hops, mask, _values(spec.action_spaces[agent], batch)]
    if spec.capabilities.moving or spec.capabilities.masked:
        step.append(hops)
    if spec.capabilities.masked:
        step.append(mask)
    forms: dict[tuple[Kind, int], list[list[ExpectedShapes]]] = {(Kind.STEP, ENVIRONMENT): [step, replaced]}
    for j in setup.heard(Kind.STATE, agent):
        forms[Kind.STATE, j] = [[_values(spec.observation_spaces[j], batch)]]
    for j in setup.heard(Kind.TRACE, agent):
        trace = [_values(spec.observation_spaces[j], ANY, batch), _values(spec.action_spaces[j], ANY, batch)]
        forms[Kind.TRACE, j] = [trace, [*trace, ExpectedShapes(_FLOAT, (ANY, batch, ANY))]]
    for j in setup.heard(Kind.SHADOW_REWARD, agent):
        table = ExpectedShapes(_FLOAT, (ANY, ANY))
        ways = [[table, ExpectedShapes(_FLOAT, (ANY, batch))], [table, ExpectedShapes(_FLOAT, (0, 0))]]
        forms[Kind.SHADOW_REWARD, j] = ways + [[*way, ExpectedShapes(_TRUTH, (ANY, batch))] for way in ways]
    for j in setup.heard(Kind.TRUNCATED_Q, agent):
        forms[Kind.TRUNCATED_Q, j] = [[ExpectedShapes(_FLOAT, (setup.horizon, batch))]]
    return forms


def action_shapes(setup: Setup) -> Forms:
    """What the server may be told by every agent."""
    return {(Kind.ACTION, agent): [[_values(space, setup.batch)]] for agent, space in enumerate(setup.spec.action_spaces)}


def _values(space: Space, *leading: int) -> ExpectedShapes:
    return ExpectedShapes(space_dtype(space), (*leading, *space_shape(space)))

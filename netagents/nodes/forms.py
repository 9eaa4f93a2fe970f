"""The forms of a run's messages, worked out from its setup: what a node may expect of each peer."""

from __future__ import annotations

import numpy as np

from netagents.environments.spaces import Space, space_dtype, space_shape
from netagents.learning.setup import Setup
from netagents.messages import ENVIRONMENT, Kind
from netagents.wire.forms import ANY, Form, Forms

_FLOAT = np.dtype(np.float64)
_BYTE = np.dtype(np.uint8)
_TRUTH = np.dtype(np.bool_)


def forms_of(setup: Setup, agent: int) -> Forms:
    """What ``agent`` may be told: by the server, and by the agents that it hears.

    Decisions of a trace may be those of the batch or of further steps, and a table or signal may be left out, so that these
    sizes are open.  Executed actions come with steps whose action was replaced, and marks of living steps from agents that ended.
    """
    batch, spec = setup.batch, setup.spec
    step = [_values(spec.observation_spaces[agent], batch), Form(_FLOAT, (batch,)), Form(_BYTE, (batch,))]
    hops = Form(_BYTE, (batch, len(setup.contacts(agent).agents) if spec.capabilities.moving else 0))
    mask = Form(_TRUTH, (batch, ANY if spec.capabilities.masked else 0))
    replaced = [*step, hops, mask, _values(spec.action_spaces[agent], batch)]
    if spec.capabilities.moving or spec.capabilities.masked:
        step.append(hops)
    if spec.capabilities.masked:
        step.append(mask)
    forms: dict[tuple[Kind, int], list[list[Form]]] = {(Kind.STEP, ENVIRONMENT): [step, replaced]}
    for j in setup.heard(Kind.STATE, agent):
        forms[Kind.STATE, j] = [[_values(spec.observation_spaces[j], batch)]]
    for j in setup.heard(Kind.TRACE, agent):
        trace = [_values(spec.observation_spaces[j], ANY, batch), _values(spec.action_spaces[j], ANY, batch)]
        forms[Kind.TRACE, j] = [trace, [*trace, Form(_FLOAT, (ANY, batch, ANY))]]
    for j in setup.heard(Kind.SHADOW_REWARD, agent):
        table = Form(_FLOAT, (ANY, ANY))
        ways = [[table, Form(_FLOAT, (ANY, batch))], [table, Form(_FLOAT, (0, 0))]]
        forms[Kind.SHADOW_REWARD, j] = ways + [[*way, Form(_TRUTH, (ANY, batch))] for way in ways]
    for j in setup.heard(Kind.TRUNCATED_Q, agent):
        forms[Kind.TRUNCATED_Q, j] = [[Form(_FLOAT, (setup.horizon, batch))]]
    return forms


def forms_of_actions(setup: Setup) -> Forms:
    """What the server may be told by every agent."""
    return {(Kind.ACTION, agent): [[_values(space, setup.batch)]] for agent, space in enumerate(setup.spec.action_spaces)}


def _values(space: Space, *leading: int) -> Form:
    return Form(space_dtype(space), (*leading, *space_shape(space)))

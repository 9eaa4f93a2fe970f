"""Layout of the replay buffers of an experiment: which arrays one iteration's batch has, and how many iterations are kept."""

from __future__ import annotations

from math import ceil

import numpy as np

from netagents.environments.feature_encoders import width
from netagents.experiment.algorithm_settings import MaddpgSettings
from netagents.experiment.policy_settings import GruPolicySettings
from netagents.learning.protocol.replay_buffer import SPARE, layout_bytes
from netagents.learning.protocol.setup import Setup
from netagents.messages import RadiusKind
from netagents.messages.array_fields import ExpectedArray

FEATURE, VALUE, FLAG, HOPS = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_), np.dtype(np.uint8)


def replay_layout(setup: Setup, agent: int) -> dict[str, ExpectedArray]:
    """The arrays of one iteration, T steps of B copies, in the order of steps.

    ``context``, ``observed`` and ``acted`` are what policy and critic read at T + 1 decisions, before numbers without bounds are
    scaled: ((T + 1) B, F).  ``signal``, ``alive``, ``chosen`` and ``bootstrap`` belong to T steps: (T B,).  ``mask`` and ``hops`` are
    those of the decisions, where the environment has them, ``memory`` ((T + 1) B, U) what a policy with one remembered after reading.
    """
    spec, moving = setup.spec, setup.spec.capabilities.moving

    def features(window: tuple[int, ...]) -> int:
        return spec.view.size([spec.observation_spaces[j] for j in window], window.index(agent), moving)

    policy, critic = setup.reach[RadiusKind.POLICY].window(agent), setup.reach[RadiusKind.CRITIC].window(agent)
    decisions, steps = (setup.steps + 1) * setup.batch, setup.steps * setup.batch
    layout = {
        "context": ExpectedArray(FEATURE, (decisions, features(policy))),
        "observed": ExpectedArray(FEATURE, (decisions, features(critic))),
        "acted": ExpectedArray(FEATURE, (decisions, sum(width(spec.action_spaces[j]) for j in critic))),
        "signal": ExpectedArray(VALUE, (steps,)),
        "alive": ExpectedArray(FLAG, (steps,)),
        "chosen": ExpectedArray(FLAG, (steps,)),
        "bootstrap": ExpectedArray(FLAG, (steps,)),
    }
    if isinstance(recurrent := setup.agents[agent].policy, GruPolicySettings):
        layout["memory"] = ExpectedArray(FEATURE, (decisions, recurrent.units))
    if (actions := setup.mask_size(agent)) is not None:
        layout["mask"] = ExpectedArray(FLAG, (decisions, actions))
    if (contacts := setup.contact_count(agent)) is not None:
        layout["hops"] = ExpectedArray(HOPS, (decisions, contacts))
    return layout


def replay_iterations(setup: Setup, transitions: int) -> int:
    """Iterations that hold at least so many transitions."""
    return ceil(transitions / (setup.steps * setup.batch))


def replay_bytes(setup: Setup, agent: int) -> int:
    """Memory that the replay buffer of an agent takes when it is full; 0 where it has none."""
    settings = setup.agents[agent].learning.algorithm
    if not isinstance(settings, MaddpgSettings) or agent in setup.frozen:
        return 0
    return (replay_iterations(setup, settings.replay) + SPARE) * layout_bytes(replay_layout(setup, agent))

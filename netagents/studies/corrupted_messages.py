"""Corrupted messages: how much each neighbour's messages move what an agent does, by neighbour and by hop distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments import NetworkedMDP
from netagents.learning import Setup
from netagents.learning.frozen_play import Players
from netagents.learning.protocol.contact_filter import ContactFilter
from netagents.measures.information import MessageInformation, Received, message_information
from netagents.messages import Kind, Step
from netagents.policies import Policy
from netagents.randomness import Purpose, stream

SEED = (1 << 63) + 193
"""No training run has such a seed."""
COPIES, MOMENTS, DRAWS = 64, 1024, 8


class CorruptedMessages(NamedTuple):
    """One neighbour's messages to one agent.

    Attributes:
        agent: who reads them. neighbour: who sends them. hop: how far apart they are in the topology.
        effect: of corrupting them (:class:`netagents.measures.information.MessageInformation`).
    """

    agent: int
    neighbour: int
    hop: int
    effect: MessageInformation


def corrupted_messages(setup: Setup, environment: NetworkedMDP, policies: Sequence[Policy]) -> list[CorruptedMessages]:
    """Every agent and each neighbour that its policy reads, along episodes of the greedy policies.

    Raises:
        ValueError: the distribution of a policy is not known.
    """
    if all(len(policy.window) < 2 for policy in policies):
        return []
    moments = _moments(setup, environment, policies)
    hops = setup.topology.hops.matrix()
    corrupted = []
    for agent, policy in enumerate(policies):
        for place, neighbour in enumerate(policy.window):
            if neighbour != agent:
                generator = stream(SEED, agent, Purpose.INFORMATION_MESSAGES, neighbour)
                effect = message_information(policy, moments[agent], [place], generator, DRAWS)
                corrupted.append(CorruptedMessages(agent, neighbour, int(hops[agent, neighbour]), effect))
    return corrupted


def _moments(setup: Setup, environment: NetworkedMDP, policies: Sequence[Policy]) -> list[Received]:
    """Per agent, what its policy read at moments drawn from all steps and copies."""
    players = Players(setup, policies)
    session = setup.session(environment, COPIES, SEED)
    played = players.play(session, 0, setup.horizon, lambda agent, _, messages: players.greedy(agent, messages))
    steps: list[Sequence[Step]] = [move.before for move in played]
    count = len(steps) * COPIES
    generator = stream(SEED, 0, Purpose.STATISTICS, 0)
    sample = np.sort(generator.choice(count, min(MOMENTS, count), replace=False))

    def picked(arrays: list[NDArray[np.generic]]) -> NDArray[np.generic]:
        return np.concatenate(arrays)[sample]

    received = []
    for agent, policy in enumerate(policies):
        states = [picked([messages[j].observation for messages in steps]) for j in policy.window]
        near = mask = None
        if setup.spec.capabilities.moving:
            nearby = ContactFilter(setup, agent)
            marks = [nearby.marks(Kind.STATE, policy.window, hops) for messages in steps if (hops := messages[agent].hops) is not None]
            near = np.concatenate(marks, axis=1)[:, sample]
        masks = [messages[agent].mask for messages in steps]
        if masks[0] is not None:
            mask = np.concatenate([each for each in masks if each is not None])[sample]
        received.append(Received(states, near, mask))
    return received

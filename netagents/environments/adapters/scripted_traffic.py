"""Scripted traffic signals: a fixed cycle, and max-pressure control, as baselines for what is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from netagents.environments.adapters.sumo_traffic import LONGEST, SumoTraffic, pressure
from netagents.environments.networked_mdp import FloatArray, IntArray

TrafficScript = Callable[[SumoTraffic, Sequence[FloatArray], FloatArray], list[IntArray]]


def fixed_time(scale: float = 1.0) -> TrafficScript:
    """The cycle of the network's own programs: each green phase for its duration times ``scale``, rounded to whole decisions, one after the
    other.
    """

    def script(environment: SumoTraffic, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
        actions = []
        for each, observation in zip(environment.crossings, observed, strict=True):
            phases = len(each.seconds)
            now = np.argmax(observation[:, -1 - phases : -1], axis=1)
            lasts = np.clip(np.round(scale * np.array(each.seconds) / environment.settings.interval), 1, LONGEST)
            over = np.round(observation[:, -1] * LONGEST) + 1 >= lasts[now]
            actions.append(np.where(over, (now + 1) % phases, now))
        return actions

    return script


def max_pressure(environment: SumoTraffic, observed: Sequence[FloatArray], noise: FloatArray) -> list[IntArray]:  # noqa: ARG001 - a script
    """Max-pressure control (Varaiya 2013): the phase whose lanes hold most more vehicles than the lanes they lead to; the present one where
    several do.  It needs the neighbours' lanes, one hop away.
    """
    counts = [
        observation[:, len(each.lanes) : 2 * len(each.lanes)] * each.capacity
        for each, observation in zip(environment.crossings, observed, strict=True)
    ]
    actions = []
    for i, each in enumerate(environment.crossings):
        phases = len(each.seconds)
        now = observed[i][:, -1 - phases : -1]
        gains = pressure(environment, counts, i) @ each.served.T
        actions.append(np.argmax(gains + 1e-9 * now, axis=1))
    return actions

"""Power of everyone in a window of finite spaces over its owner: the rows of its report.

Agents with tables and agents with networks are measured alike; what they learn with has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.learning_settings import PowerSettings
from netagents.measures.power.evidence_group import EvidenceGroup
from netagents.measures.power.pair_evidence import ActionEffects, PairEvidence
from netagents.measures.power.reading import READING_COLUMNS, UNKNOWN
from netagents.measures.power.state_values import Experience, StateValues

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

COMFORTABLE = 1 << 11
"""Cells of a pair's evidence up to which the states of those whom j's policy reads are told apart, the first ones first."""
LARGEST = 1 << 13
"""Cells beyond which nothing is kept and a pair's power stays unknown."""


GROUPED = 1 << 15
"""Numbers per array up to which pairs are read together; more do not stay in a processor's cache."""


class TabularPower:
    """Reads the power of everyone in a critic's window from the steps that its owner knows of.

    Args:
        own: the critic's owner.
        window: its critic's window.
        read_by: for each member the agents whose states its policy reads.
        state_sizes, action_sizes: of the members.
        discount: gamma.
        settings: ``min_visits``, ``window`` and ``variant``; before anyone acts (ex-ante), the owner's action is not part of a context.
    """

    def __init__(
        self,
        own: int,
        window: Sequence[int],
        read_by: Sequence[Sequence[int]],
        state_sizes: Sequence[int],
        action_sizes: Sequence[int],
        discount: float,
        settings: PowerSettings,
    ) -> None:
        self.settings, self.window = settings, tuple(window)
        self._own = self.window.index(own)
        self._order = [self._own, *(member for member in range(len(self.window)) if member != self._own)]
        self.values = StateValues([state_sizes[each] for each in self._order], discount)
        self._scopes: dict[int, tuple[int, ...]] = {}
        self._evidence: dict[int, PairEvidence | None] = {}
        self._known_action = (self._own,) if settings.variant == "realized" else ()
        for member, j in enumerate(self.window):
            if j == own:
                continue
            scope = tuple(sorted({self._own, member}))
            acted = [action_sizes[each] for each in (*self._known_action, member)]
            cells = prod([*(state_sizes[each] for each in scope), *acted])
            evidence = None
            if cells <= LARGEST:
                for other in (self.window.index(k) for k in read_by[member] if k in self.window):
                    if other not in scope and cells * state_sizes[other] <= COMFORTABLE:
                        scope, cells = (*scope, other), cells * state_sizes[other]
                evidence = PairEvidence((*(state_sizes[each] for each in scope), *acted[:-1]), acted[-1])
            self._scopes[member], self._evidence[member] = scope, evidence
        self._groups: list[tuple[list[int], EvidenceGroup]] = []
        """Members with equally many actions, and their evidence."""
        measured = {member: evidence for member, evidence in self._evidence.items() if evidence is not None}
        for members in _groups(measured):
            self._groups.append((members, EvidenceGroup([measured[member] for member in members], settings.window)))

    def rows(self, experience: Experience, iteration: int) -> FloatArray:
        """Take one iteration in; a row for every other agent j of the window: j, and the fields of a reading."""
        ordered = experience._replace(states=[experience.states[each] for each in self._order])
        samples = self.values.samples(ordered, iteration)
        states = [each.reshape(-1)[samples.positions] for each in experience.states]
        played = [each.reshape(-1)[samples.positions] for each in experience.actions]
        readings = dict.fromkeys(self._scopes, UNKNOWN)
        for members, group in self._groups:
            variables = [
                [*(states[each] for each in self._scopes[member]), *(played[each] for each in (*self._known_action, member))]
                for member in members
            ]
            group.add(variables, samples)
            readings |= dict(zip(members, group.readings(self.settings.min_visits), strict=True))
        rows = [(self.window[member], *reading) for member, reading in readings.items()]
        return np.array(rows, dtype=np.float64).reshape(-1, READING_COLUMNS)

    def effects(self, j: int) -> ActionEffects | None:
        """What each action of j does to the owner, as far as it is known by now; None where the two have too many states and actions."""
        evidence = self._evidence[self.window.index(j)]
        return None if evidence is None else evidence.effects(self.settings.min_visits)

    def contexts(self, j: int, states: Sequence[NDArray[Any]], actions: Sequence[NDArray[Any]]) -> IntArray:
        """The context of :meth:`effects` at each of many visits; the owner's action is its last digit where it is part of it.

        Args:
            j: a member that has effects.
            states, actions: equally shaped indices of each member of the window.
        """
        member = self.window.index(j)
        evidence = self._evidence[member]
        assert evidence is not None, "only asked for members that have effects"
        return evidence.context_of([*(states[each] for each in self._scopes[member]), *(actions[each] for each in self._known_action)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the next iteration depends on."""
        return self.values.arrays() | {
            f"{self.window[member]}.{name}": array
            for member, evidence in self._evidence.items()
            if evidence is not None
            for name, array in evidence.arrays().items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.values.restore(arrays)
        for member, evidence in self._evidence.items():
            if evidence is not None:
                evidence.restore({name: arrays[f"{self.window[member]}.{name}"] for name in evidence.arrays()})


def _groups(measured: Mapping[int, PairEvidence]) -> list[list[int]]:
    """Members with equally many actions whose evidence together is small enough to be read as one."""
    groups: list[list[int]] = []
    room = actions = 0
    for member in sorted(measured, key=lambda each: measured[each].actions):
        evidence = measured[member]
        if evidence.actions != actions or evidence.weights.size > room:
            groups.append([])
            actions, room = evidence.actions, GROUPED
        groups[-1].append(member)
        room -= evidence.weights.size
    return groups

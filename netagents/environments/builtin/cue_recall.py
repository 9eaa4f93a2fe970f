"""Cue recall: a cue is shown, then nothing, then it is asked for; only a policy with memory can answer better than by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import joint_actions, transition
from netagents.environments.graph_picture import graph_picture
from netagents.environments.networked_mdp import EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.picture import Picture
from netagents.environments.spaces import Discrete
from netagents.experiment.environment_settings import CueRecallSettings
from netagents.topology import Topology

BLANK = 0
"""What an agent observes between cue and question."""


class CueRecall(NetworkedMDP):
    """Delayed match to sample on any graph.

    Each agent has a cue of its own, uniform among k, and a phase from 0 to ``delay``.  It observes its cue plus 1 in phase 0, k + 1 in the
    last phase, when its action is its answer, and 0 in between.  Then its next cue comes.  The reward of an agent in the last phase is
    the share of right answers among its neighbours and itself; it is 0 in all other phases.

    A policy that remembers earns 1 per question.  Any policy that reads present observations alone earns 1 / k: at the question all of
    them are the same whatever the cues were, so an answer is right with probability 1 / k.

    Args:
        topology: any graph.
        settings: number of cues, delay, number of questions.
    """

    def __init__(self, topology: Topology, settings: CueRecallSettings | None = None) -> None:
        settings = settings or CueRecallSettings()
        n, k = topology.n, settings.cues
        self.topology = topology
        self.settings = settings
        closed = [tuple(sorted({i, *(int(j) for j in topology.neighbours(i))})) for i in range(n)]
        self._counts = np.zeros((n, n), dtype=np.int64)
        for i, members in enumerate(closed):
            self._counts[list(members), i] = 1
        self.spec = EnvironmentSpec(
            name="cue_recall",
            state_spaces=(Discrete(k * (settings.delay + 1)),) * n,
            action_spaces=(Discrete(k),) * n,
            horizon=settings.questions * (settings.delay + 1),
            discount=settings.gamma,
            reset_noise=(n,),
            step_noise=(n,),
            reach_offset=0,
            state_scopes=tuple(closed),
            action_scopes=tuple(closed),
            untrained_return=settings.questions / k,
            best_return=float(settings.questions),
            observations=(Discrete(k + 2),) * n,
        )

    def reset(self, noise: FloatArray) -> JointState:
        """``(B, n)`` int64, phase times k plus cue: phase 0 and the cues that the noise ``(B, n)`` draws."""
        return self._cues(noise)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """The next phase; after the last one the next cue, which ``noise`` ``(B, n)`` draws."""
        phase, cue = np.divmod(state, self.settings.cues)
        at_query = phase == self.settings.delay
        right = at_query & (joint_actions(actions) == cue)
        after = np.where(at_query, self._cues(noise), state + self.settings.cues)
        return transition(after, right.astype(np.int64) @ self._counts / self._counts.sum(axis=0))

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """Each agent's cue plus 1, blank, or k + 1 where it is asked: ``(B,)`` int64."""
        phase, cue = np.divmod(state, self.settings.cues)
        observation = np.where(phase == 0, cue + 1, np.where(phase == self.settings.delay, self.settings.cues + 1, BLANK))
        return list(np.ascontiguousarray(observation.T))

    def picture(self, state: JointState) -> Picture:
        """The graph of the first copy, each agent in a shade that says its cue; below, what it observes now."""
        phase, cue = np.divmod(state[0], self.settings.cues)
        caption = "cue" if phase[0] == 0 else "question" if phase[0] == self.settings.delay else f"blank {phase[0]}"
        return replace(graph_picture(self.topology, cue.tolist(), [self.settings.cues] * self.spec.n), caption=caption)

    def _cues(self, noise: FloatArray) -> NDArray[np.int64]:
        return (noise * self.settings.cues).astype(np.int64)

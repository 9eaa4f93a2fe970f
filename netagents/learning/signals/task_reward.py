"""The task reward: the first term of the learning signal."""

from __future__ import annotations

from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm


class TaskReward(SignalTerm):
    """r_i, as the environment pays it; its weight is ``learning.task_weight``."""

    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) own rewards."""
        return batch.rollout.rewards

"""The task reward: the first term of the learning signal."""

from __future__ import annotations

from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm


class TaskReward(SignalTerm):
    """r_i as the environment pays it, or what the agent's incentive makes of everyone's; its weight is ``learning.task_weight``."""

    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) what the agent is paid."""
        return batch.paid

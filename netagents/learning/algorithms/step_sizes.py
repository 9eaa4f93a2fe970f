"""Step sizes over iterations: functions of the absolute iteration and stated numbers, so that a resumed or longer run agrees."""

from __future__ import annotations

from netagents.experiment.learning_settings import HarmonicScheduleSettings, LinearScheduleSettings, ScheduleSettings


def step_size_at(schedule: ScheduleSettings, step_size: float, iteration: int) -> float:
    """eta_k at iteration k, from 0.

    Constant: eta.  Harmonic: eta k0 / (k + k0).  Linear: from eta to ``final`` eta over the stated iterations, then constant.
    """
    if isinstance(schedule, HarmonicScheduleSettings):
        return step_size * schedule.offset / (iteration + schedule.offset)
    if isinstance(schedule, LinearScheduleSettings):
        progress = min(iteration / schedule.over, 1.0)
        return step_size * (1.0 + progress * (schedule.final - 1.0))
    return step_size

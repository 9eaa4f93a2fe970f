"""Settings of learning: how agents learn, and how power is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from netagents.experiment.algorithm_settings import AlgorithmSettings, TruncatedPgSettings
from netagents.experiment.audit_settings import AuditSettings
from netagents.experiment.base import Settings

Iterations = Annotated[int, Field(ge=1, le=10_000_000)]
Steps = Annotated[int, Field(ge=1, le=1_000_000)]


class ConstantScheduleSettings(Settings):
    """The learning rate is constant."""

    kind: Literal["constant"] = "constant"


class HarmonicScheduleSettings(Settings):
    """learning_rate * offset / (k + offset) at iteration k: h / (k + k0) with k0 = offset and h = learning_rate * offset."""

    kind: Literal["harmonic"] = "harmonic"
    offset: Annotated[float, Field(gt=0.0, le=1e9)] = Field(10.0, description="k0, the iterations after which the learning rate has halved")


class LinearScheduleSettings(Settings):
    """From learning_rate to a share of it, in a straight line, and constant from then on."""

    kind: Literal["linear"] = "linear"
    over: Iterations = Field(description="iterations that the ramp takes, counted from iteration 0 whatever the run's length")
    final: Annotated[float, Field(ge=0.0, le=1e3)] = Field(
        0.1, description="share of learning_rate at the end of the ramp; above 1 it rises"
    )


ScheduleSettings = Annotated[
    ConstantScheduleSettings | HarmonicScheduleSettings | LinearScheduleSettings,
    Field(discriminator="kind"),
]
"""The learning rate over iterations: a function of the iteration and of stated numbers, never of how long the run happens to be."""


class CriticSettings(Settings):
    """Truncated Q-functions and their evaluation."""

    solver: Literal["td", "lstd"] = Field(
        "td", description="sweeps of batch temporal differences, or their fixed point at once, by sparse least squares"
    )
    sweeps: Annotated[int, Field(ge=1, le=10_000)] = Field(10, description="batch-TD sweeps over the batch per iteration")
    carry: bool = Field(True, description="start from the last iteration's values; false forgets them in each iteration")
    full_table_limit: Annotated[int, Field(ge=1)] = Field(
        1 << 20, description="largest number of entries of a full table; above it only visited keys are stored"
    )
    visited_limit: Annotated[int, Field(ge=1)] = Field(
        1 << 22,
        description="largest number of visited keys a hashed table keeps; the least recently visited are removed first; a batch must fit",
    )


Bins = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(min_length=1, max_length=64)]


class CellSettings(Settings):
    """Cells on which utilities see the local occupancy of agents with networks: groups of an index, or bins of each axis of a box."""

    state: Bins | None = Field(None, description="of the own observation; default: every index a cell, a box one cell")
    action: Bins | None = Field(None, description="of the own action; default: every index a cell, a box one cell")


class LearningSettings(Settings):
    """The truncated policy-gradient algorithm (arXiv 2302.07938, Algorithm 1), with tables or with networks."""

    aliases: ClassVar[Mapping[str, str]] = {
        "step_size": "learning_rate",
        "lr": "learning_rate",
        "discount": "gamma",
        "gradient_clip": "max_grad_norm",
        "num_envs": "batch",
        "n_envs": "batch",
        "n_steps": "horizon",
    }
    algorithm: AlgorithmSettings = Field(
        TruncatedPgSettings(),
        description="truncated_pg for tables; actor_critic, ppo or maddpg for policies that are networks; or a class of your own",
    )
    iterations: Iterations = 60
    batch: Annotated[int, Field(ge=1, le=1_000_000)] = Field(64, description="parallel copies of the environment (B)")
    horizon: Steps | None = Field(None, description="steps per iteration (H); default: the environment's")
    gamma: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(None, description="discount factor; default: the environment's")
    credit: Literal["shared_q", "shared_reward"] = Field("shared_q", description="what neighbours share: Q-values or rewards")
    wire_precision: Literal["float64", "float32", "float16"] = Field(
        "float64",
        description="of the Q-values and shadow rewards that agents send each other: float32 halves their bytes and rounds each by at "
        "most 6e-8 of it, float16 quarters them and rounds by at most 5e-4 of it; their receivers compute with float64",
    )
    task_weight: Annotated[float, Field(ge=0.0)] = Field(1.0, description="weight w of the task reward in the learning signal")
    evaluation: Literal["relabelled", "fresh"] = Field(
        "relabelled", description="critics learn from the batch itself, or from further steps of the same copies, as in the paper"
    )
    evaluation_steps: Steps | None = Field(None, description="further steps of fresh evaluation (H_TD); default: as many as the horizon")
    occupancy: Literal["before", "after"] = Field(
        "before", description="pair an action with the agent's state before the step, or after it as in SPDAC's release on LineMsg"
    )
    learning_rate: Annotated[float, Field(gt=0.0)] = Field(
        10.0, description="step of gradient ascent on the logits, with the gradient's 1/n kept"
    )
    schedule: ScheduleSettings = ConstantScheduleSettings()
    max_grad_norm: Annotated[float, Field(gt=0.0, le=1e9)] | None = Field(
        None, description="largest Euclidean norm of one agent's gradient, which is scaled down to it; default: no limit"
    )
    baseline: bool = Field(True, description="subtract the batch's state-dependent mean of the summed Q")
    cells: CellSettings = CellSettings()
    logit_bound: Annotated[float, Field(gt=0.0)] = Field(2.5, description="logits are clipped to [-bound, bound] (theta_max)")
    critic: CriticSettings = CriticSettings()

    @model_validator(mode="after")
    def _fresh_steps(self) -> Self:
        if self.evaluation_steps is not None and self.evaluation != "fresh":
            raise ValueError("evaluation_steps belongs to evaluation fresh; set evaluation: fresh, or leave evaluation_steps out")
        return self

    @model_validator(mode="after")
    def _networks_have_their_own(self) -> Self:
        if self.algorithm.learns_with == "tables" and self.cells != CellSettings():
            raise ValueError("cells belong to networks; tables see every state and action")
        if self.algorithm.learns_with != "networks":
            return self
        for name in ("learning_rate", "critic"):
            if getattr(self, name) != LearningSettings.model_fields[name].default:
                raise ValueError(f"{name} belongs to tables; networks have algorithm.{name}")
        if self.evaluation != "relabelled":
            raise ValueError("networks learn from the batch itself; leave evaluation at relabelled")
        return self


class PowerSettings(Settings):
    """How power is measured."""

    variant: Literal["realized", "ex_ante"] = Field(
        "realized",
        description="of the actions that were played, or before any agent acts; ex_ante needs networks and sends action probabilities",
    )
    draws: Annotated[int, Field(ge=1, le=1_000)] = Field(
        8, description="joint actions drawn from the action probabilities at each visit (ex_ante)"
    )
    min_visits: Annotated[int, Field(ge=1)] = Field(5, description="effective visits that make a compared value known")
    window: Annotated[int, Field(ge=1)] = Field(10, description="a visit loses 1/window of its weight with every iteration")
    visits: Annotated[int, Field(ge=1)] = Field(
        256, description="visits of a batch at which networks are evaluated, where spaces are not finite"
    )
    audit: AuditSettings | None = Field(
        None, description="true power during the run, by branching states that it visits; the run's other numbers stay the same"
    )

"""Settings of the learning algorithm: those that come with netagents, and classes of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from netagents.experiment.base import Settings
from netagents.experiment.imported_parts import CustomKind, PartKind
from netagents.experiment.policy_settings import HiddenLayers
from netagents.experiment.robust_settings import ErnieSettings, RobustSettings, RomaxSettings

Rate = Annotated[float, Field(gt=0.0, le=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1, le=100_000)]


Parameters = Literal["tables", "networks"]


class TruncatedPgSettings(Settings):
    """Truncated policy gradient on tables (arXiv 2302.07938, Algorithm 1), with the settings beside this one; earlier called tables."""

    learns_with: ClassVar[Parameters | None] = "tables"
    kind: Literal["truncated_pg", "tables"] = "truncated_pg"

    @field_validator("kind")
    @classmethod
    def _present_name(cls, _: str) -> str:
        return "truncated_pg"


class NeuralCriticSettings(Settings):
    """Truncated Q-functions and state values as networks, trained with Adam."""

    aliases: ClassVar[Mapping[str, str]] = {
        "rate": "learning_rate",
        "lr": "learning_rate",
        "target_rate": "tau",
        "polyak": "tau",
        "gradient_clip": "max_grad_norm",
    }
    hidden: HiddenLayers = Field((64, 64), description="neurons of each hidden layer")
    activation: Literal["tanh", "relu"] = Field("tanh", description="of the hidden layers")
    learning_rate: Rate = Field(1e-3, description="Adam's step size")
    steps: Count = Field(20, description="minibatch steps of temporal differences per iteration")
    minibatch: Count = Field(256, description="transitions per step and critic")
    tau: Rate = Field(0.05, description="share by which target networks follow after each step; 1 means no target networks")
    max_grad_norm: Annotated[float, Field(gt=0.0, le=1e9)] = Field(10.0, description="largest Euclidean norm of a critic's gradient")
    value_epochs: Count = Field(4, description="passes of the state values over the batch per iteration")
    memory: bool = Field(True, description="critics also read what the agent's own policy remembers, where it has a memory")


class NetworkAlgorithmSettings(Settings):
    """Settings of every algorithm that trains networks."""

    learns_with: ClassVar[Parameters | None] = "networks"
    learning_rate: Rate = Field(3e-3, description="Adam's step size for the policy; learning.schedule applies to it")
    critic: NeuralCriticSettings = NeuralCriticSettings()
    ernie: ErnieSettings | None = Field(None, description="penalty on how a policy heeds small adversarial changes of what it observes")


class NeuralAlgorithmSettings(NetworkAlgorithmSettings):
    """Settings that both ways to train networks on the newest batch share."""

    aliases: ClassVar[Mapping[str, str]] = {
        "policy_rate": "learning_rate",
        "lr": "learning_rate",
        "trace_decay": "gae_lambda",
        "entropy_bonus": "entropy_coef",
        "ent_coef": "entropy_coef",
        "clip": "clip_range",
        "clip_coef": "clip_range",
        "n_epochs": "epochs",
        "update_epochs": "epochs",
        "num_minibatches": "minibatches",
        "normalize_advantage": "normalise",
    }
    minibatches: Count = Field(4, description="parts into which the batch is divided for each pass of the policy")
    gae_lambda: Share = Field(0.9, description="lambda of the lambda-returns (GAE); 0 trusts the critic, 1 the sampled return")
    entropy_coef: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.0, description="weight of the policy's entropy in the objective of the policy"
    )
    discount_weights: bool = Field(False, description="weight step t by gamma^t, as in the policy gradient theorem")
    normalise: bool = Field(True, description="scale advantages to unit variance over the batch")


class ActorCriticSettings(NeuralAlgorithmSettings):
    """Truncated actor-critic: values of the truncated Q-network along the trace, one pass of the policy per iteration."""

    kind: Literal["actor_critic"] = "actor_critic"


class PpoSettings(NeuralAlgorithmSettings):
    """Clipped surrogate (PPO, arXiv 1707.06347) with generalized advantages (arXiv 1506.02438) of the neighbourhood's summed signal."""

    kind: Literal["ppo"] = "ppo"
    epochs: Count = Field(4, description="passes of the policy over the batch per iteration")
    clip_range: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.2, description="the ratio of probabilities counts within 1 - clip_range and 1 + clip_range"
    )


class ActionValueSettings(Settings):
    """The Q-function that MADDPG learns from: observations and actions of everyone within kappa_critic."""

    aliases: ClassVar[Mapping[str, str]] = {"lr": "learning_rate", "rate": "learning_rate"}
    hidden: HiddenLayers = Field((64, 64), description="neurons of each hidden layer")
    activation: Literal["tanh", "relu"] = Field("relu", description="of the hidden layers")
    learning_rate: Rate = Field(1e-2, description="Adam's step size")


class MaddpgSettings(NetworkAlgorithmSettings):
    """MADDPG (arXiv 1706.02275) over the critic's window: replay, target networks, derivatives in the actions; its authors' defaults."""

    aliases: ClassVar[Mapping[str, str]] = {
        **NetworkAlgorithmSettings.aliases,
        "batch_size": "minibatch",
        "buffer_size": "replay",
        "polyak": "tau",
        "action_reg": "logit_penalty",
    }
    kind: Literal["maddpg"] = "maddpg"
    learning_rate: Rate = Field(1e-2, description="Adam's step size for the policy; learning.schedule applies to it")
    q: ActionValueSettings = ActionValueSettings()
    replay: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        200_000, description="transitions that are kept, rounded up to whole iterations"
    )
    updates: Count = Field(16, description="steps of critic and policy per iteration; each takes one message per neighbour")
    minibatch: Count = Field(1024, description="transitions per step, the same ones for all agents")
    tau: Rate = Field(0.01, description="share by which target networks follow after each step")
    unroll: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10, description="steps through which a policy with memory is trained, up to each replayed one, from what it remembered before them"
    )
    logit_penalty: Annotated[float, Field(ge=0.0, le=10.0)] = Field(1e-3, description="weight of the mean square of the policy's outputs")
    max_grad_norm: Annotated[float, Field(gt=0.0, le=1e9)] = Field(0.5, description="largest Euclidean norm of a network's gradient")
    robust: RobustSettings | None = Field(None, description="how it prepares for others that turn against the agent")

    @model_validator(mode="after")
    def _relaxed_units(self) -> Self:
        if isinstance(self.robust, RomaxSettings) and self.robust.bound == "linear" and self.q.activation != "relu":
            raise ValueError("robust.bound linear relaxes relu units, and q.activation is tanh; use robust.bound interval")
        return self


ALGORITHM_KINDS = ("truncated_pg", "actor_critic", "ppo", "maddpg")
"""The algorithms that have settings classes of their own."""

OWN_ALGORITHMS = PartKind("algorithm", "netagents.algorithms", ALGORITHM_KINDS, "netagents.learning.NetworkedAgent")
"""How algorithms of your own are named and found.  One of netagents' own whose settings are ``parameters`` gets a name in ``own``."""


class CustomAlgorithmSettings(Settings):
    """An algorithm of your own: agents are made as ``Class(index, setup, **parameters)``."""

    learns_with: ClassVar[Parameters | None] = None
    kind: CustomKind = Field(description="'import:package.module:Class', or the name of an entry point in the group netagents.algorithms")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class: the algorithm's settings")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_ALGORITHMS.check_name(kind)


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    # Experiments of earlier versions call the algorithm of tables so.
    return "truncated_pg" if kind == "tables" else kind if kind in ALGORITHM_KINDS else "custom"


AlgorithmSettings = Annotated[
    Annotated[TruncatedPgSettings, Tag("truncated_pg")]
    | Annotated[ActorCriticSettings, Tag("actor_critic")]
    | Annotated[PpoSettings, Tag("ppo")]
    | Annotated[MaddpgSettings, Tag("maddpg")]
    | Annotated[CustomAlgorithmSettings, Tag("custom")],
    Discriminator(
        _tag,
        custom_error_type="algorithm_kind",
        custom_error_message=f"an algorithm needs a key 'kind': {', '.join(ALGORITHM_KINDS)}, or import:package.module:Class",
    ),
]
"""How agents learn."""

"""Settings of environments: the networked MDP that the agents act in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator

from netagents.experiment.base import written
from netagents.experiment.battle_settings import SmaxSettings
from netagents.experiment.environment_kind import Cost, EnvironmentKind, Probability
from netagents.experiment.games import GAMES
from netagents.experiment.imported_parts import CustomKind, PartKind
from netagents.experiment.traffic_settings import SumoSettings


class LineMsgSettings(EnvironmentKind):
    """LineMsg, the message-passing chain of SPDAC (arXiv 2305.17568): bits travel from the last agent to agent 0."""

    built_by: ClassVar[str] = "netagents.environments.builtin.line_msg:LineMsg"

    kind: Literal["line_msg"] = "line_msg"
    coupling: Probability = Field(
        0.8, description="chance that acting gives s' = 1 although the right neighbour holds 0; lower means neighbours matter more"
    )


class WirelessSpdacSettings(EnvironmentKind):
    """Wireless access on a g x g king-move grid, as in SPDAC (arXiv 2305.17568)."""

    built_by: ClassVar[str] = "netagents.environments.builtin.wireless_spdac:WirelessSpdac"

    kind: Literal["wireless_spdac"] = "wireless_spdac"
    deadline: Annotated[int, Field(ge=1, le=8)] = Field(2, description="slots until a packet expires (d)")
    arrival: Probability = Field(0.5, description="chance of a new packet per step (p)")
    success: Probability = Field(0.8, description="chance that a transmission without collision succeeds (q)")


class WirelessQuLinSettings(EnvironmentKind):
    """Wireless access with several users per cell, as in Qu, Wierman and Li (arXiv 1912.02906) and Lin et al. (2006.06555)."""

    built_by: ClassVar[str] = "netagents.environments.builtin.wireless_qu_lin:WirelessQuLin"

    kind: Literal["wireless_qu_lin"] = "wireless_qu_lin"
    deadline: Annotated[int, Field(ge=1, le=8)] = Field(2, description="slots until a packet expires (d)")
    arrival: Probability = Field(0.5, description="chance of a new packet per step")
    success: tuple[Probability, ...] | None = Field(
        None, description="chance of success per access point (q_y), row by row; default: uniform draws from success_seed"
    )
    success_seed: Annotated[int, Field(ge=0, lt=1 << 32)] = Field(0, description="seed of numpy's RandomState for the default chances")


class SisSettings(EnvironmentKind):
    """An epidemic on a graph: susceptible (0), infected (1), susceptible again; each agent may pay for protection."""

    aliases: ClassVar[Mapping[str, str]] = {"discount": "gamma"}
    built_by: ClassVar[str] = "netagents.environments.builtin.sis_epidemic:NetworkedSis"

    kind: Literal["sis"] = "sis"
    infection: Probability = Field(0.3, description="chance per step that one infected neighbour infects an unprotected agent (beta)")
    protected_infection: Probability = Field(0.05, description="the same chance for an agent that protects itself")
    recovery: Probability = Field(0.2, description="chance per step that an infected agent recovers (delta)")
    protected_recovery: Probability = Field(0.4, description="the same chance for an agent that protects itself")
    protection_cost: Cost = Field(0.2, description="cost of action 1 per step")
    infection_cost: Cost = Field(1.0, description="cost per step of being infected before the step")
    initial: Probability = Field(0.2, description="chance that an agent is infected at the start")
    horizon: Annotated[int, Field(ge=1, le=1_000_000)] = Field(50, description="default episode length H")
    gamma: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.95, description="default discount factor")


class RandomNetworkedSettings(EnvironmentKind):
    """Random local dynamics and rewards on any graph; `rho` sets how strongly neighbours matter."""

    aliases: ClassVar[Mapping[str, str]] = {"discount": "gamma"}
    built_by: ClassVar[str] = "netagents.environments.builtin.random_networked:RandomNetworked"

    kind: Literal["random_networked"] = "random_networked"
    rho: Annotated[float, Field(ge=0.0, le=1_000.0)] = Field(
        0.5, description="largest row sum of the coupling matrix C: 0 decouples all agents; above 1 / gamma no certificate is finite"
    )
    states: Annotated[int, Field(ge=2, le=64)] = Field(2, description="local states per agent")
    actions: Annotated[int, Field(ge=1, le=64)] = Field(2, description="local actions per agent")
    own_share: Probability = Field(0.5, description="share of rho that an agent's own state takes, the rest is split among its neighbours")
    task_seed: Annotated[int, Field(ge=0, lt=1 << 63)] = Field(0, description="which random environment")
    horizon: Annotated[int, Field(ge=1, le=1_000_000)] = Field(50, description="default episode length H")
    gamma: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.9, description="default discount factor")


class CueRecallSettings(EnvironmentKind):
    """A cue is shown, nothing for some steps, then it is asked for: a task for policies with memory, whose optimum is known."""

    aliases: ClassVar[Mapping[str, str]] = {"discount": "gamma"}
    built_by: ClassVar[str] = "netagents.environments.builtin.cue_recall:CueRecall"

    kind: Literal["cue_recall"] = "cue_recall"
    cues: Annotated[int, Field(ge=2, le=64)] = Field(2, description="different cues k; each is as likely")
    delay: Annotated[int, Field(ge=1, le=1_000)] = Field(8, description="steps from the cue to the answer")
    questions: Annotated[int, Field(ge=1, le=1_000)] = Field(1, description="cues of an episode, one after the other")
    gamma: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.95, description="default discount factor")


class RendezvousSettings(EnvironmentKind):
    """Unicycle robots in a walled square of 200 cm that learn to meet (arXiv 2310.09833); needs neural policies."""

    built_by: ClassVar[str] = "netagents.environments.builtin.robot_rendezvous:RobotRendezvous"

    kind: Literal["rendezvous"] = "rendezvous"
    sensing_radius: Annotated[float, Field(gt=0.0, le=1e6)] = Field(
        282.0, description="cm within which robots are neighbours; with 282 every robot senses every other"
    )


class ParallelEnvSettings(EnvironmentKind):
    """An environment of another library, a PettingZoo ParallelEnv; copies run in the environment server."""

    aliases: ClassVar[Mapping[str, str]] = {"discount": "gamma"}
    built_by: ClassVar[str] = "netagents.environments.adapters.parallel_env:ParallelEnvironment"

    kind: Literal["pettingzoo"] = "pettingzoo"
    make: Annotated[
        str, written(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", "write module:function, such as mpe2.simple_spread_v3:parallel_env")
    ] = Field(description="'module:function' that gives a ParallelEnv, such as mpe2.simple_spread_v3:parallel_env (extra 'environments')")
    arguments: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the function")
    agents: tuple[str, ...] = Field(
        (),
        description="its agents in the order of the graph's nodes; default: by the graph's names if any, else the environment's order",
    )
    masked: bool | None = Field(
        None,
        description="whether some of its actions may be illegal at times; default: as its spaces and the infos of its first reset show",
    )
    positions: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=3)] | None = Field(
        None, description="which numbers of an agent's observation are its position; the graph is then computed from them in each step"
    )
    radius: Annotated[float, Field(gt=0.0, le=1e9)] = Field(1.0, description="distance up to which agents are neighbours, with positions")
    reach_offset: Annotated[int, Field(ge=0, le=1)] = Field(
        1, description="after how many steps an agent's action first affects another; 0 where rewards are shared at once"
    )
    horizon: Annotated[int, Field(ge=1, le=1_000_000)] = Field(100, description="default episode length H")
    gamma: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.99, description="default discount factor")


BUILT_IN: tuple[type[EnvironmentKind], ...] = (
    LineMsgSettings,
    WirelessSpdacSettings,
    WirelessQuLinSettings,
    SisSettings,
    RandomNetworkedSettings,
    CueRecallSettings,
    RendezvousSettings,
    ParallelEnvSettings,
    SumoSettings,
    SmaxSettings,
    *GAMES,
)
"""Settings of the environments that come with netagents; a new one is one more class and a line here."""

BUILT_IN_KINDS: tuple[str, ...] = tuple(get_args(settings.model_fields["kind"].annotation)[0] for settings in BUILT_IN)
"""The names of the environments that come with netagents."""

OWN_ENVIRONMENTS = PartKind("environment", "netagents.environments", BUILT_IN_KINDS, "netagents.environments.NetworkedMDP")
"""How environments of your own are named and found."""


class CustomEnvironmentSettings(EnvironmentKind):
    """An environment of your own: called as ``Class(topology, **parameters)``."""

    kind: CustomKind = Field(description="'import:package.module:Class', or the name of an entry point in the group netagents.environments")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_ENVIRONMENTS.check_name(kind)


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return kind if kind in BUILT_IN_KINDS else "custom"


_BY_TAG = {**dict(zip(BUILT_IN_KINDS, BUILT_IN, strict=True)), "custom": CustomEnvironmentSettings}

if TYPE_CHECKING:
    EnvironmentSettings: TypeAlias = EnvironmentKind
else:
    EnvironmentSettings = Annotated[
        reduce(or_, (Annotated[settings, Tag(tag)] for tag, settings in _BY_TAG.items())),
        Discriminator(
            _tag,
            custom_error_type="environment_kind",
            custom_error_message=f"environment needs a key 'kind': one of {', '.join(BUILT_IN_KINDS)}, or import:package.module:Class",
        ),
    ]

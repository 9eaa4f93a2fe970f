"""Terms of the learning signal beside task reward and shadow reward, as settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, create_model, field_validator, model_validator

from netagents.experiment.base import Settings, written
from netagents.experiment.imported_parts import CustomKind, PartKind
from netagents.experiment.utility_settings import AgentIndex

POWER_TERM = "power"
OWN_SIGNALS = PartKind(
    "signal",
    "netagents.signals",
    (),
    "netagents.learning.SignalTerm",
    own={
        POWER_TERM: "netagents.learning.signals.power_penalty:PowerPenalty",
        "information": "netagents.learning.signals.history_information:HistoryInformation",
        "victim_information": "netagents.learning.signals.victim_information:VictimInformation",
    },
)
"""How terms of your own are named and found.  A term of netagents' own gets a name in ``own``."""

PENALTIES = frozenset({"information"})
"""Terms of netagents' own that nobody wants more of: their weight is minus the field's lambda."""

RESERVED = frozenset({"task", "shadow"})
"""The two terms that are always there."""

TermName = Annotated[str, written(r"[a-z][a-z0-9_]{0,40}", "use small letters, digits and underscores, a letter first")]
Iteration = Annotated[int, Field(ge=0, le=10_000_000)]
Aggregate = Literal["mean", "sum", "max"]
"""How the power of several co-players over one agent becomes one number."""


class TermSettings(Settings):
    """What every term of the signal has, whatever its kind."""

    kind: str
    name: TermName | None = Field(None, description="in metrics and checkpoints; default: that of the class or kind")
    start: Iteration = Field(0, description="the iteration from which on it counts")
    ramp: Iteration = Field(0, description="iterations after start in which its weight grows from 0 to all of it, in a straight line")
    shared: bool = Field(
        False,
        description="whether neighbours learn from it as they do from the task; otherwise the agent alone does, by a critic of its own",
    )
    agents: Annotated[tuple[AgentIndex, ...], Field(min_length=1)] | None = Field(
        None, description="whose term it is; default: everybody's"
    )

    @model_validator(mode="after")
    def _not_reserved(self) -> Self:
        if self.label in RESERVED:
            raise ValueError(f"a term may not be called '{self.label}', which is always there; give it a name")
        return self

    @property
    def label(self) -> str:
        """Its name: as written, or that of the class in small letters, ``switching_penalty`` for ``import:terms:SwitchingPenalty``."""
        if self.name is not None:
            return self.name
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.kind.rpartition(":")[2].rpartition(".")[2]).lower()
        return re.sub(r"[^a-z0-9_]", "_", words).strip("_")[:40] or "term"

    @property
    def factor(self) -> float:
        """The weight once its schedule is through."""
        raise NotImplementedError

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Keyword arguments of the term's class."""
        raise NotImplementedError

    def weight_at(self, iteration: int) -> float:
        """The factor in front at an iteration: a function of the iteration and of stated numbers."""
        if iteration < self.start:
            return 0.0
        return self.factor if self.ramp == 0 else self.factor * min((iteration - self.start) / self.ramp, 1.0)


class CustomTermSettings(TermSettings):
    """A term of the learning signal: made as ``Class(agent, setup, **parameters)``."""

    OWN_KINDS: ClassVar[frozenset[str]] = frozenset(OWN_SIGNALS.own)
    """Kinds that are netagents' own code, not somebody else's."""

    kind: CustomKind = Field(
        description="'information', 'import:package.module:Class', or the name of an entry point in the group netagents.signals"
    )
    weight: Annotated[float, Field(ge=-1e9, le=1e9)] = Field(
        1.0, description="factor in front; negative for a penalty; with 0 the term is measured and nothing is learned from it"
    )
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_SIGNALS.check_name(kind)

    @model_validator(mode="after")
    def _costs(self) -> Self:
        if self.kind in PENALTIES and self.weight > 0.0:
            raise ValueError(
                f"a weight of {self.weight:g} would reward {self.kind}, a lambda below 0; a penalty is weight: -{self.weight:g}"
            )
        return self

    @property
    def factor(self) -> float:
        """``weight``."""
        return self.weight

    @property
    def arguments(self) -> Mapping[str, Any]:
        """``parameters``."""
        return self.parameters


# The paper's name of the setting is a word of Python, which a class body cannot spell.
_LAMBDA: dict[str, Any] = {
    "lambda": (
        Annotated[float, Field(ge=0.0, le=1e3)],
        Field(
            description="price of one unit of power, in units of task reward; with mean it is the chance per step that one co-player"
            " misbehaves, with sum that a given one does; with 0 power is measured and nothing is learned from it"
        ),
    )
}
_Lambda = create_model("_Lambda", __base__=TermSettings, **_LAMBDA)


class PowerTermSettings(_Lambda):
    """Power regularization (PRIM, arXiv 2406.11240): the power of co-players over the agent costs it reward."""

    kind: Literal["power"] = "power"
    aggregate: Aggregate = Field("mean", description="of the power of its co-players within the trusted radius: mean, sum or max")
    variant: Literal["realized", "ex_ante"] = Field(
        "realized", description="of the actions that were played, or before any agent acts; ex_ante depends on the state alone"
    )
    refresh: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10, description="iterations between two copies of the task critic, from which power is read"
    )
    bias: Literal["double", "single"] = Field(
        "double",
        description="of the minimum over a co-player's actions: one half of the data chooses and the other values, or all data do both",
    )

    @property
    def factor(self) -> float:
        """``-lambda``."""
        return -float(getattr(self, "lambda"))

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The settings of its own."""
        return {"aggregate": self.aggregate, "variant": self.variant, "refresh": self.refresh, "bias": self.bias}


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return None if not isinstance(kind, str) else POWER_TERM if kind == POWER_TERM else "custom"


SignalSettings = Annotated[
    Annotated[PowerTermSettings, Tag(POWER_TERM)] | Annotated[CustomTermSettings, Tag("custom")],
    Discriminator(
        _tag,
        custom_error_type="signal_kind",
        custom_error_message="a term needs a key 'kind': power, information, import:package.module:Class, or the name of an entry point",
    ),
]
"""A term beside task reward and shadow reward."""


def check_names(signals: tuple[TermSettings, ...]) -> None:
    """Refuse two terms of one name.

    Raises:
        ValueError: names both.
    """
    index_of: dict[str, int] = {}
    for number, term in enumerate(signals):
        if term.label in index_of:
            raise ValueError(f"signals {index_of[term.label]} and {number} are both called '{term.label}'; give one of them a name")
        index_of[term.label] = number


def signals_of(signals: tuple[TermSettings, ...], agent: int) -> tuple[TermSettings, ...]:
    """The terms of one agent, in the order of the file."""
    return tuple(term for term in signals if term.agents is None or agent in term.agents)

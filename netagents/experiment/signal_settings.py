"""Terms of the learning signal beside task reward and shadow reward, as settings."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from netagents.experiment.base import Settings, written
from netagents.experiment.imported_parts import CustomKind, PartKind
from netagents.experiment.utility_settings import AgentIndex

OWN_SIGNALS = PartKind(
    "signal",
    "netagents.signals",
    (),
    "netagents.learning.SignalTerm",
    own={
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


class SignalSettings(Settings):
    """A term of the learning signal: made as ``Class(agent, setup, **parameters)``."""

    OWN_KINDS: ClassVar[frozenset[str]] = frozenset(OWN_SIGNALS.own)
    """Kinds that are netagents' own code, not somebody else's."""

    kind: CustomKind = Field(
        description="'information', 'import:package.module:Class', or the name of an entry point in the group netagents.signals"
    )
    name: TermName | None = Field(None, description="in metrics and checkpoints; default: that of the class")
    weight: Annotated[float, Field(ge=-1e9, le=1e9)] = Field(
        1.0, description="factor in front; negative for a penalty; with 0 the term is measured and nothing is learned from it"
    )
    start: Iteration = Field(0, description="the iteration from which on it counts")
    ramp: Iteration = Field(0, description="iterations after start in which its weight grows from 0 to all of it, in a straight line")
    shared: bool = Field(
        False,
        description="whether neighbours learn from it as they do from the task; otherwise the agent alone does, by a critic of its own",
    )
    agents: Annotated[tuple[AgentIndex, ...], Field(min_length=1)] | None = Field(
        None, description="whose term it is; default: everybody's"
    )
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="keyword arguments of the class")

    @field_validator("kind")
    @classmethod
    def _kind_exists(cls, kind: str) -> str:
        return OWN_SIGNALS.check_name(kind)

    @model_validator(mode="after")
    def _not_reserved(self) -> Self:
        if self.label in RESERVED:
            raise ValueError(f"a term may not be called '{self.label}', which is always there; give it a name")
        if self.kind in PENALTIES and self.weight > 0.0:
            raise ValueError(
                f"a weight of {self.weight:g} would reward {self.kind}, a lambda below 0; a penalty is weight: -{self.weight:g}"
            )
        return self

    @property
    def label(self) -> str:
        """Its name: as written, or that of the class in small letters, ``switching_penalty`` for ``import:terms:SwitchingPenalty``."""
        if self.name is not None:
            return self.name
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.kind.rpartition(":")[2].rpartition(".")[2]).lower()
        return re.sub(r"[^a-z0-9_]", "_", words).strip("_")[:40] or "term"

    def weight_at(self, iteration: int) -> float:
        """The factor in front at an iteration: a function of the iteration and of stated numbers."""
        if iteration < self.start:
            return 0.0
        return self.weight if self.ramp == 0 else self.weight * min((iteration - self.start) / self.ramp, 1.0)


def check_names(signals: tuple[SignalSettings, ...]) -> None:
    """Refuse two terms of one name.

    Raises:
        ValueError: names both.
    """
    seen: dict[str, int] = {}
    for number, term in enumerate(signals):
        if term.label in seen:
            raise ValueError(f"signals {seen[term.label]} and {number} are both called '{term.label}'; give one of them a name")
        seen[term.label] = number


def signals_of(signals: tuple[SignalSettings, ...], agent: int) -> tuple[SignalSettings, ...]:
    """The terms of one agent, in the order of the file."""
    return tuple(term for term in signals if term.agents is None or agent in term.agents)

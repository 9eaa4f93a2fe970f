"""Models of the events of a run: what each kind of row of ``events.jsonl`` may hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator

from netagents.messages import MONITOR
from netagents.records.record_models import LARGEST_COUNT, MOST_AGENTS, Agent, Count, Iteration, Record, Seconds, Text, Word, agents_of

Counts = Annotated[dict[Word, Count], Field(max_length=10_000)]
Counted = Annotated[dict[Word, Annotated[list[Count], Field(max_length=8)]], Field(max_length=256)]
Age = Annotated[str, Field(pattern=r"^(absent|[0-9]{1,9}( or more)?)$")]
Ages = Annotated[dict[Age, Count], Field(max_length=1000)]
Node = Annotated[dict[Word, Ages], Field(max_length=64)]
Code = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]


class Event(Record):
    """An event of a kind that this version knows nothing else of."""

    event: Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]
    time: Annotated[float, Field(ge=0.0, le=4e9)] = 0.0
    pid: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    first_iteration: Iteration | None = None
    iteration: Iteration | None = None


class Ended(Event):
    """``finished``, ``interrupted``, ``failed``: how the run ended."""

    role: Word = ""
    exit_code: Code = 0
    line: Text = ""
    signal: Word | None = None


class Resumed(Event):
    """``resumed``: the run goes on."""

    first_iteration: Iteration
    changes: Annotated[list[Word], Field(max_length=1000)] = Field(default_factory=list)


class Restarted(Event):
    """``restarted``: an agent was started again, and all went back to ``iteration``."""

    agent: Agent
    iteration: Iteration
    incarnation: Annotated[int, Field(ge=0, lt=1 << 63)] = 0


class Lost(Event):
    """``lost``: the run goes on without an agent."""

    agent: Agent
    iteration: Iteration
    stand_in: Word
    line: Text


class Links(Event):
    """``links``: what modelled links cost, a row of sender, receiver and ``columns`` for each."""

    columns: Annotated[list[Word], Field(max_length=64)]
    rows: list[Any]

    @model_validator(mode="after")
    def _rows_fit(self, info: ValidationInfo) -> Links:
        n = agents_of(info) or MOST_AGENTS
        for row in self.rows:
            if type(row) is not list or len(row) != 2 + len(self.columns) or any(type(each) is not int for each in row):
                raise ValueError(f"a row that is not {2 + len(self.columns)} whole numbers")
            if not all(MONITOR <= end < n for end in row[:2]) or not all(0 <= count <= LARGEST_COUNT >> 8 for count in row[2:]):
                raise ValueError("a row with a node that there is not, or a count out of range")
        return self


class CarriedFacts(Record):
    """What the agents counted while they handed messages on."""

    bundles: Count
    handed_on: Count
    hop_milliseconds: Seconds


class Traffic(Event):
    """``traffic``: what the server sent, and what every node refused."""

    sent: Counted = Field(default_factory=dict)
    received: Counted = Field(default_factory=dict)
    wait_seconds: Seconds = 0.0
    serialise_seconds: Seconds = 0.0
    sample_seconds: Seconds = 0.0
    wakeups: Count = 0
    digests_dropped: Count = 0
    dropped: Counts = Field(default_factory=dict)
    refused: Annotated[dict[Word, Counts], Field(max_length=MOST_AGENTS + 2)] = Field(default_factory=dict)
    carried: CarriedFacts | None = None


class Staleness(Event):
    """``staleness``: how old what the agents used was, and how late their actions."""

    ages: Annotated[dict[Word, Node], Field(max_length=MOST_AGENTS)] = Field(default_factory=dict)
    actions: Annotated[dict[Word, Ages], Field(max_length=MOST_AGENTS)] = Field(default_factory=dict)
    late: Counts = Field(default_factory=dict)


class Refused(Event):
    """``refused``: messages and peers that nodes refused since the event before, by node and reason."""

    iteration: Iteration
    refused: Annotated[dict[Word, Counts], Field(max_length=MOST_AGENTS + 2)]


class Late(Event):
    """``late``: agents whose actions came late, and how often since the event before."""

    iteration: Iteration
    late: Counts


class Overdue(Event):
    """``overdue``: agents whose message is missing for long; they are asked for a heartbeat."""

    agents: Annotated[list[Agent], Field(max_length=MOST_AGENTS)]
    line: Text = ""


class PowerWarning(Event):
    """``power_warning``: something looks wrong about the price of power from ``iteration`` on, and what to do."""

    iteration: Iteration
    term: Word
    name: Word
    what: Text
    advice: Text
    line: Text = ""


EVENTS: dict[str, type[Event]] = {
    "finished": Ended,
    "interrupted": Ended,
    "failed": Ended,
    "resumed": Resumed,
    "restarted": Restarted,
    "lost": Lost,
    "links": Links,
    "traffic": Traffic,
    "staleness": Staleness,
    "power_warning": PowerWarning,
    "refused": Refused,
    "late": Late,
    "overdue": Overdue,
}
"""Events whose facts are read again, and their models; all others are :class:`Event`."""

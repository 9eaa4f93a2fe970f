"""Models of all records: what each file of a run directory may hold, with a type and a bound for every value.

:data:`RECORDS` is the one table of files and models; every reader goes through it (:mod:`netagents.records.record_files`).  Keys that a
later version adds are let through; what is known is checked, and lists have as many entries as the run has agents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, model_validator

from netagents.messages import MONITOR, Kind
from netagents.topology.graph import LIMIT_NODES

MOST_AGENTS = LIMIT_NODES
LARGEST_COUNT = 1 << 53
"""Largest number of messages, bytes or uses that a record may tell; larger ones are no counts."""

Text = Annotated[str, Field(max_length=10_000)]
Word = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Iteration = Annotated[int, Field(ge=0, lt=1 << 31)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Seconds = Annotated[float, Field(ge=0.0, le=1e12)]
Number = float | None | Literal["inf", "-inf"]
"""A float as :func:`netagents.records.jsonl.json_floats` writes it."""

_KINDS = frozenset(int(kind) for kind in Kind)
_NUMBERS = frozenset({float, int})
_WRITTEN = frozenset({float, int, str, type(None)})


class Record(BaseModel):
    """Base of all records: JSON's own types, keys of later versions allowed."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


def agents_of(info: ValidationInfo) -> int | None:
    """The number of agents that lists are checked against; None where it is not known."""
    return info.context["n"] if info.context else None


def _agent(value: Any, info: ValidationInfo) -> int:
    n = agents_of(info)
    if type(value) is not int or not 0 <= value < (MOST_AGENTS if n is None else n):
        raise ValueError("there is no such agent")
    return value


def _column(values: Any, info: ValidationInfo) -> NDArray[np.float64]:
    """One number per agent, as json_floats writes them."""
    n = agents_of(info)
    if type(values) is not list or (n is not None and len(values) != n):
        raise ValueError("not one number per agent" if n is None else f"not a list of {n} numbers")
    kinds = set(map(type, values))
    if not kinds <= _NUMBERS and not (kinds <= _WRITTEN and all(each in ("inf", "-inf") for each in values if type(each) is str)):
        raise ValueError("not numbers, null, 'inf' or '-inf'")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise ValueError("a number out of range") from None


def _whole_numbers(columns: int) -> Callable[[Any], NDArray[np.int64]]:
    def table(values: Any) -> NDArray[np.int64]:
        if type(values) is not list:
            raise ValueError("not a list of rows")
        for row in values:
            if type(row) is not list or len(row) != columns or any(type(each) is not int for each in row):
                raise ValueError(f"a row that is not {columns} whole numbers")
        try:
            return np.array(values, dtype=np.int64).reshape(-1, columns)
        except OverflowError:
            raise ValueError("a number out of range") from None

    return table


def _pairs(table: NDArray[np.int64], info: ValidationInfo) -> NDArray[np.int64]:
    n = agents_of(info)
    if table.size and not 0 <= table.min() <= table.max() < (MOST_AGENTS if n is None else n):
        raise ValueError("a pair with an agent that there is not")
    return table


def _links(table: NDArray[np.int64], info: ValidationInfo) -> NDArray[np.int64]:
    """Rows of sender, kind, receiver, hop, messages, bytes."""
    n = agents_of(info) or MOST_AGENTS
    for column, low, high, what in ((0, MONITOR, n - 1, "sender"), (2, MONITOR, n - 1, "receiver"), (3, 0, n, "hop distance")):
        if table.size and not low <= table[:, column].min() <= table[:, column].max() <= high:
            raise ValueError(f"a {what} that there is not")
    if not _KINDS.issuperset(table[:, 1].tolist()):
        raise ValueError("a kind of message that there is not")
    if table.size and not 0 <= table[:, 4:].min() <= table[:, 4:].max() <= LARGEST_COUNT:
        raise ValueError("a count out of range")
    return table


Agent = Annotated[int, PlainValidator(_agent)]
Column = Annotated[NDArray[np.float64], PlainValidator(_column)]
Named = Annotated[dict[Word, Column], Field(max_length=256)]


class RowRecord(Record):
    """A row of one iteration."""

    iteration: Iteration


class MetricsRow(RowRecord):
    """``metrics.jsonl``: returns, every agent's metrics, and timing."""

    team_return: Number
    team_return_sd: Number
    discounted_return: Number
    agents: Named
    seconds: Seconds
    timing: Named


class PowerRow(RowRecord):
    """``power.jsonl``: pairs (r, 2) where they change, and packed numbers, which are checked when they are unpacked."""

    pairs: Annotated[NDArray[np.int64], PlainValidator(_whole_numbers(2)), AfterValidator(_pairs)] | None = None
    values: str


class AuditedRow(RowRecord):
    """``audits.jsonl``: true power of one iteration, for each holder its visits and a number per agent that may suffer."""

    holders: Annotated[list[Agent], Field(max_length=MOST_AGENTS)]
    visits: list[Annotated[int, Field(ge=1, le=1_000_000)]]
    low: list[Column]
    high: list[Column]
    error: list[Column]

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if len(set(self.holders)) != len(self.holders):
            raise ValueError("a holder twice")
        if any(len(each) != len(self.holders) for each in (self.visits, self.low, self.high, self.error)):
            raise ValueError("not one entry per holder")
        return self


class LedgerRow(RowRecord):
    """``ledger.jsonl``: rows (r, 6) of sender, kind, receiver, hop, messages, bytes."""

    whole: bool = False
    rows: Annotated[NDArray[np.int64], PlainValidator(_whole_numbers(6)), AfterValidator(_links)]


class Manifest(Record):
    """``manifest.json`` of a run directory of this format."""

    format_version: int
    run: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    created: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{4})?$")]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    n: Annotated[int, Field(ge=1, le=MOST_AGENTS)]
    graph_digest: Digest
    launcher: Word
    versions: Annotated[dict[Word, Word], Field(max_length=256)]
    platform: Text = ""
    machine: Text = ""
    processor: Text = ""
    cores: Annotated[int, Field(ge=0, le=1 << 20)] | None = None


class SpaceRecord(Record):
    """A space of ``environment.json``: ``size``, or ``shape``, ``low`` and ``high`` (written with repr)."""

    size: Annotated[int, Field(ge=1, le=1 << 31)] | None = None
    shape: Annotated[list[Annotated[int, Field(ge=1, le=1 << 24)]], Field(max_length=8)] | None = None
    low: Annotated[str, Field(pattern=r"^[-+.0-9a-z]{1,40}$")] | None = None
    high: Annotated[str, Field(pattern=r"^[-+.0-9a-z]{1,40}$")] | None = None


def _one_per_agent(values: list[Any], info: ValidationInfo) -> list[Any]:
    n = agents_of(info)
    if n is not None and len(values) != n:
        raise ValueError(f"not a list of {n} entries")
    return values


Spaces = Annotated[list[SpaceRecord], Field(fail_fast=True), AfterValidator(_one_per_agent)]
Scopes = Annotated[list[Annotated[list[Agent], Field(fail_fast=True)]], Field(fail_fast=True), AfterValidator(_one_per_agent)]
Noise = Annotated[list[Annotated[int, Field(ge=0, le=1 << 24)]], Field(max_length=8)]
Known = Annotated[float, Field(ge=-1e300, le=1e300)] | None


class EnvironmentFacts(Record):
    """``environment.json``: what everybody may know of the environment."""

    name: Word
    state_spaces: Spaces
    action_spaces: Spaces
    horizon: Annotated[int, Field(ge=1, le=1_000_000_000)]
    discount: Annotated[float, Field(ge=0.0, le=1.0)]
    reset_noise: Noise
    step_noise: Noise
    reach_offset: Annotated[int, Field(ge=0, le=1000)]
    state_scopes: Scopes
    action_scopes: Scopes
    untrained_return: Known
    best_return: Known
    capabilities: Annotated[dict[Word, bool], Field(max_length=64)]
    observations: Spaces | None
    view: Annotated[dict[Word, Word | Annotated[float, Field(ge=-1e300, le=1e300)]], Field(max_length=64)]


class ComponentRecord(Record):
    """An array of a checkpoint as its manifest lists it."""

    dtype: Annotated[str, Field(pattern=r"^(u?int(8|16|32|64)|bool|float32|float64)$")]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=1 << 36)]], Field(max_length=8)]
    sha256: Digest


class OwnerRecord(Record):
    """All arrays of one owner: an agent, or -1 for the environment server."""

    owner: Annotated[int, Field(ge=-1, lt=1 << 31)]
    components: Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")], ComponentRecord], Field(max_length=4096)]


class CheckpointManifest(Record):
    """``checkpoints/iteration-*/manifest.json``."""

    iteration: Iteration
    facts: Annotated[dict[Word, Word | int | float | bool | None], Field(max_length=64)]
    owners: Annotated[dict[Word, OwnerRecord], Field(max_length=MOST_AGENTS + 1)]


class LogEntry(Record):
    """A line of a log that is an entry; a line that is none is shown as it stands."""

    time: Annotated[float, Field(ge=0.0, le=4e9)] | None = None
    level: Word = ""
    role: Word = ""
    phase: Text = ""
    message: str = ""
    traceback: str = ""
    failure: Annotated[dict[Word, Any], Field(max_length=64)] | None = None


class StudyFacts(Record):
    """``study.json`` of a study directory: what is asked, of which experiment."""

    format_version: int
    question: Word
    name: Word
    digest: Word


class StudyResult(Record):
    """``study_result.json`` of a run of a study: what it took, and, as further keys, what its frozen policies reached."""

    __pydantic_extra__: dict[str, float | Word | Annotated[list[float], Field(fail_fast=True, max_length=1 << 24)]]

    wall_seconds: Seconds
    cpu_seconds: Seconds
    largest_memory_kib: Count
    launcher: Word


class BankMember(Record):
    """One joint policy of a bank: a policy for each agent, and where they come from.

    ``kind`` is ``trained`` (``run``, ``seed``, ``iteration``), ``untrained`` (``seed``) or ``faulty`` (``action``: always that one);
    ``population`` is the member of a population that the seats of that run held.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    kind: Literal["trained", "untrained", "faulty"]
    run: Word = ""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    iteration: Iteration | None = None
    population: Annotated[int, Field(ge=0, lt=1000)] | None = None
    action: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None


def _different_names(members: list[BankMember]) -> list[BankMember]:
    if len({member.name for member in members}) < len(members):
        raise ValueError("two members of one name")
    return members


class BankManifest(Record):
    """``bank.json``: the members of a bank of frozen policies, in order."""

    format_version: Literal[1]
    created: Annotated[str, Field(max_length=40)]
    n: Annotated[int, Field(ge=1, le=MOST_AGENTS)]
    graph_digest: Digest
    members: Annotated[list[BankMember], Field(min_length=1, max_length=10_000), AfterValidator(_different_names)]


class InfluencePlan(Record):
    """``influence/*/plan.json``: which rollouts measure influence; those of a run with the same plan are the same numbers.

    ``bank`` is the SHA-256 of the bank's manifest, ``windows`` in how many parts of an episode rewards are summed, and ``pulse`` the number
    of steps after which a source returns to its own policy (None: never).
    """

    run: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    checkpoint: Iteration
    bank: Digest
    members: Annotated[list[Word], Field(min_length=1, max_length=10_000)]
    repetitions: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    horizon: Annotated[int, Field(ge=1, le=1_000_000_000)]
    windows: Annotated[int, Field(ge=1, le=64)]
    pulse: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None


class RecordFile(NamedTuple):
    """How a file of a run directory is read.

    Attributes:
        model: of the whole file, or of one row where ``rows``.
        rows: one record per line.
        bytes: that the file may take, or one row of it, in a run of n agents.
    """

    model: type[Record]
    rows: bool
    bytes: Callable[[int], int]


def per_pair(n: int) -> int:
    """Bytes that a record of all pairs of agents may take."""
    return min(1 << 30, (1 << 20) + 4096 * n + 128 * n * n)

"""Progress view: one small snapshot of a run per iteration, made by the monitor and shown by the launcher."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DecodeError
from netagents.learning import IterationRecord, Setup
from netagents.learning.power_facts import power_facts
from netagents.learning.price_watch import PriceWatch
from netagents.measures.power import Concentration, PowerMatrix, concentration
from netagents.messages import Digest

FloatArray = NDArray[np.float64]
LARGEST_VIEW = 64 * 1024
MOST_BUSY = 4096
WHOLE_NUMBERS = ("iteration", "total", "top_holder", "leaders", "messages", "payload", "dropped", "slowest")


@dataclass(frozen=True)
class ProgressView:
    """The state of a run after an iteration.

    Attributes:
        iteration, total: iterations finished and planned.
        team_return: mean over agents and copies of the undiscounted return.
        utility: mean over agents of f_i.
        top_holder, top_share: the agent with most power, and its share; -1 and NaN if unknown.
        leaders: how many agents may have most power, given the errors; 0 if unknown.
        messages, payload: sent in this iteration, in messages and bytes.
        dropped: digests that never reached the monitor.
        slowest: the agent for which the others waited longest in this iteration; -1 if times are unknown.
        busy: per agent the percentage of the iteration in which it did not wait; empty if times are unknown, or for more than
            :data:`MOST_BUSY` agents.
        notices: warnings about the price of power that are new with this iteration, a line each.
    """

    iteration: int
    total: int
    team_return: float
    utility: float
    top_holder: int
    top_share: float
    messages: int
    payload: int
    dropped: int
    slowest: int
    busy: tuple[int, ...] = ()
    leaders: int = 1
    notices: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The view as JSON; NaN is null."""
        values = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(self).items()}
        return json.dumps(values).encode()

    @classmethod
    def from_json(cls, text: bytes) -> ProgressView:
        """Read what :meth:`to_json` wrote.

        Raises:
            DecodeError: it is not a view.
        """
        try:
            if len(text) > LARGEST_VIEW:
                raise ValueError("too large")
            values = json.loads(text)
            busy = tuple(int(share) for share in values.pop("busy"))
            notices = tuple(str(line) for line in values.pop("notices"))
            fields: dict[str, Any] = {key: math.nan if value is None else float(value) for key, value in values.items()}
            for key in WHOLE_NUMBERS:
                fields[key] = int(fields[key])
            view = cls(**fields, busy=busy, notices=notices)
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
            raise DecodeError(f"a view that cannot be read: {error}") from error
        return view


class PowerMonitor:
    """Turns the agents' reports into the power matrix and its concentration, and follows what agents pay for power.

    Args:
        setup: distances, radii, and which agents cannot influence each other.
    """

    def __init__(self, setup: Setup) -> None:
        self._facts = power_facts(setup)
        self._prices = PriceWatch(setup)

    def matrix(self, rows: tuple[FloatArray, ...]) -> PowerMatrix:
        """The power matrix of one iteration from the agents' (m, 6) rows."""
        return self._facts.matrix(rows)

    def concentration(self, matrix: PowerMatrix) -> Concentration:
        """Concentration of the valid entries, as in records and report."""
        return concentration(matrix)

    def notices(self, record: IterationRecord) -> tuple[str, ...]:
        """The warnings about the price of power that are new; to be asked once per iteration."""
        return tuple(notice.line for notice in self._prices.add(record))


def make_view(monitor: PowerMonitor, record: IterationRecord, total: int, dropped: int) -> ProgressView:
    """The snapshot after one iteration."""
    power = monitor.concentration(monitor.matrix(record.power))
    waited = record.timing[:, 1]
    timed = bool(waited.any()) and len(waited) <= MOST_BUSY
    with np.errstate(invalid="ignore", divide="ignore"):
        working = 100.0 * (1.0 - waited / record.timing.sum(axis=1))
    return ProgressView(
        iteration=record.iteration + 1,
        total=total,
        team_return=record.team_return,
        utility=float(record.column("utility").mean()),
        top_holder=power.top_holder,
        top_share=power.top_share,
        leaders=len(power.leaders),
        notices=monitor.notices(record),
        messages=int(record.ledger[:, 4].sum()),
        payload=int(record.ledger[:, 5].sum()),
        dropped=dropped,
        # The others wait for the agent that waits least.
        slowest=int(np.argmin(waited)) if waited.any() else -1,
        busy=tuple(np.clip(np.nan_to_num(working), 0.0, 100.0).round().astype(int).tolist()) if timed else (),
    )


def to_digest(record: IterationRecord) -> Digest:
    """The record of an iteration as a Digest."""
    owner = [np.full(len(rows), agent, dtype=np.float64) for agent, rows in enumerate(record.power)]
    rows = [np.column_stack([index, values]) for index, values in zip(owner, record.power, strict=True)]
    return Digest(
        team=np.array([record.team_return, record.team_return_sd, record.discounted_return]),
        metrics=record.metrics,
        power=np.concatenate(rows).reshape(-1, 7),
        ledger=record.ledger,
        timing=record.timing,
    )


def from_digest(iteration: int, names: tuple[str, ...], digest: Digest) -> IterationRecord:
    """The record in a Digest, whose metrics have these names."""
    owner = digest.power[:, 0].astype(np.int64)
    return IterationRecord(
        iteration=iteration,
        team_return=float(digest.team[0]),
        team_return_sd=float(digest.team[1]),
        discounted_return=float(digest.team[2]),
        names=names,
        metrics=digest.metrics,
        power=tuple(digest.power[owner == agent, 1:] for agent in range(len(digest.metrics))),
        ledger=digest.ledger,
        timing=digest.timing,
    )

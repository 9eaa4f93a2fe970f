"""The registry of claims: each statement about the papers, how it is checked, and what came out last, refuted ones included.

A number that chance has a part in is judged by its whole 95 % interval: a statement is confirmed where all of the interval agrees with it,
refuted where none of it does, and undecided otherwise or with too few seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

import netagents
from netagents.errors import UsageError
from netagents.experiment.base import Settings
from netagents.intervals import ENOUGH, Interval

Relation = Literal["equals", "at_least", "at_most"]
Verdict = Literal["confirmed", "refuted", "undecided"]


class LastResult(Settings):
    """What came out when the claim was last checked."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    verdict: Verdict
    date: str
    version: str

    def text(self) -> str:
        """The number as people write it, with interval and n where it has them."""
        return f"{self.value:.4g}" if self.n is None else _interval(self).text(number=lambda value: f"{value:.4g}")


class Claim(Settings):
    """One statement that can be checked by a command.

    ``check`` names a function of :mod:`netagents.studies.claim_checks` that gives one number from the experiment; the statement holds
    when that number, or all of its interval, is in ``relation`` to ``expected``, give or take ``tolerance``.  ``verdict`` is what we found
    and stand by.  A claim must be able to fail: ``tests/studies/test_claim_mutants.py`` has a wrong artefact or function for each.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    statement: str
    source: str
    tier: Literal["smoke", "full"]
    check: str
    experiment: str | dict[str, Any]
    overrides: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    relation: Relation
    expected: float
    tolerance: Annotated[float, Field(ge=0.0)] = 0.0
    verdict: Verdict = "confirmed"
    comment: str = ""
    last: LastResult | None = None

    def holds(self, value: float) -> bool:
        """Whether the statement is true of this value; NaN is true of nothing."""
        if self.relation == "equals":
            return abs(value - self.expected) <= self.tolerance
        if self.relation == "at_least":
            return value >= self.expected - self.tolerance
        return value <= self.expected + self.tolerance

    def judge(self, measured: float | Interval) -> Verdict:
        """What a number says of the statement; NaN confirms nothing, an interval of fewer than five samples decides nothing."""
        if not isinstance(measured, Interval):
            return "confirmed" if self.holds(measured) else "refuted"
        if not measured.known or measured.n < ENOUGH:
            return "undecided"
        if self.holds(measured.low) and self.holds(measured.high):
            return "confirmed"
        # The values that agree form one stretch, so an interval misses it where its edges and the nearest value do.
        nearest = min(max(self.expected, measured.low), measured.high)
        return "undecided" if any(map(self.holds, (measured.low, measured.high, nearest))) else "refuted"

    def words(self) -> str:
        """The test as people read it."""
        about = {"equals": "=", "at_least": ">=", "at_most": "<="}[self.relation]
        return f"{about} {self.expected:g}" + (f" (within {self.tolerance:g})" if self.tolerance else "")


def registry_path() -> Path:
    """``docs/claims.yaml`` of this checkout."""
    return Path(netagents.__file__).parent.parent / "docs" / "claims.yaml"


def read_claims(path: Path) -> list[Claim]:
    """All claims, in order.

    Raises:
        UsageError: there is no registry, or a claim in it is wrong; one line.
    """
    try:
        raw = yaml.safe_load(path.read_bytes())
        claims = [Claim.model_validate_json(_json(entry), strict=True) for entry in raw]
    except OSError as error:
        raise UsageError("there is no registry of claims", where=str(path), fix="name one with --registry") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(": ".join([*map(str, first["loc"]), first["msg"]]), where=str(path), fix="docs/claims.yaml shows how") from error
    except (yaml.YAMLError, TypeError) as error:
        raise UsageError("is not a list of claims", where=str(path), fix="docs/claims.yaml shows how") from error
    names = [claim.id for claim in claims]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"the id '{twice}' is there twice", where=str(path))
    return claims


def find_claim(claims: Sequence[Claim], name: str) -> Claim:
    """The claim of that id.

    Raises:
        UsageError: there is none; names the nearest.
    """
    from difflib import get_close_matches

    for claim in claims:
        if claim.id == name:
            return claim
    close = get_close_matches(name, [claim.id for claim in claims], n=1)
    fix = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(claim.id for claim in claims)}"
    raise UsageError(f"no claim is called '{name}'", fix=fix)


def reproduce(claim: Claim) -> tuple[float | Interval, Verdict]:
    """Check a claim now: the number, and what it says of the statement.

    Raises:
        NetagentsError: the claim's experiment is wrong.
    """
    from netagents.studies.claim_checks import CHECKS

    check = CHECKS.get(claim.check)
    if check is None:
        raise UsageError(f"there is no check '{claim.check}'", where=f"claim {claim.id}", fix=f"choose one of {', '.join(CHECKS)}")
    measured = check(claim.experiment, claim.overrides, **claim.parameters)
    return measured, claim.judge(measured)


def _interval(last: LastResult) -> Interval:
    low, high = (math.nan if edge is None else edge for edge in (last.low, last.high))
    return Interval(last.value, low, high, last.n or 0)


def _json(entry: Any) -> str:
    import json

    return json.dumps(entry)

"""Facts of an attack: what its parts name of each other is there."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from netagents.records.attack_models import AttackFacts

VALUE = (1.0, 0.5, 1.5, 3)


def row(**changes: object) -> dict[str, Any]:
    values: dict[str, Any] = {"adversaries": "0", "adaptive": 0.0, "label": "adversaries 0", "sampled": VALUE, "by_seed": [1.0]}
    values |= dict.fromkeys(("clean", "attacked", "loss", "random"), VALUE)
    return values | {"noise": [{"noise": 0.5, "attacked": VALUE}], "skill": [], "weighted": [], "cpu_seconds": None} | changes


def facts(**changes: object) -> dict[str, Any]:
    message = {"agent": 1, "neighbour": 0, "hop": 1, "information": 0.1, "movement": 0.2, "changed": 0.3}
    values: dict[str, Any] = {"format_version": 1, "run": "run", "name": "run", "experiment": "run", "checkpoint": 3, "n": 2}
    values |= {"labels": ["a", "b"], "episodes": 4, "budget": 5, "seeds": [0], "notes": [], "rows": [row(), row()], "messages": [message]}
    return values | changes


def test_facts_that_agree_are_taken() -> None:
    assert len(AttackFacts.model_validate(facts()).rows) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": ["a"]}, "an agent without a label"),
        ({"rows": [row(), row(noise=[])]}, "the same shares of noise"),
        ({"rows": [row(by_seed=[])]}, "at least 1 item"),
    ],
)
def test_facts_that_do_not_agree_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AttackFacts.model_validate(facts(**changes))

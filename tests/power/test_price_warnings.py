"""Warnings about a price of power: each comes where it should, and none where all is well."""

from __future__ import annotations

import numpy as np

from netagents.measures.power.price_warnings import PricedHistory, price_warnings

K = 60
STEP = np.arange(K, dtype=float)
NOISE = 0.1 * np.where(np.arange(K) % 2 == 0, 1.0, -1.0)
AFTER = np.clip((STEP - 20.0) / 10.0, 0.0, 1.0)


def names(**changes: object) -> set[str]:
    values = {"task": 10.0 + NOISE, "power": 4.0 - 3.0 * AFTER + NOISE, "weight": -0.5 * AFTER, "known": np.ones(K), **changes}
    return {warning.name for warning in price_warnings(PricedHistory(**values))}  # type: ignore[arg-type]


def test_a_price_that_takes_power_and_no_return_warns_of_nothing() -> None:
    assert names() == set()
    assert names(weight=np.zeros(K)) == set()
    assert names(floor=0.001, between=0.2) == set()


def test_a_return_that_falls_while_power_stays_is_overcautious() -> None:
    late = np.maximum(STEP - 45.0, 0.0)
    assert "overcautious" in names(task=10.0 - 0.3 * late + NOISE)
    # As long as power falls, too, it buys something.
    assert "overcautious" not in names(task=10.0 - 0.3 * late + NOISE, power=4.0 - 0.06 * STEP + 0.01 * NOISE)


def test_returns_that_scatter_more_than_before_the_price_are_unsettled() -> None:
    assert "destabilised" in names(task=10.0 + NOISE * np.where(STEP > 30, 5.0, 1.0))


def test_more_return_lost_than_power_is_worth_costs_too_much() -> None:
    # Power fell by 3 at a price of 0.5, which is worth 1.5.
    assert "cost too high" in names(task=10.0 - 2.0 * AFTER + NOISE)
    assert "cost too high" not in names(task=10.0 - 1.0 * AFTER + NOISE)


def test_power_where_there_can_be_none_and_power_that_is_not_known_are_told() -> None:
    assert names(floor=0.2, between=0.3) == {"disagrees with influence"}
    assert names(known=np.full(K, 0.3)) == {"unknown"}


def test_a_run_that_has_hardly_begun_warns_of_nothing() -> None:
    few = {"task": np.array([1.0, 0.0]), "power": np.ones(2), "weight": np.full(2, -1.0), "known": np.zeros(2)}
    assert price_warnings(PricedHistory(**few)) == []

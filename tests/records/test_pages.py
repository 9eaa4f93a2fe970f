"""Ledger and power records lose nothing: what is read back equals what was given, iteration by iteration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import RunDirectoryError
from netagents.messages import Kind
from netagents.records.jsonl import encode_row
from netagents.records.ledger_view import LedgerTraffic, LedgerView
from netagents.records.packed_records import LedgerPages, PowerPages, ledger_changes, unpack_power

Links = dict[tuple[int, int, int, int], tuple[int, int]]

links = st.tuples(st.integers(-1, 3), st.sampled_from([10, 12, 14]), st.integers(-1, 3), st.integers(0, 2))
counts = st.tuples(st.integers(1, 5), st.integers(0, 1000))
pages = st.lists(st.dictionaries(links, counts, max_size=6), min_size=1, max_size=6)


def _array(page: Links) -> np.ndarray:
    return np.array([[*link, *counted] for link, counted in sorted(page.items())], dtype=np.int64).reshape(-1, 6)


def _through_file(rows: list[dict]) -> list[dict]:
    return [json.loads(encode_row(row)) for row in rows]


@given(pages)
def test_ledger_totals_equal_the_plain_sums_of_all_pages(given_pages: list[Links]) -> None:
    writer = LedgerPages()
    rows = _through_file([writer.row(k, _array(page)) for k, page in enumerate(given_pages)])
    view = LedgerView(ledger_changes(rows), len(given_pages))
    expected: Links = {}
    for page in given_pages:
        for link, (count, size) in page.items():
            before = expected.get(link, (0, 0))
            expected[link] = (before[0] + count, before[1] + size)
    assert {tuple(row[:4]): tuple(row[4:]) for row in view.links.tolist()} == expected
    assert view.total == LedgerTraffic(sum(c for c, _ in expected.values()), sum(b for _, b in expected.values()))
    for kind in (10, 12, 14):
        for hop in range(3):
            per_iteration = [
                [sum(v[part] for link, v in page.items() if link[1] == kind and link[3] == hop) for part in (0, 1)] for page in given_pages
            ]
            assert view.over_time(kind, hop).tolist() == per_iteration
            if any(count for count, _ in per_iteration):
                name = Kind(kind).name.lower()
                assert view.by_kind_and_hop()[name, hop] == tuple(np.sum(per_iteration, axis=0).tolist())


@given(pages, st.integers(0, 5))
def test_a_writer_that_starts_anew_in_mid_run_changes_no_total(given_pages: list[Links], cut: int) -> None:
    one, first, second = LedgerPages(), LedgerPages(), LedgerPages()
    whole = [one.row(k, _array(page)) for k, page in enumerate(given_pages)]
    parts = [(first if k < cut else second).row(k, _array(page)) for k, page in enumerate(given_pages)]
    assert np.array_equal(ledger_changes(_through_file(whole)), ledger_changes(_through_file(parts)))


def test_a_page_that_repeats_costs_almost_nothing() -> None:
    page = np.column_stack([np.repeat(np.arange(100), 40), np.full(4000, 12), np.tile(np.arange(40), 100), np.ones((4000, 3))])
    writer = LedgerPages()
    sizes = [len(encode_row(writer.row(k, page.astype(np.int64)))) for k in range(3)]
    assert sizes[0] > 50_000
    assert sizes[1] < 60
    assert sizes[2] < 60


def test_an_empty_ledger_has_no_traffic() -> None:
    view = LedgerView(ledger_changes([]), 3)
    assert view.total == LedgerTraffic(0, 0)
    assert view.by_kind() == {}
    assert view.over_time().tolist() == [[0, 0]] * 3


@given(st.lists(st.lists(st.lists(st.floats(allow_nan=True), min_size=5, max_size=5), max_size=3), min_size=1, max_size=4))
def test_power_readings_come_back_to_the_last_bit(rows_per_agent: list[list[list[float]]]) -> None:
    power = [
        np.array([[10 + position, *row] for position, row in enumerate(rows)], dtype=np.float64).reshape(-1, 6) for rows in rows_per_agent
    ]
    writer = PowerPages()
    first, second = _through_file([writer.row(0, power), writer.row(1, power)])
    assert "pairs" in first
    assert "pairs" not in second
    pairs = np.array(first["pairs"], dtype=np.int64).reshape(-1, 2)
    reading = unpack_power(second, pairs, Path("power.jsonl"))
    for agent, rows in enumerate(power):
        np.testing.assert_array_equal(reading[reading[:, 1] == agent][:, [0, 2, 3, 4, 5, 6]], rows)


@pytest.mark.parametrize("values", ["", "!!!", "AAAA", None])
def test_damaged_power_numbers_are_one_line(values: str | None) -> None:
    with pytest.raises(RunDirectoryError, match="the numbers of iteration 7 are damaged"):
        unpack_power({"iteration": 7, "values": values}, np.zeros((2, 2), dtype=np.int64), Path("power.jsonl"))

"""The page of benchmarks: a new measurement replaces its section and no other."""

from __future__ import annotations

from benchmarks.__main__ import SECTIONS
from benchmarks.benchmark_page import PAGE, parts_of, updated
from benchmarks.table import Section


def section(title: str, value: str) -> Section:
    one = Section(title, "What it is.", ("value",))
    one.add(value)
    return one


def test_sections_stand_in_order_whenever_they_were_measured() -> None:
    order = ("codec", "wake-ups", "step")
    page = updated("", {"step": section("Step", "1")}, order, "Monday.")
    page = updated(page, {"codec": section("Codec", "2")}, order, "Tuesday.")
    assert list(parts_of(page)) == ["codec", "step"]
    again = updated(page, {"step": section("Step", "3")}, order, "Wednesday.")
    assert parts_of(again)["codec"] == parts_of(page)["codec"]
    assert parts_of(again)["step"].endswith("| value |\n|---|\n| 3 |\n\nWednesday.")
    assert again.startswith("# Benchmarks\n")


def test_what_is_no_section_any_more_leaves_the_page() -> None:
    page = updated("", {"old": section("Old", "1")}, ("old",), "Monday.")
    assert parts_of(updated(page, {}, ("new",), "Tuesday.")) == {}


def test_every_section_of_the_page_says_when_it_was_measured() -> None:
    parts = parts_of(PAGE.read_text())
    assert parts.keys() <= SECTIONS.keys()
    assert [name for name, text in parts.items() if "Measured on 20" not in text.splitlines()[-1]] == []

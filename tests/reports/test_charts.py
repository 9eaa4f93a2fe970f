"""Charts: values land where the axes say, nothing escapes its frame, and what is drawn can be read back as numbers."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from netagents.reports.chart import Chart, ChartBars, ChartLine, Note, Reference, Span, line_chart
from netagents.reports.chart_axes import Scale, apart, decades, ticks, value_range, within
from netagents.reports.chart_svg import WIDTH, bare, draw
from netagents.reports.html import theme
from netagents.reports.image_files import Drawing, chart_image, svg_file

HOSTILE = "<script>alert(1)</script> \x1b[31m \u202e & \"quoted\" 'x'"


def facts(chart: Chart) -> dict[str, Any]:
    match = re.search(r'data-chart="([^"]*)"', draw(chart))
    assert match
    parsed: dict[str, Any] = json.loads(unescape(match[1]))
    return parsed


def elements(chart: Chart, tag: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(str(draw(chart))).iter() if each.tag == tag]


def test_scales_place_values_linearly_or_by_ratio_and_leave_gaps_for_what_has_no_logarithm() -> None:
    assert Scale(0.0, 10.0, 100.0, 200.0).place(2.5) == 125.0
    scale = Scale(1.0, 1000.0, 0.0, 300.0, logarithmic=True)
    np.testing.assert_allclose(scale.place(np.array([1.0, 10.0, 100.0])), [0.0, 100.0, 200.0])
    assert np.isnan(scale.place(np.array([0.0, -1.0]))).all()


def test_ticks_are_round_within_the_range_and_few() -> None:
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-3.0, 7.0) == [-2.0, 0.0, 2.0, 4.0, 6.0]
    assert ticks(2.0, 2.0) == [2.0]
    assert decades(0.5, 2000.0) == [1.0, 10.0, 100.0, 1000.0]
    assert decades(3.0, 40.0) == [5.0, 10.0, 20.0]
    assert len(decades(1e-12, 1e12)) <= 7


def test_ranges_hold_everything_finite_and_logarithmic_ones_are_positive() -> None:
    low, high = value_range([np.array([1.0, np.nan, 9.0])])
    assert 0.0 <= low < 1.0 < 9.0 < high
    low, high = value_range([np.array([0.0, 1e-3, 10.0])], logarithmic=True)
    assert 0.0 < low < 1e-3
    assert high > 10.0
    assert value_range([np.zeros(0)]) == (0.0, 1.05)


def test_labels_are_moved_apart_and_stay_inside() -> None:
    assert apart([10.0, 10.0], 4.0) == [8.0, 12.0]
    moved = within([98.0, 99.0, 100.0], 10.0, 0.0, 100.0)
    assert moved[-1] <= 100.0 + 1e-6
    assert np.diff(moved) == pytest.approx([10.0, 10.0])


def test_a_chart_says_its_values_to_the_pointer() -> None:
    chart = line_chart([0, 1, 2], [ChartLine("a", np.array([1.0, np.nan, 3.0]), low=np.zeros(3), high=np.full(3, 4.0))], y_label="y")
    values = facts(chart)
    assert values["series"][0]["y"] == [1.0, None, 3.0]
    assert values["series"][0]["high"] == [4.0, 4.0, 4.0]
    assert values["range"] == [0.0, 2.0]


def test_bars_stand_on_the_axis_with_lengths_in_proportion() -> None:
    chart = Chart("y", bars=(ChartBars("b", np.arange(3.0), np.array([1.0, 2.0, np.nan]), notes=("one", "two", "never")),),
                  categories=("a", "b", "c"), x_label="")  # fmt: skip
    heights = [float(each.attrib["height"]) for each in elements(chart, "rect")]
    assert heights[1] == pytest.approx(2.0 * heights[0], abs=0.2)
    assert len(heights) == 2
    assert "never" in draw(chart)


def test_every_mark_stays_inside_the_frame() -> None:
    chart = Chart(
        "y",
        (
            ChartLine("points", np.array([1.0, 5.0]), low=np.array([0.5, 4.0]), high=np.array([2.0, 6.0]), x=np.array([0.1, 80.0]),
                      marked=True, x_low=np.array([0.05, 60.0]), x_high=np.array([0.2, 90.0]), notes=("first", "second")),
        ),
        references=(Reference("best", 7.0, "var(--good)"),), spans=(Span("good", 4.0, 9.0, upright=True),), notes=(Note("here", 1.0, 2.0),),
        log_x=True, log_y=True,
    )  # fmt: skip
    for circle in elements(chart, "circle"):
        assert 0.0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0.0 <= float(circle.attrib["cy"]) <= chart.height
    assert {each.text for each in elements(chart, "text")} >= {"first", "second"}


def test_lines_of_another_length_than_the_places_are_refused() -> None:
    with pytest.raises(ValueError, match="another number of values"):
        Chart("y", (ChartLine("a", np.zeros(3)),), np.zeros(2))


def test_names_are_shown_as_text_in_pages_and_image_files() -> None:
    chart = Chart(HOSTILE, (ChartLine(HOSTILE, np.array([1.0, 2.0]), notes=(HOSTILE, HOSTILE)),), np.arange(2.0), x_label=HOSTILE,
                  references=(Reference(HOSTILE, 1.0, "red"),), spans=(Span(HOSTILE, 0.0, 1.0),),
                  notes=(Note(HOSTILE, 0.0, 1.0),))  # fmt: skip
    assert "<script" not in draw(chart)
    svg = svg_file(HOSTILE, HOSTILE, [Drawing(bare(chart), WIDTH, chart.height, 600.0)], HOSTILE)
    assert "\x1b" not in svg
    assert not [each for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("script")]
    assert chart_image(HOSTILE, HOSTILE, [chart], HOSTILE).startswith(b"\x89PNG")
    assert chart_image("a", "b", [chart]) == chart_image("a", "b", [chart])


def test_image_files_know_every_colour_of_the_theme() -> None:
    assert {"ink", "quiet", "main", "accent", "good", "card", "c0", "c7"} <= set(theme())

"""What a study says about radii, settings and messages has n and intervals, and names nothing that its seeds do not show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import RunDirectoryError
from netagents.intervals import Interval
from netagents.records.column_table import ColumnTable
from netagents.reports.seeds_table import seed_heads, seed_rows, seeds_sentence
from netagents.reports.study_data import StudyData, load_study
from netagents.reports.study_headline import answers, headline
from netagents.reports.study_sentences import message_sentence
from netagents.reports.study_settings import best_setting, dots, message_value_table, message_values, value_table
from netagents.studies.knee import knee

NARROW, WIDE = 0.05, 0.8


def study(finals: list[float], half: float, n: int, *, iterations: list[float] | None = None, muted: list[str] | None = None) -> StudyData:
    """A study of radii 0, 1, ... (or of muted messages) with these final values, each plus and minus ``half``."""
    count = len(finals)
    columns: dict[str, Any] = {
        "setting": np.array([f"kappa={kappa}" for kappa in range(count)]),
        "kappa": np.arange(count),
        "credit": np.array(["shared_q"] * count),
        "runs": np.full(count, n),
        "utility": np.zeros(count),
        **{
            name: np.arange(count) * 1000.0
            for name in ("messages_per_step", "bytes_per_step", "framed_bytes_per_step", "hop_bytes_per_step")
        },
        "sockets_mean": np.ones(count),
        "visited_share": np.ones(count),
    }
    if muted is not None:
        columns["muted"] = np.array(muted)
    columns |= {f"bytes_per_step_{edge}": columns["bytes_per_step"] for edge in ("low", "high")} | {"bytes_per_step_n": columns["runs"]}
    known = half if n > 1 else float("nan")
    for name, values, spread in (("final", finals, known), ("iterations_to_target", iterations or [np.nan] * count, 2.0)):
        value = np.array(values, dtype=np.float64)
        counted = np.where(np.isnan(value), 0, n)
        columns |= {name: value, f"{name}_low": value - spread, f"{name}_high": value + spread, f"{name}_n": counted}
    position = knee([Interval(value, value - known, value + known, n) for value in finals], 0.02)
    facts = {"knees": {"shared_q": {"kappa": position}}, "untrained": 1.0, "target": 1.9}
    return StudyData(Path("study"), {"measure": "return"}, facts, {"summary": ColumnTable(columns)})


def test_a_radius_is_recommended_with_the_evidence_for_it() -> None:
    data = study([1.0, 2.0, 2.01], NARROW, 5, iterations=[np.nan, 8, 8])
    (sentence,) = answers(data)
    assert sentence == (
        "Use kappa = 1: return per agent 2 [1.95, 2.05] (n = 5), against 1 [0.95, 1.05] (n = 5) at kappa = 0. Beyond it no larger "
        "radius is better beyond chance (the highest: 2.01 [1.96, 2.06] (n = 5) at kappa = 2), and kappa = 2 sends 2.0 times the bytes."
    )


@pytest.mark.parametrize("n", [1, 3, 4])
def test_below_five_seeds_no_radius_is_recommended_and_no_circle_drawn(n: int) -> None:
    data = study([1.0, 2.0, 2.01], NARROW, n, iterations=[20, 8, 7])
    (sentence,) = answers(data)
    assert sentence.startswith(f"Too few seeds to say which kappa to use (n = {n}, 5 at least): kappa = 2 has return per agent 2.01")
    assert "kappa = 0 1 " in sentence
    notes = headline(data)[0].notes
    assert not any("knee" in note.words or note.ring for note in notes)
    assert any("too few seeds" in note.words for note in notes)


def test_overlapping_intervals_recommend_nothing() -> None:
    (sentence,) = answers(study([1.0, 2.0], WIDE, 5))
    assert sentence.startswith("These seeds do not say which kappa to use, since intervals of different radii overlap: kappa = 1 has")
    assert sentence.endswith("More seeds would.")


def test_speed_is_told_where_it_is_beyond_chance() -> None:
    sentences = answers(study([2.0, 2.01, 2.0], NARROW, 5, iterations=[20, 8, 7]))
    assert sentences[-1] == (
        "If samples are dearer than bytes, kappa = 1 learns fast: 8 [6, 10] (n = 5) iterations to 1.9, "
        "against 20 [18, 22] (n = 5) at kappa = 0."
    )
    assert len(answers(study([2.0, 2.01, 2.0], NARROW, 5, iterations=[8.2, 8, 8]))) == 1


def test_a_sweep_names_the_best_setting_only_beyond_chance() -> None:
    assert best_setting(study([1.0, 2.0], NARROW, 5)).startswith("Highest return per agent after training beyond chance: kappa=1 with 2 [")
    assert best_setting(study([1.0, 2.0], NARROW, 3)).startswith("Too few seeds to tell")
    assert best_setting(study([1.0, 2.0], WIDE, 5)).startswith("These seeds do not tell")
    assert dots(study([2.0, 1.0], WIDE, 1)).lines[0].y.tolist() == [1.0, 2.0]


def test_what_a_message_is_worth_is_told_per_byte_only_beyond_chance() -> None:
    names = ["", "trace@1", "state@1"]
    sure = message_values(study([2.0, 1.0, 2.01], NARROW, 5, muted=names))
    assert [(each.muted, each.order) for each in sure] == [("trace@1", "higher"), ("state@1", "not told apart")]
    assert "(chance)" in message_value_table(study([2.0, 1.0, 2.01], NARROW, 5, muted=names))
    few = message_value_table(study([2.0, 1.0, 2.01], NARROW, 4, muted=names))
    assert few.count("(too few seeds)") == 2
    assert "1 [0.95, 1.05] (n = 4)" in few


def test_the_sentence_about_messages_names_what_is_lost_beyond_chance() -> None:
    names = ["", "trace@1", "state@1", "everything"]
    sure = message_sentence(study([2.0, 1.0, 2.01, 0.5], NARROW, 5, muted=names))
    assert sure == (
        "trace@1 is worth most: return per agent 2 [1.95, 2.05] (n = 5) with every message, 1 [0.95, 1.05] (n = 5) without trace@1; "
        "nothing beyond chance without state@1."
    )
    few = message_sentence(study([2.0, 1.0, 2.01, 0.5], NARROW, 3, muted=names))
    assert few.startswith("Too few seeds to say what a message is worth (n = 3, 5 at least): return per agent 2 [1.95, 2.05] (n = 3) with")
    chance = message_sentence(study([2.0, 1.9, 2.01, 0.5], WIDE, 5, muted=names))
    assert chance.startswith("These seeds show of no kind of message that it is worth anything: ")
    better = message_sentence(study([2.0, 2.5, 2.01, 0.5], NARROW, 5, muted=names))
    assert better.endswith("; more is reached without trace@1.")


@pytest.mark.parametrize(
    ("finals", "start"),
    [
        (
            [2.0],
            "One seed has no interval (5 at least say how far seeds differ): return per agent after training 2 (n = 1), 1 in the first",
        ),
        ([2.0, 2.5, 1.5], "Too few seeds to rely on their interval (n = 3, 5 at least): return per agent after training 2 [0.7579, 3.242]"),
        ([2.0, 2.5, 1.5, 2.0, 2.0], "Return per agent after training 2 [1.5, 2.5] (n = 5), 1 in the first iteration."),
    ],
)
def test_seeds_of_one_experiment_have_an_interval_and_say_when_they_are_few(finals: list[float], start: str) -> None:
    count = len(finals)
    runs = {"seed": np.arange(count), "final": np.array(finals), "utility": np.zeros(count), "power_gini": np.full(count, 0.5)}
    runs["cpu_seconds"] = np.ones(count)
    curves = {"setting": np.full(2 * count, "s"), "seed": np.repeat(np.arange(count), 2), "value": np.tile([1.0, 2.0], count)}
    tables = {"runs": ColumnTable(runs), "curves": ColumnTable(curves)}
    data = StudyData(Path("study"), {"measure": "return", "question": "seeds"}, {"untrained": 1.0}, tables)
    assert seeds_sentence(data).startswith(start)
    rows = seed_rows(data)
    assert [row[0] for row in rows] == [*map(str, range(count)), f"all {count}"]
    assert len(seed_heads(data)) == len(rows[0]) == 5
    assert ("[" in rows[-1][2]) == (count > 1)


def test_numbers_that_some_runs_do_not_have_show_how_many_have_them() -> None:
    data = study([1.0, 2.0], NARROW, 5, iterations=[20, 8])
    table = data.summary
    counts = np.array([3, 5])
    summary = ColumnTable({name: counts if name == "iterations_to_target_n" else table[name] for name in table})
    page = value_table(StudyData(data.path, data.study, data.facts, {"summary": summary}))
    assert "(n = 3)" in page
    assert "(n = 5)" not in page


def test_tables_of_an_older_version_are_refused_in_one_line(tmp_path: Path) -> None:
    from pyarrow import parquet

    (tmp_path / "tables").mkdir()
    facts = {"format_version": 1, "question": "radius", "name": "old", "digest": "x", "seeds": [0], "runs": [], "settings": []}
    (tmp_path / "study.json").write_text(json.dumps(facts | {"experiment": {}}))
    (tmp_path / "tables" / "facts.json").write_text("{}")
    parquet.write_table(
        ColumnTable({"setting": np.array(["a"]), "final": np.array([1.0])}).to_arrow(), tmp_path / "tables" / "summary.parquet"
    )
    with pytest.raises(RunDirectoryError, match="older version"):
        load_study(tmp_path)

"""Files of scenarios: what a person wrote is read, whatever it is, and what is none of it ends in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netagents.errors import ExperimentError, NetagentsError, RunDirectoryError
from netagents.records.scenario_file import ScenarioInfluence, read_scenarios


def test_scenarios_with_and_without_an_interval(tmp_path: Path) -> None:
    file = tmp_path / "scenarios.csv"
    file.write_text('scenario,influence,low,high\n"a, b",0.5,0.4,0.6\nc,1,,\n')
    (tmp_path / "link.csv").symlink_to(file)
    assert read_scenarios(tmp_path / "link.csv") == [ScenarioInfluence("a, b", 0.5, 0.4, 0.6), ScenarioInfluence("c", 1.0, None, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,influence\n", "has no column scenario"),
        ("scenario,influence\n", "has no scenario"),
        ("scenario,influence\na,1\na,2\n", "csv:3: scenario 'a' comes twice"),
        ("scenario,influence\na,1e999\n", "csv:2: influence '1e999' is no number"),
        ("scenario,influence\n" + "x" * 200_000 + ",1\n", "is not CSV: field larger than field limit"),
        ("scenario,influence\na," + "1" * 100_000 + "\n", "is no number"),
        ("scenario,influence,low,high\na,1,2,0\n", "low 2 is above high 0"),
    ],
)
def test_what_is_no_scenario_is_told_in_one_short_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "scenarios.csv"
    file.write_text(text)
    with pytest.raises(ExperimentError) as raised:
        read_scenarios(file)
    assert message in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_many_scenarios_are_read_at_once(tmp_path: Path) -> None:
    """Looking each name up in a list of those before it would take minutes."""
    file = tmp_path / "scenarios.csv"
    file.write_text("scenario,influence\n" + "".join(f"{number},1\n" for number in range(200_000)))
    assert len(read_scenarios(file)) == 200_000


def test_a_pipe_or_a_device_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "device.csv", "missing.csv", "."):
        with pytest.raises(NetagentsError) as raised:
            read_scenarios(tmp_path / name)
        assert isinstance(raised.value, RunDirectoryError)

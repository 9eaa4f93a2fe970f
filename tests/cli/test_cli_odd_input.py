"""Odd files, flags and words to ``config``, ``study``, ``exact``, ``keys`` and ``replay``: one line, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.cli.main import main

SMALL: dict[str, Any] = line_msg(3, kappa=1, iterations=1, batch=2, horizon=2, launcher="in_process")
LONG = "x" * 400


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in SMALL.items()))
    Path("round.yaml").symlink_to("round.yaml")
    Path("letter").write_text("keep me")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["config", "show", "round.yaml"], 3, "round.yaml: cannot be read ("),
        (["config", "show", LONG], 3, f"{LONG}: cannot be read (File name too long)"),
        (["config", "show", ""], 3, ".: is a directory, not an experiment file"),
        (["config", "show", "small.yaml", "topology.kind=lin"], 3, "override 'topology.kind=lin': topology.kind: unknown kind 'lin'"),
        (["config", "show", "small.yaml", "name=\x1b[31mred"], 2, r"override 'name=\x1b[31mred': the value is not YAML ("),
        (["config", "show", "small.yaml", "name=!a b"], 2, "override 'name=!a b': the value cannot be used: the tag '!a' is not allowed"),
        (["config", "show", "\udcff.yaml"], 3, r"\udcff.yaml: no such experiment file"),
        (["study", "radius", "small.yaml", "--kappa", "0..99999999999"], 2, "--kappa: 99999999999 is above 100000; write 0..4, or 0,1,3"),
        (["study", "radius", "small.yaml", "--kappa", "4..0"], 2, "--kappa: '4..0' goes down; write 0..4, or 0,1,3"),
        (["study", "radius", "small.yaml", "--hold", "policy=0", "--hold", "policy=1"], 2, "--hold: 'policy' is given twice; hold each"),
        (["study", "radius", "small.yaml", "--out", "letter"], 6, "letter: is not a folder; name an empty folder"),
        (["study", "sweep", "small.yaml", "kappa=0,1", "kappa=1"], 2, "'kappa=1': kappa is given twice; write all its values once"),
        (["study", "sweep", "small.yaml", "seed=4,5"], 2, "'seed=4,5': seeds are not swept; write --seeds 2, and seed=4"),
        (["study", "samples", "small.yaml", "--epsilon", "nan"], 2, "--epsilon: 'nan' is no list of shares above 0 and at most 1; write"),
        (["study", "samples", "small.yaml", "--epsilon", "0.1,-1"], 2, "--epsilon: '0.1,-1' is no list of shares above 0"),
        (["study", "samples", "small.yaml", "--agents", "2000"], 7, "exact model: 2000 agents; use at most 25"),
        (["study", "samples", "small.yaml", "--out", "letter"], 6, "letter: is not a folder; name a folder for the tables"),
        (["study", "radius", "small.yaml", "kappa=3"], 2, "override: 'kappa=3' sets what this study moves; name the radii with --kappa"),
        (["study", "sweep", "small.yaml", "runtime.monitor=true,false"], 2, "axis: runtime.monitor changes no result; sweep a setting of"),
        (["study", "samples", "small.yaml", "topology={kind: grid, rows: 2, columns: 2}"], 2, "topology: the experiment's graph has no"),
        (["exact", "small.yaml", "--out", "letter"], 6, "letter: is not a folder; name a folder for the tables"),
        (["keys", "small.yaml", "--out", "new", "--into-volumes", "gone"], 2, "gone: cannot be read: No such file or directory; name the"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_odd_input_is_one_line_and_writes_nothing(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in Path().iterdir()}
    assert main(arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"netagents: error: {message}"), output.err
    assert output.err.count("\n") == 1
    assert {path.name for path in Path().iterdir()} == before
    assert Path("letter").read_text() == "keep me"


def test_tables_that_cannot_be_written_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exact", "small.yaml", "--out", "letter/inside"]) == 6
    # What it will take is said first.
    error_text = capsys.readouterr().err.splitlines()
    assert [line for line in error_text if not line.startswith("exact: ")] == [
        "netagents: error: letter/inside: cannot be written: Not a directory; name another folder"
    ]


def test_a_replay_that_ends_before_it_begins_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "--out", "run", "-q"]) == 0
    capsys.readouterr()
    assert main(["replay", "run", "--from", "3", "--to", "1"]) == 2
    assert capsys.readouterr().err.startswith("netagents: error: --to: 1 lies before 3, the iteration of --from")
    shutil.rmtree("run")


def test_policies_of_another_number_of_agents_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "--out", "run", "-q"]) == 0
    capsys.readouterr()
    assert main(["exact", "small.yaml", "topology.n=4", "--run", "run"]) == 5
    assert capsys.readouterr().err.startswith("netagents: error: --run: the policies of 3 agents do not fit 4 agents")


def test_a_run_that_has_all_its_iterations_is_not_served_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "--out", "run", "-q"]) == 0
    before = Path("run/events.jsonl").read_bytes()
    capsys.readouterr()
    assert main(["node", "environment", "--listen", "tcp://127.0.0.1:0", "--run", "run"]) == 6
    assert capsys.readouterr().err.startswith("netagents: error: run: this run has all its iterations")
    assert Path("run/events.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kappa: 1\nkappa: 2", "env:WORDS:2: kappa: the key stands twice"),
        ("[" * 3000, "env:WORDS: nested deeper than 32 levels"),
        ("- 1", "env:WORDS: not a mapping of settings"),
        ("a: !!python/name:os.system", "env:WORDS:1: the tag 'python/name:os.system' is not allowed"),
    ],
    ids=["twice", "deep", "list", "tag"],
)
def test_an_experiment_in_a_variable_is_read_as_one_in_a_file(
    text: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDS", text)
    assert main(["keys", "env:WORDS", "--out", "new"]) == 3
    assert capsys.readouterr().err.startswith(f"netagents: error: {message}")
    assert not Path("new").exists()


def test_numbers_in_a_variable_are_those_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from netagents.cli.experiment_source import experiment_source

    monkeypatch.setenv("WORDS", "learning: {step_size: 1e-3}\nname: on")
    assert experiment_source("env:WORDS") == {"learning": {"step_size": 1e-3}, "name": "on"}

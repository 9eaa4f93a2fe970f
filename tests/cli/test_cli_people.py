"""The commands that people look at runs with: what they say, and the one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.cli.commands import COMMANDS
from netagents.cli.main import main
from netagents.launchers.policy_evaluation import evaluate
from netagents.records import Run

SMALL = line_msg(
    4, name="small", kappa=2, kappa_policy=1, iterations=3, batch=8, horizon=10, power={"min_visits": 1}, launcher="in_process"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import netagents

    return netagents.run(SMALL, directory=tmp_path_factory.mktemp("runs") / "small").path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def _command(*words: Any) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return _command


Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", ["report", "evaluate", "logs", "compare"])
def test_no_run_an_older_one_and_a_damaged_one_are_one_line(name: str, command: Command, finished: Path, tmp_path: Path) -> None:
    import shutil

    older, damaged, empty = (tmp_path / each for each in ("older", "damaged", "empty"))
    for path in (older, damaged):
        shutil.copytree(finished, path)
    empty.mkdir()
    manifest = json.loads((older / "manifest.json").read_text())
    (older / "manifest.json").write_text(json.dumps(manifest | {"format_version": 0}))
    (damaged / "manifest.json").write_text("{")
    extra = (finished,) if name == "compare" else ()
    for path, message in (
        (tmp_path / "none", "no such run directory"),
        (empty, "is no run"),
        (older, "older netagents"),
        (damaged, "not the manifest"),
    ):
        code, out, err = command(name, path, *extra)
        assert (code, out) == (6, "")
        assert message in err
        assert err.count("\n") == 1


def test_without_a_name_the_newest_run_is_meant(command: Command, finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command("report")
    assert code == 6
    assert "no run is here" in err
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").symlink_to(finished)
    code, out, _ = command("report", "--out", tmp_path / "page.html")
    assert code == 0
    assert "page.html" in out
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_runs_lists_state_and_result(command: Command, finished: Path, tmp_path: Path) -> None:
    code, out, _ = command("runs", finished.parent, "--json")
    (row,) = json.loads(out)
    run = Run.open(finished)
    assert code == 0
    assert (row["state"], row["iterations"], row["planned"], row["name"]) == ("finished", 3, 3, "small")
    assert row["last_return"] == pytest.approx(run.returns[-1])
    assert "finished" in command("runs", finished.parent)[1]
    assert command("runs", tmp_path)[1] == f"no runs in {tmp_path}/\n"
    assert command("runs", tmp_path / "none")[0] == 6


def test_runs_shows_what_cannot_be_read_as_unreadable(command: Command, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text("{}")
    code, out, _ = command("runs", tmp_path)
    assert code == 0
    assert "unreadable" in out


def test_evaluate_gives_an_interval_around_what_was_trained(command: Command, finished: Path) -> None:
    code, out, _ = command("evaluate", finished, "--episodes", 300, "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["episodes"], facts["checkpoint"], len(facts["agents"])) == (300, 2, 4)
    assert facts["return"]["low"] < facts["return"]["mean"] < facts["return"]["high"]
    assert facts["return"]["mean"] == pytest.approx(np.mean([agent["mean"] for agent in facts["agents"]]))
    code, out, _ = command("evaluate", finished, "--episodes", 50)
    assert "untrained policies" in out
    code, _, err = command("evaluate", finished, "--checkpoint", 77)
    assert code == 6
    assert "no checkpoint of iteration 77" in err


def test_evaluation_episodes_do_not_depend_on_how_many_there_are(finished: Path) -> None:
    run = Run.open(finished)
    few, many = evaluate(run, 10), evaluate(run, 600)
    assert np.array_equal(few.returns, many.returns[:10])
    assert not np.array_equal(few.returns, evaluate(run, 10, seed=1).returns)
    assert many.returns.shape == (600, 4)
    assert np.array_equal(evaluate(run, 40, greedy=True).returns, evaluate(run, 40, greedy=True).returns)


def test_untrained_policies_reach_the_known_untrained_return(tmp_path: Path) -> None:
    import netagents

    learning = {"iterations": 1, "batch": 2, "horizon": None}
    run = netagents.run(SMALL | {"learning": learning, "topology": {"kind": "line", "n": 10}}, directory=tmp_path / "ten")
    known = run.setup.spec.untrained_return
    assert known is not None
    interval = evaluate(run, 2000, untrained=True).team
    assert abs(interval.value - known) < 4 * (interval.high - interval.low)


def test_logs_are_one_stream_in_the_order_of_time(command: Command, finished: Path, tmp_path: Path) -> None:
    import shutil

    path = tmp_path / "run"
    shutil.copytree(finished, path)
    for role, moments in (("agent_2", (1.0, 4.0)), ("agent_10", (2.0,)), ("environment", (3.0,))):
        rows = [{"time": moment, "level": "info", "role": role, "message": f"at {moment}"} for moment in moments]
        (path / "logs" / f"{role}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (path / "logs" / "agent_10.jsonl").open("a") as file:
        file.write("a library printed this\n{torn")
    code, out, _ = command("logs", path, "--json")
    entries = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [entry["message"] for entry in entries] == ["at 1.0", "at 2.0", "a library printed this", "at 3.0", "at 4.0"]
    assert [json.loads(line)["role"] for line in command("logs", path, "agent-10", "2", "--json")[1].splitlines()] == [
        "agent_2",
        "agent_10",
        "agent_10",
        "agent_2",
    ]
    assert command("logs", path, "--follow", "--last", 1)[1].endswith("at 4.0\n")
    code, _, err = command("logs", path, "agent_7")
    assert code == 6
    assert "no log of agent_7; there are: agent_2, agent_10, environment" in err
    assert command("logs", path, "--level", "loud")[0] == 2


def test_compare_prints_a_table_and_writes_a_page(command: Command, finished: Path, tmp_path: Path) -> None:
    import netagents

    other = netagents.run(SMALL | {"kappa": 1}, directory=tmp_path / "other").path
    code, out, _ = command("compare", finished, other, "--out", tmp_path / "page.html")
    assert code == 0
    assert "kappa 2" in out
    assert "kappa 1" in out
    assert (tmp_path / "page.html").exists()
    code, _, err = command("compare", finished, other, "--out", tmp_path / "page.pdf")
    assert (code, err.count("\n")) == (2, 1)


def test_doctor_is_content_with_the_quickstart_and_refuses_what_cannot_fit(command: Command) -> None:
    code, out, _ = command("doctor", "quickstart")
    assert code == 0
    assert "processes" in out
    code, _, err = command("doctor", "line_msg", "topology.n=90000")
    assert code == 7
    assert err.count("\n") == 1
    assert command("doctor", "line_msg", "topology.m=3")[0] == 3


def test_topology_lists_shows_and_draws(command: Command, finished: Path, tmp_path: Path) -> None:
    assert "karate.edges" in command("topology", "list")[1]
    assert "diameter    5" in command("topology", "show", "ring", "n=11")[1]
    assert json.loads(command("topology", "show", "petersen", "--json")[1])["n"] == 10
    assert command("topology", "show", "ring", "n=x")[0] == 3
    assert command("topology", "show", "nowhere")[0] == 4
    assert command("topology", "show", "karate", "n=3")[0] == 2
    for source in ("karate", finished):
        path = tmp_path / "drawn.svg"
        assert command("topology", "draw", source, "--out", path)[0] == 0
        assert path.read_text().startswith("<svg")
    assert command("topology", "draw", "karate", "--out", tmp_path / "drawn.pdf")[0] == 2


# pydantic is not among them: typer imports it itself.
HEAVY = {"numpy", "torch", "zmq", "resvg_py", "networkx", "pyarrow", "scipy", "msgpack", "yaml", "safetensors"}


@pytest.mark.parametrize("words", [["--help"], *[[name, "--help"] for name in COMMANDS]], ids=lambda words: words[0])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = f"import sys; from netagents.cli.main import main; main({words}); print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"TERM": "dumb"})
    assert result.stderr.strip() == "[]"
    assert "Usage" in result.stdout

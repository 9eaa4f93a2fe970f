"""Wrong input to ``run``, ``node`` and ``clean``: one line that says what, where and what would be right; nothing is written."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.cli.main import main
from netagents.nodes.process import socket_directory

SMALL: dict[str, Any] = line_msg(3, kappa=1, iterations=1, batch=2, horizon=2)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(json.dumps(SMALL))
    Path("prose.txt").write_text("A graph is what you make of it.\n")
    Path("on_prose.yaml").write_text(json.dumps({"environment": {"kind": "sis"}, "topology": {"kind": "file", "path": "prose.txt"}}))
    Path("taken").mkdir()
    (Path("taken") / "letter").write_text("keep me")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "small.yaml", "kapa=1"], 3, "override 'kapa=1': kapa: unknown key; did you mean 'kappa'?"),
        (["run", "small.yaml", "learning.batch=many"], 3, "override 'learning.batch=many': learning.batch: must be a whole number"),
        (["run", "small.yaml", "kappa=-1"], 3, "override 'kappa=-1': kappa: must be at least 0, not -1"),
        (["run", "small.yaml", "kappa"], 2, "override 'kappa': not an override; write key=value"),
        (["run", "on_prose.yaml"], 4, "prose.txt:1: "),
        (["run", "on_prose.yaml", "topology.path=nowhere.txt"], 4, "nowhere.txt: "),
        (["run", "small.yaml", "topology.kind=ring"], 5, "topology: environment 'line_msg' cannot run on a 'ring' topology of 3 agents"),
        (["run", "small.yaml", "--out", "taken"], 6, "taken: exists already; name another directory"),
        (["run", "small.yaml", "--out", "small.yaml"], 6, "small.yaml: exists already"),
        (["run", "small.yaml", "--out", "small.yaml/inside"], 6, "small.yaml/inside: cannot be made: "),
        (
            ["run", "small.yaml", "topology.n=40", "kappa_policy=30"],
            7,
            "agent 0: the policy table over the states of 31 agents needs 4.29e+09 entries (32 GiB), more than 16777216; lower",
        ),
        (
            ["run", "small.yaml", "learning.batch=1000000", "learning.horizon=1000000"],
            7,
            "learning.batch: one agent's batch of 1000000",
        ),
        (
            ["run", "small.yaml", "learning.credit=shared_reward", "kappa_gradient=2"],
            3,
            "small.yaml: credit shared_reward needs kappa_gradient <= kappa_critic; lower kappa_gradient or use credit shared_q",
        ),
        (["run", "small.yaml", "kappa_critic=[1, 1]"], 3, "kappa_critic: "),
        (["run", "small.yaml", "environment.kind=line_mgs"], 3, "override 'environment.kind=line_mgs': environment.kind: no environment"),
        (["run", "prose.txt"], 3, "prose.txt: "),
        (["run", "smal.yaml"], 3, "smal.yaml: no such experiment file; did you mean 'small.yaml'?"),
        (["run"], 2, "Missing argument 'FILE'; see netagents run --help"),
        (["rum"], 2, "no command is called 'rum'; did you mean 'run'?"),
        (
            ["node", "agnet-1", "--join", "tcp://127.0.0.1:5701"],
            2,
            "no role is called 'agnet-1'; there are environment",
        ),
        (["node", "agent-1"], 2, "netagents node agent-1: no server to join; give --join ADDRESS"),
        (
            ["node", "monitor", "--experiment", "small.yaml", "--join", "tcp://127.0.0.1:1"],
            2,
            "netagents node monitor: only the",
        ),
        (["node", "agent-1", "--join", "localhost"], 2, "'localhost' is not an address; write one that begins with"),
        (["node", "agent-1", "--join", "tcp://127.0.0.1:many"], 2, "'tcp://127.0.0.1:many' is not an address; write tcp://HOST:PORT"),
        (["node", "agent-1", "--join", "memory://server"], 2, "'memory://server' does not leave its process"),
        (
            ["node", "agent-1", "--join", "tcp://8.8.8.8:5701", "--insecure"],
            13,
            "tcp://8.8.8.8:5701: 8.8.8.8 is not loopback and this node has no keys",
        ),
        (["node", "agent-1", "--join", "tcp://127.0.0.1:5701"], 13, "tcp://127.0.0.1:5701: without keys every user of this machine could"),
        (
            ["node", "environment", "--experiment", "small.yaml", "--listen", "tcp://127.0.0.1:0"],
            13,
            "tcp://127.0.0.1:0: without keys every user of this machine could read, steer and stop the run; make keys with",
        ),
        (
            ["node", "agent-1", "--join", "tcp://127.0.0.1:1", "--keys", "keys", "--insecure"],
            2,
            "--keys and --insecure contradict each other",
        ),
        (
            ["node", "agent-1", "--insecure", "--join", "tcp://127.0.0.1:5701", "--listen", "ipc://relative/path"],
            2,
            "'ipc://relative/path' has no",
        ),
        (
            ["node", "environment", "--listen", "tcp://127.0.0.1:0"],
            2,
            "netagents node environment: the environment needs",
        ),
        (["node", "environment", "--experiment", "small.yaml", "--listen", "here"], 2, "'here' is not an address"),
        (
            ["node", "environment", "--experiment", "small.yaml", "--listen", "tcp://0.0.0.0:0"],
            13,
            "0.0.0.0 is not loopback",
        ),
        (["node", "environment", "--experiment", "small.yaml", "--listen", "ipc:///nowhere/x"], 2, "ipc:///nowhere/x: cannot listen: "),
        (["node", "environment", "--experiment", "small.yaml", "kappa=-1", "--listen", "tcp://127.0.0.1:0"], 3, "override 'kappa=-1': "),
        (["clean", "taken"], 6, "taken: is no run, and there is none in it; name a run directory, or a folder of them"),
        (["clean", "nowhere"], 6, "nowhere: no such run directory"),
        (["clean", "small.yaml"], 6, "small.yaml: no such run directory"),
    ],
    ids=lambda value: "-".join(value)[:60] if isinstance(value, list) else "",
)
def test_every_mistake_is_one_line_and_writes_nothing(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")}
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert message in captured.err
    assert captured.err.startswith("netagents: error: ")
    assert {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")} == before


def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert main(["node", "environment", "--insecure", "--experiment", "small.yaml", "--listen", address]) == 2
    assert f"{address}: something listens there already; take another port, or port 0" in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.fixture
def no_other_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``clean`` looks for sockets of dead runs on the whole machine, where other runs may have died: here it finds an empty folder."""
    monkeypatch.setattr(socket_directory, "base_folders", lambda: [str(tmp_path)])


@pytest.mark.usefixtures("no_other_sockets")
def test_clean_keeps_what_finished_unless_asked_and_shows_what_it_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "runtime.launcher=in_process", "--quiet"]) == 0
    capsys.readouterr()
    (run,) = Path("runs").iterdir()
    assert main(["clean"]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert main(["clean", "--all", "--dry-run"]) == 0
    assert f"would remove {run}  (finished)" in capsys.readouterr().out
    assert run.is_dir()
    assert main(["clean", str(run)]) == 0
    assert f"removed  {run}  (finished)" in capsys.readouterr().out
    assert not run.exists()
    assert main(["clean"]) == 0


@pytest.mark.usefixtures("no_other_sockets")
def test_clean_of_a_link_removes_the_link_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "runtime.launcher=in_process", "--out", "one", "--quiet"]) == 0
    Path("link").symlink_to("one")
    capsys.readouterr()
    assert main(["clean", "link"]) == 0
    assert capsys.readouterr().out == "removed  link  (link to one, which stays)\n"
    assert Path("one").exists()
    assert main(["clean", "one", "one"]) == 0
    assert capsys.readouterr().out == "removed  one  (finished)\n"
    assert not Path("one").exists()


def test_run_ends_with_a_table_pictures_and_their_paths(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml", "runtime.launcher=in_process", "learning.iterations=2", "--out", "made"]) == 0
    out, err = capsys.readouterr()
    assert "return" in out
    for name in ("made", "made/learning-curve.png", "made/power.png"):
        assert any(line.split()[-1:] == [name] for line in out.splitlines()), out
        assert Path(name).exists()
    assert "iteration 1/2 | return" in err

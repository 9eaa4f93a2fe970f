"""``netagents`` and ``netagents config show``: what they print, how they fail, and how little they import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netagents
from netagents.cli.commands import COMMANDS
from netagents.cli.main import main
from netagents.experiment import load_experiment, resolved

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "launch" / "line_msg.yaml")


def one_line(captured: pytest.CaptureResult[str]) -> str:
    """The only line on standard error; nothing on standard output."""
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.rstrip("\n")


def test_config_show_prints_every_value_with_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", QUICKSTART, "learning.iterations=7"]) == 0
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["learning.iterations"] == ["7", "override learning.iterations=7"]
    assert rows["environment.kind"][0] == "line_msg"
    where, _, line = rows["topology.n"][1].rpartition(":")
    assert where.endswith("line_msg.yaml")
    assert (ROOT / "launch" / "line_msg.yaml").read_text().splitlines()[int(line) - 1].strip().startswith("n: 10")
    assert rows["timeouts.exchange"] == ["30.0", "default"]


def test_config_show_as_json_is_the_same_experiment(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["config", "show", QUICKSTART, "kappa=3", "--json"]) == 0
    file = tmp_path / "resolved.json"
    file.write_text(capsys.readouterr().out)
    assert load_experiment(file).experiment == load_experiment(QUICKSTART, ["kappa=3"]).experiment


def test_a_terminal_gets_the_same_rows_as_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["config", "show", "quickstart"]) == 0
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(len(line) <= 60 for line in out.splitlines())
    for key in ("kappa_policy", "learning.critic.sweeps", "timeouts.linger"):
        assert key in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["config", "show", "quickstart", "kapa=1"], 3, "override 'kapa=1': kapa: unknown key; did you mean 'kappa'?"),
        (["config", "show", "quickstart", "kappa"], 2, "override 'kappa': not an override; write key=value"),
        (["config", "show", "nowhere/x.yaml"], 3, "nowhere/x.yaml: no such experiment file; the directory nowhere does not exist"),
        (["config", "show"], 2, "Missing argument 'FILE'; see netagents config show --help"),
        (["config", "show", "quickstart", "--jsn"], 2, "No such option: --jsn"),
        (["config", "shw"], 2, "No such command 'shw'"),
        (["cnfig"], 2, "no command is called 'cnfig'; did you mean 'config'?"),
        (["--bla"], 2, "No such option: --bla"),
    ],
)
def test_every_mistake_is_one_line_and_a_documented_code(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert one_line(capsys.readouterr()).startswith(f"netagents: error: {message}")


def test_a_fault_of_our_own_is_one_line_too_and_debug_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr("netagents.experiment.load_experiment", broken)
    monkeypatch.delenv("NETAGENTS_DEBUG", raising=False)
    assert main(["config", "show", "quickstart"]) == 1
    assert one_line(capsys.readouterr()).startswith(
        "netagents: error: ZeroDivisionError: first line second line; this is a fault of netagents"
    )
    monkeypatch.setenv("NETAGENTS_DEBUG", "1")
    assert main(["config", "show", "quickstart"]) == 1
    assert "in broken" in capsys.readouterr().err


def test_ctrl_c_ends_with_the_code_that_shells_expect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netagents.experiment.load_experiment", interrupted)
    assert main(["config", "show", "quickstart"]) == 130
    assert one_line(capsys.readouterr()) == "netagents: interrupted"


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "netagents", "config", "show", "quickstart"],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


def test_version_and_the_bare_command_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"netagents {netagents.__version__}\n"
    assert main([]) == 0
    assert "config" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [[], *([name] for name in COMMANDS), ["config", "show"]], ids=lambda words: " ".join(words) or "netagents"
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    # pydantic is not in the list: typer itself takes it to read lists of words.
    script = (
        "import json, sys\n"
        "from netagents.cli.main import main\n"
        f"code = main({[*words, '--help']!r})\n"
        "heavy = ['torch', 'numpy', 'networkx', 'resvg_py', 'zmq', 'yaml', 'scipy', 'pyarrow', 'netagents.experiment']\n"
        "print(json.dumps([code, [name for name in heavy if name in sys.modules]]), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(result.stderr) == [0, []]
    assert "--help" in result.stdout
    assert "completion" not in result.stdout


def test_showing_settings_never_imports_torch() -> None:
    script = (
        "import sys\n"
        "from netagents.cli.main import main\n"
        "main(['config', 'show', 'quickstart'])\n"
        "sys.exit('torch' in sys.modules or 'zmq' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False).returncode == 0


def test_resolved_values_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "quickstart", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == resolved(load_experiment("quickstart").experiment)

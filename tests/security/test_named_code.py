"""What a run directory names does not run: not by any command that reads a run, and not from Python, unless somebody says so."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_run import make_sample

import netagents
from netagents.cli.main import main
from netagents.errors import EnvironmentMismatchError, ExperimentError, RunDirectoryError, SecurityError
from netagents.launchers.display import SilentDisplay
from netagents.launchers.launcher import LaunchedRun
from netagents.launchers.policy_evaluation import evaluate
from netagents.launchers.slurm import slurm_launcher
from netagents.launchers.slurm.job_folder import JobFollower, last_words, read_outcome
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.learning.prepared_experiment import prepare
from netagents.records import Run
from netagents.records.run_directory import RunDirectory

HOSTILE = """
from pathlib import Path
Path({marker!r}).touch()
def make(*_, **__):
    Path({marker!r}).touch()
    raise ValueError("it ran")
class Own:
    def __new__(cls, *_, **__):
        make()
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder / "other", seed=1)
    return make_sample(folder / "run")


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that exists once the module ``hostile_parts`` was imported or anything in it was called."""
    path = tmp_path / "it-ran"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "hostile_parts.py").write_text(HOSTILE.format(marker=str(path)))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    yield path
    sys.modules.pop("hostile_parts", None)


PARTS: dict[str, dict[str, Any]] = {
    "environment": {"environment": {"kind": "import:hostile_parts:Own"}},
    "policy": {"policy": {"kind": "import:hostile_parts:Own"}},
    "utility": {"utility": {"kind": "import:hostile_parts:Own"}},
    "make": {"environment": {"kind": "pettingzoo", "make": "hostile_parts:make"}},
    "signals": {"signals": [{"kind": "import:hostile_parts:Own"}]},
    "algorithm of a group": {"agents": [{"agents": [0], "learning": {"algorithm": {"kind": "import:hostile_parts:Own"}}}]},
    "signals of a group": {"agents": [{"agents": [0], "signals": [{"kind": "import:hostile_parts:Own"}]}]},
}


def planted(sample: Path, folder: Path, changes: dict[str, Any]) -> Path:
    """A copy of the run whose settings name something else."""
    copy = folder / "runs" / "copy"
    shutil.copytree(sample, copy)
    facts = json.loads((copy / "experiment.json").read_text())
    (copy / "experiment.json").write_text(json.dumps(facts | changes))
    return copy


COMMANDS = {
    "resume": ["{run}", "learning.iterations=6", "-q"],
    "evaluate": ["{run}", "-n", "2"],
    "replay": ["{run}"],
    "plan": ["{run}/experiment.json"],
    "doctor": ["{run}/experiment.json"],
    "keys": ["{run}/experiment.json", "--out", "{out}/keys"],
    "compose": ["{run}/experiment.json"],
    "run": ["{run}/experiment.json", "--out", "{out}/new", "-q"],
    "exact": ["{run}/experiment.json"],
    "play": ["{run}", "--html", "{out}/play.html"],
    "power": ["{run}", "--visits", "2", "--replicates", "2"],
    "bank make": ["{out}/bank", "{run}", "--untrained"],
    "attack": ["{run}", "-a", "0", "--budget", "1", "--seeds", "1", "-n", "2", "--out", "{out}/attack"],
    "study failures": ["{run}", "-n", "2", "--kinds", "noop", "--out", "{out}/failures"],
    "study robustness": ["{run}/experiment.json", "-a", "0", "--out", "{out}/robustness"],
    "study radius": ["{run}/experiment.json", "--out", "{out}/radius"],
    "study power": ["{run}/experiment.json", "--out", "{out}/power"],
    "script slurm": ["{run}/experiment.json"],
    "script kubernetes": ["{run}/experiment.json"],
    "node": ["environment", "--resume", "{run}", "--listen", "ipc://{out}/socket"],
}
READ_ONLY = {
    "report": ["{run}", "--out", "{out}/report.html"],
    "runs": ["{run}"],
    "logs": ["{run}"],
    "compare": ["{run}", "{other}"],
    "config": ["show", "{run}/experiment.json"],
    "topology": ["show", "{run}"],
}


def words(command: str, arguments: list[str], run: Path, sample: Path, out: Path) -> list[str]:
    return [*command.split(), *(word.format(run=run, other=sample.parent / "other", out=out) for word in arguments)]


@pytest.mark.parametrize("part", PARTS)
def test_no_command_runs_what_a_run_directory_names(
    part: str, sample: Path, tmp_path: Path, marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = planted(sample, tmp_path, PARTS[part])
    events = (run / "events.jsonl").read_bytes()
    for command, arguments in COMMANDS.items():
        assert main(words(command, arguments, run, sample, tmp_path)) == 13, command
        output = capsys.readouterr()
        assert [line.startswith("netagents: error: ") for line in output.err.splitlines() if "true power by branching" not in line] == [
            True
        ]
        assert "its settings name code to run: " in output.err
        assert "--trust" in output.err
        assert not marker.exists(), command
    for command, arguments in READ_ONLY.items():
        assert main(words(command, arguments, run, sample, tmp_path)) == 0, command
        capsys.readouterr()
        assert not marker.exists(), command
    assert (run / "events.jsonl").read_bytes() == events


@pytest.mark.parametrize("part", PARTS)
def test_trust_runs_it_and_says_what(part: str, sample: Path, tmp_path: Path, marker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = planted(sample, tmp_path, PARTS[part])
    assert main(["resume", str(run), "learning.iterations=6", "-q", "--trust"]) in (3, 5)
    assert marker.exists()
    assert f"netagents: trusted: {run} names " in capsys.readouterr().err


def test_from_python_the_same(sample: Path, tmp_path: Path, marker: Path) -> None:
    run = planted(sample, tmp_path, PARTS["utility"])
    opened = Run.open(run)
    for use in (
        lambda: netagents.resume(run),
        lambda: evaluate(opened, 2),
        opened.policies,
        lambda: netagents.run(run / "experiment.json"),
    ):
        with pytest.raises(SecurityError, match=r"name code to run: utility\.kind is import:hostile_parts:Own"):
            use()
    assert not marker.exists()
    assert len(Run.open(run, trust=True).policies()) == 3
    assert len(Run.open(run, trust=frozenset({"import:hostile_parts:Own"})).policies()) == 3
    with pytest.raises(ExperimentError, match="it ran"):
        netagents.resume(run, "learning.iterations=6", trust=True)


def test_folders_and_images_that_a_run_names_need_trust_unless_an_override_names_them(sample: Path, tmp_path: Path) -> None:
    facts = json.loads((sample / "experiment.json").read_text())["runtime"]
    run = planted(sample, tmp_path, {"runtime": facts | {"history": str(tmp_path / "elsewhere")}})
    with pytest.raises(SecurityError, match=r"a folder to write to: runtime\.history is"):
        netagents.resume(run, "learning.iterations=5")
    assert not (tmp_path / "elsewhere").exists()
    assert len(netagents.resume(run, "learning.iterations=5", "runtime.history=null").returns) == 5


RUNTIMES: dict[str, tuple[dict[str, Any], str, str]] = {
    "program on hosts": (
        {"launcher": "slurm", "hosts": {"python": "/tmp/hostile/python"}},
        "code to run: runtime.hosts.python",
        "runtime.hosts.python=null",
    ),
    "options of sbatch": (
        {"launcher": "slurm", "slurm": {"options": ["--error=/home/somebody/.profile"]}},
        "options of sbatch: runtime.slurm.options",
        "runtime.slurm.options=[]",
    ),
    "cluster": (
        {"launcher": "ray", "ray": {"address": "192.0.2.7:6379"}},
        "a cluster to run on: runtime.ray.address",
        "runtime.ray.address=auto",
    ),
    "hosts": ({"launcher": "ssh", "hosts": {"file": "hosts.txt"}}, "hosts to run on: runtime.hosts.file", "runtime.hosts.file=null"),
    "sink": (
        {"sinks": [{"kind": "mlflow", "folder": "mine", "options": {"uri": "http://192.0.2.7"}}]},
        "a folder to write to: runtime.sinks",
        "runtime.sinks=[]",
    ),
}


@pytest.mark.parametrize("name", RUNTIMES)
def test_hosts_programs_and_sinks_that_a_run_names_need_trust(
    name: str, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime, message, instead = RUNTIMES[name]
    facts = json.loads((sample / "experiment.json").read_text())["runtime"]
    run = planted(
        sample,
        tmp_path,
        {"runtime": facts | {key: facts[key] | value if isinstance(value, dict) else value for key, value in runtime.items()}},
    )
    events = (run / "events.jsonl").read_bytes()
    for words in (["resume", str(run), "learning.iterations=6"], ["run", str(run / "experiment.json"), "--out", str(tmp_path / "new")]):
        assert main([*words, "-q"]) == 13
        assert f"its settings name {message} is " in capsys.readouterr().err
    # What only reads or plays starts nothing there.
    assert main(["evaluate", str(run), "-n", "2"]) == 0
    assert (run / "events.jsonl").read_bytes() == events
    assert not (tmp_path / "new").exists()
    capsys.readouterr()
    assert main(["resume", str(run), "learning.iterations=6", "runtime.launcher=in_process", instead, "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_an_override_names_the_same_thing_as_the_run(sample: Path, tmp_path: Path) -> None:
    facts = json.loads((sample / "experiment.json").read_text())["runtime"]
    run = planted(sample, tmp_path, {"runtime": facts | {"history": str(tmp_path / "elsewhere")}})
    assert len(netagents.resume(run, "learning.iterations=5", f"runtime.history={tmp_path / 'elsewhere'}").returns) == 5


@pytest.mark.parametrize("name", ["", "job.sbatch", "job.out", "notes.jsonl", "keys"])
def test_the_job_of_a_run_is_not_led_out_of_its_directory(name: str, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = planted(sample, tmp_path, {})
    target = tmp_path / "elsewhere"
    if name in ("", "keys"):
        target.mkdir()
    else:
        target.write_text("mine")
    if name:
        (run / "slurm").mkdir()
    (run / "slurm" / name).symlink_to(target)
    submitted: list[str] = []
    monkeypatch.setattr(slurm_launcher, "submit", submitted.append)
    opened = RunDirectory.open(run)
    job = LaunchedRun(prepare(opened.experiment()), opened, SilentDisplay(), Interruptions(), detached=True)
    try:
        with pytest.raises(RunDirectoryError, match="is a link to somewhere else"):
            slurm_launcher.SlurmLauncher().carry_out(job)
    finally:
        job.interruptions.close()
    assert submitted == []
    assert list(target.iterdir()) == [] if target.is_dir() else target.read_text() == "mine"


def test_pipes_in_place_of_what_a_job_tells_hold_nobody_up(tmp_path: Path) -> None:
    for name in ("notes.jsonl", "view.json", "outcome.json", "job.out"):
        os.mkfifo(tmp_path / name)
    JobFollower(tmp_path, SilentDisplay()).look()
    assert read_outcome(tmp_path) == (False, None)
    assert last_words(tmp_path / "job.out") == []
    for name, text in (("notes.jsonl", "[" * 100_000 + "\n"), ("outcome.json", "[" * 100_000), ("job.out", "x" * 100_000 + "\nlast\n")):
        (tmp_path / name).unlink()
        (tmp_path / name).write_text(text)
    JobFollower(tmp_path, SilentDisplay()).look()
    assert read_outcome(tmp_path) == (False, None)
    assert last_words(tmp_path / "job.out") == ["last"]


def test_a_copy_of_the_file_is_the_persons_own(sample: Path, tmp_path: Path, marker: Path) -> None:
    run = planted(sample, tmp_path, PARTS["environment"])
    shutil.copy(run / "experiment.json", tmp_path / "mine.yaml")
    with pytest.raises(ExperimentError, match="it ran"):
        netagents.run(tmp_path / "mine.yaml", directory=tmp_path / "new")
    assert marker.exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("os:system", "module os is one of Python's own"),
        ("subprocess:Popen", "module subprocess is one of Python's own"),
        ("shutil:rmtree", "module shutil is one of Python's own"),
        ("hostile_names:os.system", "belongs to Python's own module posix"),
        ("hostile_names:call", "belongs to Python's own module posix"),
        ("hostile_names:bound", "belongs to Python's own module"),
        ("hostile_names:exec", "belongs to Python's own module builtins"),
        ("hostile_names:Other", "the class Other is no ParallelEnv: it has no reset and step"),
        ("hostile_names:nothing", "module hostile_names has no function 'nothing'"),
    ],
)
def test_make_is_found_without_calling_what_is_no_environment(
    make: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "hostile_names", raising=False)
    monkeypatch.setattr("netagents.foreign.part_modules._FOLDERS", [])
    (tmp_path / "hostile_names.py").write_text(
        "import functools, os\n"
        "from builtins import exec\n"
        f"call = functools.partial(os.system, 'touch {tmp_path}/it-ran')\n"
        "bound = os.environ.update\n"
        "class Other:\n"
        "    def __init__(self, **_):\n"
        "        os.system('touch it-ran')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings = {
        "environment": {"kind": "pettingzoo", "make": make, "arguments": {"command": "touch it-ran"}},
        "topology": {"kind": "line", "n": 2},
    }
    with pytest.raises(EnvironmentMismatchError) as caught:
        netagents.run(settings, directory=tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "it-ran").exists()
    sys.modules.pop("hostile_names", None)


@pytest.mark.parametrize("name", ["events.jsonl", "metrics.jsonl", "logs/agent_0.jsonl", "checkpoints", "tables", "lock"])
def test_a_resume_is_not_led_out_of_the_directory(name: str, sample: Path, tmp_path: Path) -> None:
    run = planted(sample, tmp_path, {})
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target"
    if (run / name).is_dir():
        shutil.move(run / name, target)
    elif (run / name).exists():
        (run / name).rename(target)
    before = sorted(str(path) for path in (tmp_path / "elsewhere").rglob("*"))
    content = target.read_bytes() if target.is_file() else b""
    (run / name).symlink_to(target)
    with pytest.raises(netagents.errors.RunDirectoryError, match="is a link to somewhere else"):
        netagents.resume(run, "learning.iterations=6")
    assert sorted(str(path) for path in (tmp_path / "elsewhere").rglob("*")) == before
    assert not target.is_file() or target.read_bytes() == content


def test_a_run_in_the_directory_of_an_attack_runs_nothing_that_the_attack_does_not_name(
    sample: Path, tmp_path: Path, marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The directory of a study may come from anybody as well: its runs are read as any other run is."""
    options = ["-a", "0", "--budget", "1", "--seeds", "1", "-n", "2", "--jobs", "1", "--out", str(tmp_path / "attack")]
    attack = ["attack", str(sample), *options]
    assert main(attack) == 0
    (trained,) = (tmp_path / "attack" / "runs").iterdir()
    facts = json.loads((trained / "experiment.json").read_text())
    (trained / "experiment.json").write_text(json.dumps(facts | PARTS["policy"]))
    capsys.readouterr()
    assert main(attack) == 13
    assert "its settings name code to run: policy.kind is import:hostile_parts:Own" in capsys.readouterr().err
    assert not marker.exists()

"""Sinks: what reaches them are the numbers of the run, and no fault of theirs reaches it."""

from __future__ import annotations

import csv
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched_runs import SETTINGS

import netagents
from netagents.cli.main import main
from netagents.errors import ExperimentError, MissingPackageError
from netagents.experiment import Experiment
from netagents.monitoring.sinks.sink import SinkRow, SinkRun, load_sink, safe_name, shown_values
from netagents.monitoring.sinks.sink_frames import frame
from netagents.monitoring.sinks.sink_host import SinkHost, Sinks, check_sinks
from netagents.records import Run
from netagents.records.same_bits import same_bits

PLUGIN = """
import os, time

class Stubborn:
    def __init__(self, run):
        time.sleep(run.options.get("opening", 0.0))
        self.run, self.how = run, run.options["how"]
        (run.folder / "pid").write_text(str(os.getpid()))

    def write(self, row):
        (self.run.folder / "rows").open("a").write(f"{row.iteration} {row.team['return']!r}\\n")
        if row.iteration == 2 and self.how == "raise":
            raise OSError("the disk\\x1b[31m is full")
        if row.iteration == 2 and self.how == "exit":
            os._exit(7)
        if row.iteration == 2 and self.how == "block":
            time.sleep(1000)

    def artifact(self, path):
        pass

    def close(self):
        if self.how == "linger":
            time.sleep(1000)
"""


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an installed package that offers the sink ``stubborn``."""
    site = tmp_path / "site"
    facts = site / "stubborn-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[netagents.sinks]\nstubborn = stubborn_sink:Stubborn\n")
    (site / "stubborn_sink.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def experiment(*sinks: dict[str, Any], **runtime: Any) -> Experiment:
    return Experiment.model_validate(SETTINGS | {"runtime": {"launcher": "in_process", "sinks": list(sinks), **runtime}})


def test_files_hold_the_numbers_of_the_records_and_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["line_msg", "topology.n=4", "learning.iterations=5", "learning.batch=8", "runtime.sinks=[{kind: files, folder: kept}]"]
    assert main(["run", *words, "--launcher", "in_process", "--out", "run", "-q"]) == 0
    run = Run.open(tmp_path / "run")
    folder = tmp_path / "kept" / f"line_msg-{run.manifest['run'][:8]}"

    def table(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines()))

    rows = table("team")
    assert [float(row["return"]) for row in rows] == run.returns.tolist()
    agents = table("agents")
    assert [float(row["objective"]) for row in agents] == run.agent_metric("objective").ravel().tolist()
    held = [run.concentration(iteration).held.tolist() for iteration in range(5)]
    assert np.allclose([float(row["power_held"]) for row in agents], np.ravel(held))
    traffic = table("traffic")
    assert sum(int(row["messages"]) for row in traffic) == run.ledger.total.messages
    assert json.loads((folder / "settings.json").read_text())["kappa"] == run.experiment.kappa
    assert (folder / "report.html").read_bytes() == (tmp_path / "run" / "report.html").read_bytes()
    assert (folder / "power.png").exists()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", "OSError: the disk\\x1b[31m is full"),
        ("exit", "its process"),
        ("block", "had not finished"),
        ("linger", "had not finished"),
    ],
)
def test_a_sink_that_fails_or_blocks_is_cut_off_and_the_run_goes_on(
    plugged: Path, how: str, words: str, recorded: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netagents.monitoring.sinks.sink_host.Sinks.close.__defaults__", (4.0,))
    sinks = [{"kind": "stubborn", "folder": str(plugged), "options": {"how": how}}]
    with caplog.at_level(logging.WARNING, logger="netagents"):
        run = netagents.run(SETTINGS | {"runtime": {"launcher": "in_process", "sinks": sinks}}, directory=tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(run, recorded) == []
    lines = [record.getMessage() for record in caplog.records if "sink" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("the sink stubborn is cut off: ")
    assert lines[0].endswith("; the run goes on without it")
    assert words in lines[0]
    assert "\x1b" not in lines[0]
    assert not Path(f"/proc/{(plugged / 'pid').read_text()}").exists()
    rows = [line.split() for line in (plugged / "rows").read_text().splitlines()]
    assert [float(value) for _, value in rows] == run.returns[: len(rows)].tolist()
    assert len(rows) == (24 if how == "linger" else 3)


def test_a_sink_that_takes_nothing_is_cut_off_while_the_run_goes_on(plugged: Path, caplog: pytest.LogCaptureFixture) -> None:
    host = SinkHost("stubborn", SinkRun("r", "0" * 16, plugged, {}, ("0",), {"how": "block"}), blocked_seconds=0.5)
    with caplog.at_level(logging.WARNING, logger="netagents"):
        until = time.monotonic() + 60
        row = frame({"row": {"iteration": 2, "team": {"return": 0.0}, "names": [], "metrics": b"", "held": b"", "concentration": {},
                             "traffic": {}, "timing": b"", "filler": b"x" * 100_000}})  # fmt: skip
        while host.alive and time.monotonic() < until:
            host.send(row)
            time.sleep(0.02)
    assert [record.getMessage() for record in caplog.records] == [
        "the sink stubborn is cut off: has taken nothing for 0.5 s; the run goes on without it"
    ]


def test_a_sink_that_opens_slowly_gets_everything(plugged: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = SinkRun("r", "0" * 16, plugged, {}, ("0",), {"how": "", "opening": 2.0})
    host = SinkHost("stubborn", run, blocked_seconds=0.1)
    facts = {"names": [], "metrics": b"", "held": b"", "concentration": {}, "traffic": {}, "timing": b"", "filler": b"x" * 100_000}
    with caplog.at_level(logging.WARNING, logger="netagents"):
        for iteration in range(4):
            host.send(frame({"row": {"iteration": iteration, "team": {"return": 0.5}, **facts}}))
            time.sleep(0.1)
        # It has as long from its opening as others have from the end of the run.
        Sinks([host]).close(1.5)
    assert [record.getMessage() for record in caplog.records] == []
    assert (plugged / "rows").read_text() == "".join(f"{iteration} 0.5\n" for iteration in range(4))


def test_a_sink_that_never_opens_is_cut_off(plugged: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netagents.monitoring.sinks.sink_host.OPEN_SECONDS", 0.5)
    host = SinkHost("stubborn", SinkRun("r", "0" * 16, plugged, {}, ("0",), {"how": "", "opening": 1000.0}))
    with caplog.at_level(logging.WARNING, logger="netagents"):
        Sinks([host]).close(0.5)
    assert [record.getMessage() for record in caplog.records] == [
        "the sink stubborn is cut off: it had not opened when the run was over; the run goes on without it"
    ]


def test_names_are_made_fit_to_be_shown_and_stay_apart() -> None:
    assert safe_name("entropy") == "entropy"
    long = "<b>\x1b\x00\u202e" + "x" * 10_000
    names = [safe_name(name) for name in (long + "a", long + "b", "a\udc80", "a\\udc80")]
    assert len(set(names)) == 4
    assert all(name.isprintable() and len(name) <= 200 for name in names)
    assert names[0].startswith("<b>\\x1b\\x00\\u202exxx")
    values = shown_values({"a\x1b": ["\u202e", {"b": (1, "two\nlines")}]})
    ((key, value),) = values.items()
    assert key.startswith("a\\x1b-")
    assert value == ["\\u202e", {"b": [1, "two\nlines"]}]


def test_a_sink_ends_when_its_monitor_is_killed(plugged: Path) -> None:
    words = (
        "import sys, time; from pathlib import Path; from netagents.monitoring.sinks.sink_host import SinkHost; "
        "from netagents.monitoring.sinks.sink import SinkRun; "
        "host = SinkHost('stubborn', SinkRun('r', '0' * 16, Path(sys.argv[1]), {}, ('0',), {'how': 'linger'})); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", words, str(plugged)]) as monitor:
        try:
            until = time.monotonic() + 60
            while not (plugged / "pid").exists() or not (plugged / "pid").read_text():
                assert time.monotonic() < until
                time.sleep(0.02)
            pid = int((plugged / "pid").read_text())
            monitor.send_signal(signal.SIGKILL)
            monitor.wait()
            until = time.monotonic() + 30
            while os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            monitor.kill()


def test_sinks_that_are_not_there_are_refused_before_the_run(plugged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_sinks(experiment({"kind": "files"}, {"kind": "stubborn", "folder": str(plugged)}))
    with pytest.raises(ExperimentError, match=r"runtime\.sinks\.1\.kind: there is no sink 'other'; choose one of files, .*stubborn"):
        check_sinks(experiment({"kind": "files"}, {"kind": "other"}))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for settings, place in (({"tensorboard": "x"}, "runtime.tensorboard"), ({"sinks": [{"kind": "mlflow"}]}, r"runtime\.sinks\.0\.kind")):
        with pytest.raises(MissingPackageError, match=rf"{place}: the package \w+ is not installed; pip install 'netagents\["):
            check_sinks(Experiment.model_validate(SETTINGS | {"runtime": {"launcher": "in_process", **settings}}))


def row_of(iteration: int) -> SinkRow:
    values = np.array([1.0 + iteration, np.nan])
    concentration = {"top_share": 0.5, "herfindahl": np.nan, "gini": 0.1}
    team = {"return": 2.0 + iteration, "return_sd": 0.1, "discounted": 1.0}
    return SinkRow(iteration, team, {"re<turn": values}, values, concentration, {"state": (3, 24)}, np.ones((3, 2)))


def test_scalars_name_every_finite_number() -> None:
    scalars = row_of(1).scalars()
    assert scalars["return/team"] == 3.0
    assert scalars["agents/re<turn"] == scalars["agent_0/re<turn"] == 2.0
    assert scalars["agent_0/power_held"] == 2.0
    assert scalars["traffic/state/payload_bytes"] == scalars["traffic/payload_bytes"] == 24.0
    assert scalars["agent_1/seconds_wait"] == 1.0
    assert not {"agent_1/re<turn", "power/herfindahl"} & set(scalars)


def test_hostile_names_are_text_in_files(tmp_path: Path) -> None:
    name = '=HYPERLINK(1)<script>\x1b[31m\u202e,"' + "x" * 10_000
    run = SinkRun("seen-0123", "0123456789abcdef", tmp_path, {name: {"name": name}}, (name, name), {})
    sink = load_sink("files")(run)
    values = np.array([1.0, np.nan])
    sink.write(SinkRow(0, {"return": 2.0}, {name: values}, values, {}, {name: (3, 24)}, np.ones((3, 2))))
    sink.close()
    for file in (tmp_path / "seen-0123").iterdir():
        assert all(each.isprintable() or each == "\n" for each in file.read_text()), file.name
    assert json.loads((tmp_path / "seen-0123" / "settings.json").read_text()) == {name: {"name": name}}
    escaped = "'" + name.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    with (tmp_path / "seen-0123" / "agents.csv").open() as text:
        (first, second) = csv.DictReader(text)
    assert (first[escaped], second[escaped]) == ("1.0", "")
    with (tmp_path / "seen-0123" / "traffic.csv").open() as text:
        assert next(csv.DictReader(text))["kind"] == escaped

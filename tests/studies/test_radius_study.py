"""Studies: what they run, that they survive interruptions, and what their tables and page say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.cli.main import main
from netagents.environments.builtin.line_msg import LineMsg
from netagents.errors import NodeFailedError, RunDirectoryError, UsageError, exit_code_of
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.reports.study_data import load_study
from netagents.reports.study_report import write_study_figures, write_study_report
from netagents.studies.exact_errors import consult
from netagents.studies.radius_study import radius_study
from netagents.studies.saved_tables import save_tables
from netagents.studies.study_directory import RESULT, StudyDirectory
from netagents.studies.study_runs import carry_out
from netagents.studies.study_specification import Study, mute_study, parse_whole_numbers, sweep_study
from netagents.studies.study_tables import collect

BASE: dict[str, Any] = line_msg(4, name="tiny", environment={"coupling": 0.2}, iterations=3, batch=8, horizon=10, launcher="in_process")


SHAKY = """
import os

import numpy as np

from netagents.environments.builtin.line_msg import LineMsg


class Shaky(LineMsg):
    def step(self, state, actions, noise):
        result = super().step(state, actions, noise)
        if os.environ["SHAKY"] == repr(float(noise[0, 0])):
            return result._replace(rewards=np.full_like(result.rewards, np.nan))
        return result
"""
"""A chain that breaks at one draw of chance, and so with one seed, as long as the variable SHAKY names that draw."""


def first_draw(seed: int) -> float:
    """The first number that the environment draws in a run of :data:`BASE` with this seed."""
    drawn: list[float] = []

    class Spy(LineMsg):
        def step(self, state: Any, actions: Any, noise: Any) -> Any:
            drawn.append(float(noise[0, 0]))
            return super().step(state, actions, noise)

    prepared = prepare(load_experiment(BASE, {"seed": seed}).experiment)
    session = prepared.setup.session(Spy(prepared.topology))
    session.begin(0)
    session.advance([np.zeros(prepared.setup.batch, dtype=np.uint8)] * prepared.setup.n)
    return drawn[0]


def _study(**changes: Any) -> Study:
    options: dict[str, Any] = {"kappas": [0, 1], "seeds": [0, 1], "hold": {"policy": 0}} | changes
    return radius_study(BASE, **options)


def test_a_radius_beyond_the_diameter_is_clipped_and_both_baselines_are_there() -> None:
    study = _study(kappas=[1, 7])
    assert [setting.values["kappa"] for setting in study.settings] == [0, 1, 3]
    assert any("clipped to 3" in note for note in study.notes)
    assert all(setting.experiment.radius("policy") == 0 for setting in study.settings)
    assert [setting.experiment.radius("critic") for setting in study.settings] == [0, 1, 3]


def test_both_credits_are_legal_at_every_radius_even_with_a_held_critic() -> None:
    study = _study(kappas=[0, 1, 2], credits=("shared_q", "shared_reward"), hold={"critic": 1})
    assert len(study.settings) == 8


def test_a_radius_that_the_experiment_holds_stays_until_it_is_released() -> None:
    held = radius_study(BASE | {"kappa_policy": 1}, kappas=[0, 2], seeds=[0])
    assert {setting.experiment.radius("policy") for setting in held.settings} == {1}
    released = radius_study(BASE | {"kappa_policy": 1}, kappas=[0, 2], seeds=[0], hold={"policy": None})
    assert [setting.experiment.radius("policy") for setting in released.settings] == [0, 2, 3]


@pytest.mark.parametrize("hold", [{"actor": 1}, {"policy": 0, "critic": 0, "gradient": 0}])
def test_a_hold_that_means_nothing_is_refused(hold: dict[str, int | None]) -> None:
    with pytest.raises(UsageError):
        _study(hold=hold)


def test_lists_of_radii_are_read() -> None:
    assert parse_whole_numbers("0..4", "--kappa") == [0, 1, 2, 3, 4]
    assert parse_whole_numbers("3,0,1..2", "--kappa") == [0, 1, 2, 3]
    for wrong in ("a", "1..", "-1", ""):
        with pytest.raises(UsageError):
            parse_whole_numbers(wrong, "--kappa")


def test_a_sweep_runs_every_combination_and_a_muting_study_every_kind_and_hop() -> None:
    sweep = sweep_study(BASE, {"learning.batch": [4, 8], "kappa": [0, 1, 2]}, seeds=[0])
    assert len(sweep.settings) == 6
    mute = mute_study(BASE | {"kappa": 2}, seeds=[0])
    hops = [f"{kind}@{hop}" for kind in ("state", "trace", "shadow_reward", "truncated_q") for hop in (1, 2)]
    assert [setting.values["muted"] for setting in mute.settings] == ["", *hops, "everything"]


def test_a_muting_study_is_carried_out_and_says_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.json").write_text(json.dumps(BASE | {"kappa": 1}))
    assert main(["study", "mute", "tiny.json", "learning.iterations=2", "--seeds", "1", "--jobs", "1"]) == 0
    sentence, page = capsys.readouterr().out.splitlines()
    assert sentence.startswith("Too few seeds to say what a message is worth (n = 1, 5 at least): ")
    text = Path(page).read_text()
    assert sentence in text
    assert "everything muted" in text
    assert main(["study", "report", str(Path(page).parent)]) == 0
    assert capsys.readouterr().out.splitlines() == [sentence, page]


def test_finished_runs_are_never_repeated_and_another_experiment_is_refused(tmp_path: Path) -> None:
    study = _study()
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    carry_out(study, directory, copies=16)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "runs").glob(f"*/{RESULT}")}
    assert len(before) == 6
    more = _study(seeds=[0, 1, 2])
    progress = carry_out(more, StudyDirectory.open_for(tmp_path / "study", more), copies=16)
    assert (progress.finished_before, progress.finished) == (6, 9)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    with pytest.raises(RunDirectoryError, match="another experiment"):
        StudyDirectory.open_for(tmp_path / "study", radius_study(BASE | {"environment": {"kind": "line_msg"}}, kappas=[0], seeds=[0]))
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "file").touch()
    with pytest.raises(RunDirectoryError, match="is no study"):
        StudyDirectory.open_for(tmp_path / "stranger", study)


def test_tables_page_and_figures_are_made_from_what_was_run(tmp_path: Path) -> None:
    study = _study(credits=("shared_q", "shared_reward"))
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    carry_out(study, directory, copies=16)
    collected = collect(study, directory)
    summary, runs = collected.tables["summary"], collected.tables["runs"]
    assert summary.rows == 6
    assert runs.rows == 12
    alone = runs["kappa"] == 0
    assert np.all(runs["neighbour_bytes"][alone] == 0)
    assert np.all(runs["neighbour_bytes"][~alone] > 0)
    oracle = consult(study.base, [0, 1, 3], iterations=2)
    widest = oracle.tables["exact_gradient"]
    assert np.all(widest["relative_error"][widest["kappa"] == 3] < 1e-6)
    save_tables(directory, {**collected.tables, **oracle.tables}, collected.facts | {"oracle": oracle.note})
    page = write_study_report(tmp_path / "study").read_text()
    assert "Too few seeds to say which kappa to use" in page
    assert "(n = 2" in page
    assert "Use kappa = " not in page
    assert 'src="http' not in page
    assert load_study(tmp_path / "study").tables["summary"].rows == 6
    written = write_study_figures(tmp_path / "study", tmp_path / "figures", "study-tiny", ["headline", "exact"])
    assert all(path.stat().st_size > 1000 for path in written)


def test_routings_share_their_runs_and_differ_in_what_they_send(tmp_path: Path) -> None:
    study = _study(routings=("direct", "relay"), informations=("fresh", "aged"), hold=None, kappas=[1, 2], seeds=[0])
    names = [name for name, _, _ in study.runs()]
    assert (len(names), len(set(names))) == (16, 8)
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    assert carry_out(study, directory, copies=16).total == 8
    collected = collect(study, directory)
    summary = collected.tables["summary"]
    rows = {str(label): at for at, label in enumerate(summary["setting"])}
    for kappa in (0, 1, 2, 3):
        for information in ("fresh", "aged"):
            direct, relay = (rows[f"kappa={kappa}, information={information}, routing={routing}"] for routing in ("direct", "relay"))
            assert summary["final"][direct] == summary["final"][relay]
            assert summary["tree_bytes_per_step"][direct] == summary["bytes_per_step"][relay]
            # Relay never sends more than each message hop by hop, and on a line exactly what direct links carry: one edge per receiver.
            assert summary["bytes_per_step"][relay] == summary["bytes_per_step"][direct] <= summary["hop_bytes_per_step"][direct]
            assert summary["sockets_most"][relay] == min(3, 1 + 2 * (kappa > 0))
    aged, fresh = (rows[f"kappa=2, information={information}, routing=direct"] for information in ("aged", "fresh"))
    assert summary["final"][aged] != summary["final"][fresh]
    assert set(collected.facts["knees"]) == {"fresh, direct", "fresh, relay", "aged, direct", "aged, relay"}
    save_tables(directory, collected.tables, collected.facts)
    page = write_study_report(tmp_path / "study").read_text()
    assert "aged, relay" in page
    assert "Relay routing learns the same, with" in page


def test_a_run_that_fails_inside_a_study_is_one_clear_line_and_costs_no_other_run(tmp_path: Path) -> None:
    module = tmp_path / "shaky.py"
    # Every run with seed 1 ends in its first step; all others go well.
    module.write_text(SHAKY)
    file = tmp_path / "tiny.yaml"
    file.write_text(json.dumps(BASE | {"environment": {"kind": "import:shaky:Shaky"}}))
    command = [sys.executable, "-m", "netagents", "study", "radius", str(file), "--kappa", "0,1", "--seeds", "3", "--hold", "policy=0"]
    command += ["--out", str(tmp_path / "study"), "--episodes", "0", "--no-exact", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SHAKY": repr(first_draw(1))}
    failed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert failed.returncode == exit_code_of(NodeFailedError("")), failed.stderr
    last = failed.stderr.rstrip().rpartition("\n")[2]
    assert "3 of 9 runs failed, first: " in last
    assert "reward that is not finite" in last
    assert "Traceback" not in failed.stderr
    runs = tmp_path / "study" / "runs"
    finished = {path: path.stat().st_mtime_ns for path in runs.glob(f"*/{RESULT}")}
    assert len(finished) == 6
    # What is finished has its report, and the failed ones are made again once their cause is gone.
    assert "say which kappa to use (n = 2, 5 at least)" in (tmp_path / "study" / "report.html").read_text()
    again = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env={**environment, "SHAKY": ""})
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("was failed; it is made again") == 3
    assert "6 found finished" in again.stderr
    assert len(list(runs.glob(f"*/{RESULT}"))) == 9
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())


def test_a_run_that_is_killed_inside_a_study_is_named_and_made_again(tmp_path: Path) -> None:
    study = radius_study(BASE | {"learning": {"iterations": 5000, "batch": 64, "horizon": 60}}, kappas=[0], seeds=[0], baselines=False)
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    killed: list[int] = []

    def kill_first(_: object) -> None:
        children = [int(word) for file in Path("/proc/self/task").glob("*/children") for word in file.read_text().split()]
        workers = [pid for pid in children if b"netagents.studies.study_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        # In the middle of its training: the run is marked as running before its first line.
        metrics = directory.run_path(study.runs()[0][0]) / "metrics.jsonl"
        if workers and not killed and metrics.exists() and metrics.stat().st_size:
            killed.append(workers[0])
            os.kill(workers[0], signal.SIGKILL)

    with pytest.raises(NodeFailedError, match="1 of 1 runs failed, first: it ended with exit code -9"):
        carry_out(study, directory, copies=0, show=kill_first)
    assert killed
    short = radius_study(BASE, kappas=[0], seeds=[0], baselines=False)
    assert directory.sweep(study.runs()[0][0]) == "killed"
    assert not directory.run_path(study.runs()[0][0]).exists()
    other = StudyDirectory.open_for(tmp_path / "other", short)
    assert carry_out(short, other, copies=0).finished == 1


def test_a_file_in_the_way_of_a_run_is_one_clear_line(tmp_path: Path) -> None:
    study = _study(seeds=[0])
    directory = StudyDirectory.open_for(tmp_path / "study", study)
    name = study.runs()[1][0]
    directory.run_path(name).parent.mkdir(exist_ok=True)
    directory.run_path(name).write_text("in the way")
    with pytest.raises(RunDirectoryError, match="is a file, not a folder"):
        carry_out(study, directory, copies=0)


def test_an_interrupted_study_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(json.dumps(BASE | {"learning": {"iterations": 40, "batch": 64, "horizon": 60}}))
    command = [sys.executable, "-m", "netagents", "study", "radius", str(file), "--kappa", "0,1", "--seeds", "2", "--hold", "policy=0"]
    command += ["--out", str(tmp_path / "study"), "--episodes", "0", "--no-exact"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "study" / "runs"
    limit = time.monotonic() + 60
    while not list(runs.glob(f"*/{RESULT}")) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    finished = {path: path.stat().st_mtime_ns for path in runs.glob(f"*/{RESULT}")}
    assert finished
    limit = time.monotonic() + 20
    while any(_writes(path) for path in runs.iterdir()) and time.monotonic() < limit:
        time.sleep(0.05)
    again = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert again.returncode == 0, again.stderr
    assert "found finished" in again.stderr
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())
    assert (tmp_path / "study" / "report.html").is_file()


def _writes(path: Path) -> bool:
    from netagents.records.run_reader import Run

    try:
        return Run.open(path).state == "running"
    except RunDirectoryError:
        return False


def test_the_plan_is_printed_with_links(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "line_msg", "topology.n=200", "--link", "1Gbit/0.2ms"]) == 0
    output = capsys.readouterr().out
    assert "truncated_q" in output
    assert "1Gbit/0.2ms" in output
    assert main(["plan", "line_msg", "--link", "fast"]) == 2
    assert main(["study", "radius", "line_msg", "--routing", "by_post"]) == 2
    assert "choose direct, relay or both" in capsys.readouterr().err

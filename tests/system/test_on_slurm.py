"""Runs as jobs of a real Slurm: the bits of one process, ends that are asked for, a lost host, and a job that begins again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Starter
from hidden_folder import why_not_hidden
from leaks import LeakWatch
from live_run import LINE, SLOW, WIRELESS, Settings, merged, patience, promised, undisturbed, wait_until
from other_version import other_version
from running_cluster import running
from slurm_cluster import SlurmCluster, why_no_slurm

import netagents
from netagents.errors import EngineError
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def on_slurm(settings: Settings, **more: object) -> Settings:
    runtime = {"launcher": "slurm", "slurm": {"partition": "main", "nodes": 2, **more}}
    return merged(settings, {"runtime": runtime, "timeouts": {"scale": patience(1.0)}})


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder,
        running(lambda: SlurmCluster(Path(folder)), why_no_slurm()) as cluster,
    ):
        yield cluster


@pytest.fixture
def slurm(cluster: SlurmCluster, leaks: LeakWatch, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:  # noqa: ARG001 - sets TMPDIR first
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    return cluster


@pytest.mark.parametrize(
    ("settings", "steps"), [(LINE, "role"), (WIRELESS, "host")], ids=["line_msg, a step per agent", "wireless, a step per host"]
)
def test_a_job_leaves_the_same_bits_as_one_process(slurm: SlurmCluster, settings: Settings, steps: str, tmp_path: Path) -> None:
    run = netagents.run(on_slurm(settings, steps=steps), directory=tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(run, undisturbed(settings, tmp_path / "alone")) == []
    assert {path.name for path in (tmp_path / "run" / "slurm").iterdir()} >= {"job.sbatch", "job.out", "outcome.json"}
    assert not (tmp_path / "run" / "slurm" / "keys").exists()
    wait_until(lambda: slurm.jobs() == [], "the end of the job", 20.0)


def test_a_detached_run_goes_on_alone_and_a_cancelled_one_keeps_its_records(slurm: SlurmCluster, tmp_path: Path) -> None:
    file = tmp_path / "slow.yaml"
    file.write_text(json.dumps(dict(on_slurm(merged(LINE, SLOW)))))
    command = [sys.executable, "-m", "netagents", "run", str(file), "--detach", "--quiet", "--out", str(tmp_path / "run")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=patience(30))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "run")
    rows = tmp_path / "run" / "metrics.jsonl"
    wait_until(lambda: rows.read_bytes().count(b"\n") > 1, "two iterations", 60.0)
    assert netagents.Run.open(tmp_path / "run").state == "running"
    (job,) = slurm.jobs()
    slurm.command("scancel", job)
    wait_until(lambda: slurm.jobs() == [], "the end of the job", 20.0)
    run = netagents.Run.open(tmp_path / "run")
    assert run.state == "interrupted"
    assert len(run.iterations) > 1


def test_a_job_that_slurm_begins_again_goes_on_from_its_checkpoint(slurm: SlurmCluster, start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, {"checkpoints": {"every": 1}, "learning": {"iterations": 60}})
    run = start(on_slurm(settings))
    run.wait_for_rows(3, 60.0)
    (job,) = slurm.jobs()
    slurm.command("scontrol", "requeue", job)
    ended = run.ended(90.0)
    assert ended.code == 0, ended.err
    assert [event["event"] for event in map(json.loads, (run.path / "events.jsonl").read_text().splitlines())].count("resumed") == 1
    assert same_bits(run.records, undisturbed(settings, tmp_path / "alone")) == []


def sweep(leaks: LeakWatch) -> None:
    """Remove what a host that lost its power has left in its folder for temporary files: one folder, with at most a dead socket."""
    left = list(leaks.root.iterdir())
    assert len(left) <= 1, left
    for folder in left:
        assert all(file.is_socket() for file in folder.iterdir())
        shutil.rmtree(folder)


def idle(slurm: SlurmCluster) -> bool:
    return slurm.command("sinfo", "-h", "-o", "%T").split() == ["idle"]


def test_agents_of_a_lost_host_move_to_the_other(slurm: SlurmCluster, start: Starter, leaks: LeakWatch, tmp_path: Path) -> None:
    settings = merged(LINE, {"failures": {"agent": "restart"}, "checkpoints": {"every": 1}, "learning": {"iterations": 40}})
    run = start(on_slurm(settings))
    run.wait_for_rows(2, 60.0)
    slurm.kill_host("n2")
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    restarted = [path.stem for path in (run.path / "logs").glob("agent_*.jsonl") if path.read_text().count("started, process") > 1]
    assert len(restarted) == 3, restarted
    assert same_bits(run.records, undisturbed(settings, tmp_path / "alone")) == []
    sweep(leaks)
    slurm.start_node("n2")
    wait_until(lambda: idle(slurm), "two idle nodes", 40.0)


def test_a_lost_host_ends_a_run_that_is_to_end_with_it_and_a_lost_slurmd_does_not(
    slurm: SlurmCluster, start: Starter, leaks: LeakWatch
) -> None:
    settings = on_slurm(merged(LINE, SLOW))
    run = start(settings)
    run.wait_for_rows(1, 60.0)
    slurm.kill("n2")
    rows = len((run.path / "metrics.jsonl").read_bytes().splitlines())
    run.wait_for_rows(rows + 2, 30.0)
    slurm.start_node("n2")
    slurm.kill_host("n2")
    # Ten seconds of silence (timeouts.answer), then the others are ended, and nobody waits for the steps of the lost host.
    ended = run.ended(promised(15.0, settings))
    assert ended.code == 10, ended.err
    assert "host n2 is lost" in ended.last_line
    sweep(leaks)
    slurm.start_node("n2")
    wait_until(lambda: idle(slurm), "two idle nodes", 40.0)


def test_bad_input_is_one_line_with_the_words_of_slurm(slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**more: object) -> str:
        with pytest.raises(EngineError) as error:
            netagents.run(on_slurm(LINE, **more), directory=tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return str(error.value)

    assert "no partition is called 'fast'; there are main" in fails(partition="fast")
    assert "not available" in fails(nodes=7)
    # A node of this cluster has 40 processors.
    with pytest.raises(EngineError, match="not available"):
        netagents.run(on_slurm(merged(LINE, {"topology": {"n": 90}})), directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert slurm.jobs() == []
    configuration = tmp_path / "slurm.conf"
    text = (slurm.folder / "slurm.conf").read_text()
    configuration.write_text(
        text.replace("SlurmctldPort=", "SlurmctldTimeout=5\nSlurmctldPort=1", 1).replace("MessageTimeout=10", "MessageTimeout=2")
    )
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    assert "Unable to contact slurm controller" in fails()


def test_hosts_that_do_not_fit_end_the_job_with_one_line(slurm: SlurmCluster, tmp_path: Path) -> None:
    def fails(path: Path, *words: str) -> str:
        file = tmp_path / "line.yaml"
        file.write_text(json.dumps(dict(on_slurm(LINE))))
        command = [sys.executable, "-m", "netagents", "run", str(file), "--quiet", "--out", str(path), *words]
        result = subprocess.run(command, capture_output=True, text=True, timeout=patience(60.0))
        assert result.returncode == 14, result.stderr
        wait_until(lambda: slurm.jobs() == [], "the end of the job", 20.0)
        assert netagents.Run.open(path).state == "failed"
        return result.stderr.rstrip().rpartition("\n")[2]

    line = fails(tmp_path / "other", f"runtime.hosts.python={other_version(tmp_path)}")
    assert re.search(r"host n[12]: has netagents 0\.0\.9, and the launcher [0-9.]+; install the same$", line), line
    line = fails(tmp_path / "missing", "runtime.hosts.python=/nonexistent/python")
    assert re.search(r"host n[12]: .*/nonexistent/python.*; all hosts of the job must have netagents at the same path$", line), line
    if (reason := why_not_hidden()) is not None:
        pytest.skip(reason)
    # The host itself says so, and calls itself by the name of this machine.
    line = fails(slurm.hidden / "run")
    assert f"does not see the run directory {slurm.hidden / 'run'}; name one of a file system that all hosts share, with --out" in line

"""Runs on a real Ray cluster of two raylets: the bits of one process, what follows a kill of anything, and one line for what is wrong."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Starter
from hidden_folder import why_not_hidden
from leaks import LeakWatch
from live_run import LINE, SLOW, WIRELESS, Settings, merged, patience, promised, undisturbed, wait_until
from other_version import other_version
from ray_cluster import RayCluster, why_no_ray
from running_cluster import running

import netagents
from netagents.errors import EngineError
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with running(lambda: RayCluster(Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))), why_no_ray()) as cluster:
        yield cluster


@pytest.fixture
def on_cluster(cluster: RayCluster, leaks: LeakWatch, monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:  # noqa: ARG001
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    wait_until(lambda: not cluster.left(), f"an end of {cluster.left()}", 5.0)


def on_ray(cluster: RayCluster, settings: Settings, **more: object) -> Settings:
    runtime = {"launcher": "ray", "ray": {"address": cluster.address, **more}}
    return merged(settings, {"runtime": runtime, "timeouts": {"scale": patience(1.0)}})


@pytest.mark.parametrize("settings", [LINE, WIRELESS], ids=["line_msg", "wireless"])
def test_a_cluster_leaves_the_same_bits_as_one_process(on_cluster: RayCluster, settings: Settings, tmp_path: Path) -> None:
    run = netagents.run(on_ray(on_cluster, settings), directory=tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(run, undisturbed(settings, tmp_path / "alone")) == []
    assert {path.stem for path in (tmp_path / "run" / "logs").iterdir()} == {
        "environment",
        "monitor",
        *(f"agent_{i}" for i in range(run.n)),
    }


def test_bad_input_is_one_line_with_the_words_of_ray(on_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(settings: Settings) -> str:
        with pytest.raises(EngineError) as error:
            netagents.run(settings, directory=tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return str(error.value)

    assert "6 agents, and 2 slots (" in fails(on_ray(on_cluster, LINE, processors=8.0))
    assert "6 agents, and 0 slots (" in fails(on_ray(on_cluster, LINE, resources={"chip": 1.0}))
    assert "launcher ray: nobody answers at 127.0.0.1:1: Connection refused" in fails(on_ray(on_cluster, LINE, address="127.0.0.1:1"))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    assert "launcher ray: " in fails(on_ray(on_cluster, LINE))


def test_hosts_that_do_not_fit_end_the_run_with_one_line(on_cluster: RayCluster, start: Starter, tmp_path: Path) -> None:
    def fails(path: Path, settings: Settings, **runtime: object) -> str:
        with pytest.raises(EngineError) as error:
            netagents.run(merged(settings, {"runtime": {**settings["runtime"], **runtime}}), directory=path)
        assert netagents.Run.open(path).state == "failed"
        assert error.value.exit_code == 14
        return str(error.value)

    plain = on_ray(on_cluster, LINE)
    line = fails(tmp_path / "other", plain, hosts={"python": str(other_version(tmp_path))})
    assert "has netagents 0.0.9, and the launcher" in line
    line = fails(tmp_path / "missing", plain, hosts={"python": "/nonexistent/python"})
    assert "No such file or directory: '/nonexistent/python'; install netagents[ray] on all hosts" in line
    # Others have taken 12 of the 16 processors.
    run = start(on_ray(on_cluster, merged(LINE, SLOW), processors=2.0))
    run.wait_for_rows(1, 60.0)
    line = fails(tmp_path / "taken", merged(on_ray(on_cluster, LINE), {"timeouts": {"join": 6.0}}))
    assert "for what others have taken: " in line
    run.process.terminate()
    assert run.ended(15.0).code == 143
    if (reason := why_not_hidden()) is not None:
        pytest.skip(reason)
    line = fails(on_cluster.hidden / "run", plain, hosts={"shared_files": True})
    assert f"does not see the run directory {on_cluster.hidden / 'run'}; name one of a file system that all hosts share" in line


def restarted(run: object) -> list[str]:
    folder: Path = run.path / "logs"  # type: ignore[attr-defined]
    return [path.stem for path in folder.glob("agent_*.jsonl") if path.read_text().count("started, process") > 1]


def test_a_killed_agent_and_a_killed_raylet_are_survived_where_agents_restart(
    on_cluster: RayCluster, start: Starter, tmp_path: Path
) -> None:
    settings = merged(LINE, {"failures": {"agent": "restart"}, "checkpoints": {"every": 1}, "learning": {"iterations": 60}})
    run = start(on_ray(on_cluster, settings))
    run.wait_for_rows(2, 60.0)
    os.kill(run.newest_pid("agent_1"), signal.SIGKILL)
    run.wait_for_rows(4, 60.0)
    on_cluster.kill_raylet()
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    assert same_bits(run.records, undisturbed(settings, tmp_path / "alone")) == []
    assert len(restarted(run)) in (3, 4), restarted(run)
    on_cluster.await_end_of_node()
    run.assert_nothing_left()
    on_cluster.add_node()


def test_a_killed_agent_raylet_or_launcher_ends_a_run_that_is_to_end_with_it(on_cluster: RayCluster, start: Starter) -> None:
    settings = on_ray(on_cluster, merged(LINE, SLOW))
    run = start(settings)
    run.wait_for_rows(1, 60.0)
    os.kill(run.newest_pid("agent_1"), signal.SIGKILL)
    ended = run.ended(15.0)
    assert ended.code == 10, ended.err
    assert "agent_1: killed by SIGKILL" in ended.last_line
    run.assert_nothing_left()
    killed = start(settings)
    killed.wait_for_rows(1, 60.0)
    killed.kill()
    wait_until(lambda: not (killed.leaks.processes() or killed.leaks.files()), "the end of a run without its launcher", 8.0)
    run = start(settings)
    run.wait_for_rows(1, 60.0)
    on_cluster.kill_raylet()
    ended = run.ended(promised(15.0, settings))
    assert ended.code == 10, ended.err
    assert " is lost: " in ended.last_line
    on_cluster.await_end_of_node()
    run.assert_nothing_left()

"""Hosts: files of hosts, placement, what runners are asked, and launchers of users; settings ask capabilities, not names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from experiments import line_msg

import netagents
from netagents.errors import EngineError, ExperimentError, SecurityError, UsageError
from netagents.experiment import load_experiment
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.experiment.named_code import named_code
from netagents.launchers.hosts.agent_placement import place_agents
from netagents.launchers.hosts.host_channel import runner_command
from netagents.launchers.launch import launch
from netagents.launchers.launcher import LAUNCHERS, make_launcher
from netagents.launchers.resumed_run import resume
from netagents.launchers.slurm.slurm_launcher import job_script
from netagents.launchers.ssh.hosts_file import ListedHost, read_hosts
from netagents.learning.pair_traffic import pair_payload
from netagents.learning.prepared_experiment import prepare
from netagents.records.run_directory import RunDirectory
from netagents.studies.placement_cost import predict_hosts

GRID = {"environment": {"kind": "wireless_spdac"}, "topology": {"kind": "king_grid", "rows": 4, "columns": 4}, "kappa": 1}


@pytest.mark.parametrize("routing", ["direct", "relay"])
def test_predicted_bytes_between_two_hosts_are_those_of_the_ledger(routing: str, tmp_path: Path) -> None:
    settings = line_msg(8, kappa=2, routing=routing, iterations=2, batch=4, horizon=5, launcher="in_process")
    prepared = prepare(load_experiment(settings).experiment)
    placement = place_agents(prepared.setup, [4, 4])
    assert [len(agents) for agents in placement.agents] == [4, 4]
    if routing == "direct":
        run = netagents.run(settings, directory=tmp_path / "run")
        crossed = sum(
            traffic.bytes
            for (sender, receiver), traffic in run.ledger.by_link().items()
            if min(sender, receiver) >= 0 and placement.host_of(sender) != placement.host_of(receiver)
        )
        assert crossed == 2 * placement.crossing
        # The same placement with the other routing is what a plan says of it.
        relayed = pair_payload(prepared.setup, "relay")
        assert predict_hosts(prepared.setup, 2).other_routing == relayed[3, 4]
        return
    # Only the link between the two middle agents joins the halves of a line.
    pairs = pair_payload(prepared.setup)
    assert set(pairs) == {(i, i + 1) for i in range(7)}
    assert placement.crossing == pairs[3, 4]
    direct = pair_payload(prepared.setup, "direct")
    assert predict_hosts(prepared.setup, 2).other_routing == sum(size for (i, j), size in direct.items() if i < 4 <= j)


def test_hosts_of_a_grid_exchange_far_less_than_random_ones() -> None:
    settings = {**GRID, "topology": {"kind": "king_grid", "rows": 10, "columns": 10}}
    setup = prepare(load_experiment(settings).experiment).setup
    pairs, draws = pair_payload(setup), np.random.default_rng(1)

    def crossing(order: list[int]) -> int:
        half = set(order[:50])
        return sum(size for (i, j), size in pairs.items() if (i in half) != (j in half))

    random = [crossing(draws.permutation(100).tolist()) for _ in range(50)]
    assert place_agents(setup, [50, 50], pairs).crossing < 0.7 * min(random)


def test_a_file_of_hosts(tmp_path: Path) -> None:
    file = tmp_path / "hosts.txt"
    file.write_text("# ours\nnode1 8\nme@node2 4 port=2222 address=192.0.2.7  # the other\n\n")
    assert read_hosts(file) == [ListedHost("node1", 8), ListedHost("me@node2", 4, 2222, "192.0.2.7")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no host"),
        ("node1\n", "hosts.txt:1: no number of agents for node1"),
        ("node1 0\n", "no number of agents"),
        ("node1 8\nnode1 8\n", "node1 stands there twice"),
        ("-oProxyCommand=sh 8\n", "is not the name of a host"),
        ("node1 8 speed=9\n", "'speed=9' is not understood"),
        ("node1 8 address=node1.example\n", "is not understood"),
    ],
)
def test_lines_that_are_no_hosts_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.txt").write_text(text)
    with pytest.raises(EngineError, match=message):
        read_hosts(tmp_path / "hosts.txt")
    with pytest.raises(EngineError, match="cannot be read"):
        read_hosts(tmp_path / "none.txt")


def test_every_launcher_states_what_it_can_and_is_found() -> None:
    assert CAPABILITIES.keys() == LAUNCHERS.keys()
    for name in LAUNCHERS:
        launcher = make_launcher(load_experiment(line_msg(3, launcher=name)).experiment)
        assert launcher.capabilities == CAPABILITIES[name]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (line_msg(3, launcher="clock"), "no launcher is called 'clock'; choose one of compose, in_process, local, ray, slurm, ssh"),
        (line_msg(3, launcher="in_process", clock={"kind": "bounded_staleness", "steps": 1}), "needs processes, which launcher in_process"),
        (line_msg(3, runtime={"launcher": "ssh", "record_inbox": "all"}), "runtime.record_inbox needs runtime.launcher local, not ssh"),
        (
            line_msg(3, launcher="ssh", agents=[{"agents": [0], "role": "frozen", "policy": {"run": "runs/x"}}]),
            "which other hosts do not see",
        ),
    ],
)
def test_settings_that_a_launcher_cannot_carry_out_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        load_experiment(settings)


PAGE = Path(__file__).parents[2] / "docs" / "hosts.md"
(OWN,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
"""The launcher that the page shows."""
OWN += """

class Silent(TwoShells):
    capabilities = None
"""


def test_a_launcher_of_a_user_places_agents_by_saying_how_a_host_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_launchers.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # That of a login before, which is not the way to these hosts.
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.77 1000 192.0.2.78 22")
    settings = line_msg(4, iterations=1, batch=2, horizon=3, launcher="import:my_launchers:TwoShells")
    run = netagents.run(settings, directory=tmp_path / "run")
    assert run.state == "finished"
    alone = netagents.run({**settings, "runtime": {"launcher": "in_process"}}, directory=tmp_path / "alone")
    assert (run.returns == alone.returns).all()
    assert [code.key for code in named_code(run.experiment)] == ["runtime.launcher"]
    with pytest.raises(SecurityError, match=r"runtime\.launcher is import:my_launchers:TwoShells"):
        resume(tmp_path / "run", "learning.iterations=2")
    with pytest.raises(ExperimentError, match="Silent states no capabilities"):
        netagents.run({**settings, "runtime": {"launcher": "import:my_launchers:Silent"}}, directory=tmp_path / "silent")
    with pytest.raises(UsageError, match="ends with its command"):
        launch(load_experiment(settings), path=tmp_path / "detached", detached=True)


def test_a_runner_that_does_not_see_the_run_directory_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="runner-", dir="/tmp"))
    prepared = prepare(load_experiment(line_msg(2, iterations=1)).experiment)
    directory = RunDirectory.create(tmp_path, "mine", prepared.setup, path=tmp_path / "run")
    directory.lock.release()
    prepared.environment.close()
    settings = {"networks": False, "nodes": 1, "paths": [], "scale": 1.0, "run": directory.run_id.hex()}
    for logs in (tmp_path / "elsewhere" / "logs", tmp_path / "logs"):
        line = json.dumps({**settings, "logs": str(logs)}) + "\n"
        result = subprocess.run(
            runner_command(), input=line, capture_output=True, text=True, timeout=100, env=os.environ | {"TMPDIR": str(temporary)}
        )
        assert result.returncode == 6, result.stderr
        fault = json.loads(result.stdout.splitlines()[-1])["fault"]
        assert f"does not see the run directory {logs.parent}" in fault
    temporary.rmdir()  # raises if anything is left in it


def test_the_script_of_a_job_says_what_it_takes() -> None:
    slurm = {"partition": "main", "nodes": 3, "account": "us", "time": "1:00:00", "options": ["--qos=long"]}
    prepared = prepare(load_experiment(line_msg(10, runtime={"launcher": "slurm", "slurm": slurm})).experiment)
    lines = job_script(prepared, "/shared/job.out", "true").splitlines()
    assert lines[0] == "#!/bin/bash"
    options = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")}
    assert {"--partition=main", "--nodes=3", "--account=us", "--time=1:00:00", "--qos=long", "--requeue", "--no-kill"} <= options
    assert {"--ntasks-per-node=6", f"--mem={1024 + 5 * 256}M"} <= options
    for bad in ({"options": ["rm -rf"]}, {"partition": "a;b"}, {"time": "soon"}):
        with pytest.raises(ExperimentError):
            load_experiment(line_msg(3, runtime={"launcher": "slurm", "slurm": bad}))

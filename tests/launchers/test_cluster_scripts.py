"""Scripts for clusters: what they allow is what the graph says, what they name exists, and what cannot be is one line."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from netagents.cli.main import app
from netagents.errors import EngineError, UsageError
from netagents.experiment import load_experiment
from netagents.launchers.scripts.kubernetes_manifests import RUN_LABEL, manifests, manifests_text, write_manifests
from netagents.launchers.scripts.slurm_script import slurm_script, write_script
from netagents.learning.prepared_experiment import prepare
from netagents.messages import ENVIRONMENT
from netagents.wire.security.key_bundles import load_bundle

FILE = "launch/line_msg.yaml"


def written(*words: str, **options: Any) -> list[dict[str, Any]]:
    loaded = load_experiment(FILE, words)
    return list(yaml.safe_load_all(manifests_text(loaded, prepare(loaded.experiment, loaded.base), **options)))


def script(*words: str, **options: Any) -> str:
    loaded = load_experiment(FILE, words)
    return slurm_script(loaded, prepare(loaded.experiment, loaded.base), FILE, words, **options)


def allowed(objects: list[dict[str, Any]], direction: str) -> set[tuple[str, str]]:
    """Pairs (role, other) that the policies let through, by a reading of the policies of its own."""
    run = objects[0]["metadata"]["labels"][RUN_LABEL]
    pairs = set()
    for policy in (each for each in objects if each["kind"] == "NetworkPolicy"):
        spec = policy["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        role = spec["podSelector"]["matchLabels"]["netagents/role"]
        rule = spec[direction][0]
        assert rule["ports"] == [{"protocol": "TCP", "port": 5701}]
        (peer,) = rule["from" if direction == "ingress" else "to"]
        assert set(peer) == {"podSelector"}  # no namespace, no block of addresses
        assert peer["podSelector"]["matchLabels"] == {RUN_LABEL: run}
        (choice,) = peer["podSelector"]["matchExpressions"]
        assert (choice["key"], choice["operator"]) == ("netagents/role", "In")
        pairs |= {(role, other) for other in choice["values"]}
        rest = spec[direction][1:]
        # Names are looked up by those who join, and nothing else leads out of the run.
        assert len(rest) == (direction == "egress" and role != "environment")
        assert all({port["port"] for port in other["ports"]} == {53} for other in rest)
    return pairs


def both_ways(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return pairs | {(b, a) for a, b in pairs}


@pytest.mark.parametrize(
    ("words", "distance"),
    [
        (["topology.n=6", "kappa=1"], 1),
        (["topology.n=6", "kappa=2"], 2),
        (["topology.n=6", "kappa=0", "kappa_policy=0"], 0),
        # Relay routing has links along edges only, however large the radius is.
        (["topology.n=6", "kappa=3", "routing=relay"], 1),
    ],
)
def test_the_policies_allow_the_links_of_the_graph_and_no_others(words: list[str], distance: int) -> None:
    objects = written(*words)
    near = {(f"agent-{i}", f"agent-{j}") for i, j in itertools.permutations(range(6), 2) if abs(i - j) <= distance}
    server = {("environment", other) for other in ("monitor", *(f"agent-{i}" for i in range(6)))}
    expected = near | both_ways(server)
    assert allowed(objects, "ingress") == allowed(objects, "egress") == expected


def test_each_role_has_a_job_that_ends_and_a_secret_of_its_own() -> None:
    objects = written("topology.n=3", "failures.agent=restart", "failures.restarts=2", namespace="team-a", image="registry/own:1")
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    assert {each["metadata"]["namespace"] for each in objects} == {"team-a"}
    run = objects[0]["metadata"]["labels"][RUN_LABEL]
    jobs = {each["spec"]["template"]["metadata"]["labels"]["netagents/role"]: each for each in objects if each["kind"] == "Job"}
    assert set(jobs) == {"environment", "monitor", "agent-0", "agent-1", "agent-2"}
    for role, job in jobs.items():
        pod = job["spec"]["template"]["spec"]
        assert job["spec"]["backoffLimit"] == (2 if role.startswith("agent-") else 0)
        assert (pod["restartPolicy"], pod["hostname"], pod["subdomain"]) == ("Never", role, run)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert [v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v] == [f"{run}-keys-{role}"]
        assert {v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v} == (
            {f"{run}-runs"} if role == "environment" else set()
        )
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["image"] == "registry/own:1"
            rights = container["securityContext"]
            assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}
            assert all(mount["readOnly"] for mount in container["volumeMounts"] if mount["name"] in ("secret", "experiment"))
        (node,) = pod["containers"]
        assert node["args"][:2] == ["node", role]
        assert ("--replace" in node["args"]) == role.startswith("agent-")
        if role != "environment":
            assert f"tcp://environment.{run}:5701" in node["args"]
    (service,) = [each for each in objects if each["kind"] == "Service"]
    assert (service["spec"]["clusterIP"], service["metadata"]["name"]) == ("None", run)


def test_the_experiment_inside_is_the_same_and_each_file_is_another_run() -> None:
    words = ("topology.n=3", "runtime.monitor=false")
    first, second = written(*words), written(*words)
    inside = load_experiment(yaml.safe_load(first[0]["data"]["experiment.yaml"])).experiment
    assert inside == load_experiment(FILE, words).experiment
    assert {each["metadata"]["name"] for each in first}.isdisjoint(each["metadata"]["name"] for each in second)
    assert not any("monitor" in each["metadata"]["name"] for each in first)


def test_a_node_takes_the_keys_that_its_pod_copies_from_its_secret(tmp_path: Path) -> None:
    objects = written("topology.n=3", "kappa=1")
    secrets = {each["metadata"]["labels"]["netagents/role"]: each for each in objects if each["kind"] == "Secret"}
    jobs = {each["metadata"]["labels"]["netagents/role"]: each for each in objects if each["kind"] == "Job"}
    for role, index, peers in (
        ("environment", ENVIRONMENT, {"monitor", "agent-0", "agent-1", "agent-2"}),
        ("agent-0", 0, {"environment", "agent-1"}),
    ):
        secret, keys = tmp_path / role / "secret", tmp_path / role / "keys"
        secret.mkdir(parents=True)
        keys.mkdir(mode=0o777)
        for name, text in secrets[role]["stringData"].items():
            (secret / name).write_text(text)
            (secret / name).chmod(0o440)
        (copy,) = jobs[role]["spec"]["template"]["spec"]["initContainers"]
        shell, option, command = copy["command"]
        command = command.replace("/secret/", f"{secret}/").replace("/keys/", f"{keys}/")
        subprocess.run([shell, option, command], check=True, timeout=30)
        assert set(load_bundle(keys, index).peers) == peers


@pytest.mark.parametrize("words", [(), ("routing=relay", "failures.agent=restart"), ("runtime.monitor=false",)])
def test_kubernetes_knows_every_field(words: tuple[str, ...]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate, of the extra dev, is not installed")
    loaded = load_experiment(FILE, ["topology.n=3", *words])
    objects = manifests(loaded, prepare(loaded.experiment, loaded.base), namespace="team-a")
    for each in objects:
        validator.validate(each, "1.31", strict=True)
    with pytest.raises(validator.ValidationError):
        validator.validate(objects[2] | {"specs": {}}, "1.31", strict=True)


def test_the_manifests_are_readable_by_their_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    write_manifests("a", path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="there already"):
        write_manifests("b", path)
    assert path.read_text() == "a"


def test_the_batch_script_has_one_step_per_role_over_all_hosts(tmp_path: Path) -> None:
    """The script runs for real under bash; in place of Slurm's commands stand ones that write down what they are asked for."""
    tools, folder = tmp_path / "tools", tmp_path / "shared"
    tools.mkdir()
    text = script("topology.n=4", "failures.agent=restart", partition="main", hosts=2, folder=folder)
    options = re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)
    assert {"--partition=main", "--nodes=2", "--ntasks-per-node=3", "--mem=1536M", "--no-requeue"} <= set(options)
    assert "kill-on-bad-exit" not in text
    steps = tmp_path / "steps"
    steps.mkdir()
    stubs = {
        "scontrol": 'if [ "$2" = hostnames ]; then printf "n1\\nn2\\n"; else echo "   NodeAddr=10.0.0.${3#n} Port=1"; fi',
        # The server of this stand-in ends with 11, which the job must end with.
        "srun": f'for word; do case $word in --job-name=*) printf "%s\\n" "$@" >{steps}/${{word#*=}};; esac; done\n'
        'case " $*" in *--job-name=environment*) sleep 0.5; exit 11;; *" test -r "*) exec test -r "${@: -1}";; esac',
        "netagents": 'mkdir -m 0700 -p "${@: -1}/environment" && touch "${@: -1}/environment/public.json"',
    }
    for name, body in stubs.items():
        (tools / name).write_text(f"#!/bin/bash\n{body}\n")
        (tools / name).chmod(0o755)
    path = write_script(text, folder)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]"}
    result = subprocess.run(["bash", path], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 11, result.stderr
    assert result.stderr == ""
    job = folder / "line_msg-7"
    assert (job.stat().st_mode & 0o777, sorted(each.name for each in job.iterdir())) == (0o700, ["logs"])
    calls = {each.name: each.read_text().splitlines() for each in steps.iterdir()}
    roles = ["environment", "monitor", "agent-0", "agent-1", "agent-2", "agent-3"]
    assert set(calls) == set(roles)
    for place, role in enumerate(roles):
        words, host = calls[role], place % 2 + 1
        assert words[:5] == ["--exact", "-n1", "-N1", "-w", f"n{host}"]
        assert words[words.index("--advertise") + 1] == f"10.0.0.{host}"
        assert words[words.index("--keys") + 1] == str(job / "keys" / role)
        assert f"--mem={1024 if role == 'environment' else 256}M" in words
        assert ("--replace" in words) == role.startswith("agent-")
        if role == "environment":
            assert words[words.index("--announce") + 1] == str(job / "address")
            assert "topology.n=4" in words
        else:
            assert words[words.index("--join") + 1] == f"file://{job / 'address'}"
    (job / "logs").rmdir()
    (tools / "srun").write_text("#!/bin/bash\nexit 1\n")
    result = subprocess.run(["bash", path], env={**environment, "SLURM_JOB_ID": "8"}, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr == f"netagents: n1 does not see {folder}/line_msg-8; name a folder of a shared file system with --out\n"


def test_settings_stand_in_the_batch_script_as_they_were_written() -> None:
    word = "environment={kind: line_msg, coupling: 0.5}"
    text = script("topology.n=3", word)
    (line,) = re.findall(r"^settings=\((.*)\)$", text, re.MULTILINE)
    assert shlex.split(line) == ["topology.n=3", word]
    assert f"experiment={Path(FILE).resolve()}\n" in text
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"partition": "main\n#SBATCH --uid=0"}, "is not the name of a partition"),
        ({"hosts": 9}, "--nodes: 9 nodes for 5 roles; ask for at most 5"),
        ({"folder": Path("/a b")}, "cannot stand in a batch script"),
    ],
)
def test_a_batch_script_that_cannot_be_is_one_line(options: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=re.escape(line)) as caught:
        script("topology.n=3", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "options", "line"),
    [
        ([], {"namespace": "Team A"}, "'Team A' is not the name of a namespace"),
        ([], {"image": "No Image"}, "'No Image' is not the name of an image"),
        (["agents=[{agents: [1], role: frozen, policy: {run: runs/x}}]"], {}, "which containers do not see"),
        (["runtime.tensorboard=here"], {}, "runtime.tensorboard: the monitor's container has no folder 'here'"),
    ],
)
def test_manifests_that_cannot_be_are_one_line(words: list[str], options: dict[str, Any], line: str) -> None:
    with pytest.raises((UsageError, EngineError), match=re.escape(line)) as caught:
        written(*words, **options)
    assert "\n" not in str(caught.value)


def test_the_command_prints_writes_and_refuses(tmp_path: Path) -> None:
    runner = CliRunner()
    printed = runner.invoke(app, ["script", "slurm", FILE, "topology.n=3"])
    assert printed.exit_code == 0
    assert printed.output.startswith("#!/bin/bash\n")
    folder = tmp_path / "job"
    assert runner.invoke(app, ["script", "slurm", FILE, "--out", str(folder)]).output == f"sbatch {folder / 'job.sbatch'}\n"
    again = runner.invoke(app, ["script", "slurm", FILE, "--out", str(folder)])
    assert isinstance(again.exception, UsageError)
    out = tmp_path / "run.yaml"
    assert runner.invoke(app, ["script", "kubernetes", FILE, "topology.n=3", "--out", str(out)]).output == f"kubectl apply -f {out}\n"
    assert len(list(yaml.safe_load_all(out.read_text()))) == 3 + 3 * 5

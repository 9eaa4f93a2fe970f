"""The commands of the Kubernetes manifests, run as processes: first each pod's copy of its keys, then all nodes together.

Pods are replaced by loopback addresses, one for each pod, because all of them listen on one port.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import netagents
from netagents.experiment import load_experiment
from netagents.launchers.scripts.kubernetes_manifests import RUN_LABEL, manifests
from netagents.learning.prepared_experiment import prepare

WORDS = ("topology.n=3", "learning.iterations=2", "learning.batch=8")


@pytest.mark.system
@pytest.mark.parametrize("routing", ["direct", "relay"])
def test_the_nodes_of_the_manifests_train_as_in_one_process(routing: str, tmp_path: Path) -> None:
    words = (*WORDS, f"routing={routing}")
    loaded = load_experiment("launch/line_msg.yaml", words)
    objects = manifests(loaded, prepare(loaded.experiment, loaded.base))
    run = objects[0]["metadata"]["labels"][RUN_LABEL]
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "experiment.yaml").write_text(objects[0]["data"]["experiment.yaml"])
    (tmp_path / "runs").mkdir()
    secrets = {each["metadata"]["name"]: each["stringData"] for each in objects if each["kind"] == "Secret"}
    pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Job"]
    assert len(pods) == 5
    # Its own for every process that tests: the port is always the same.
    network = f"127.{1 + os.getpid() % 250}.{1 if routing == 'direct' else 2}"
    nodes: dict[str, subprocess.Popen[str]] = {}
    try:
        for place, pod in enumerate(pods):
            role, own = pod["hostname"], tmp_path / pod["hostname"]
            mounted = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
            (own / "keys").mkdir(parents=True)
            (own / "secret").mkdir()
            for name, text in secrets[mounted["secret"]].items():
                (own / "secret" / name).write_text(text)
            paths = {"/secret": own / "secret", "/keys": own / "keys", "/experiment/": tmp_path / "experiment", "/runs/": tmp_path / "runs"}

            def here(word: str, paths: dict[str, Path] = paths, place: int = place) -> str:
                for inside, outside in paths.items():
                    if word.startswith(inside):
                        return f"{outside}/{word.removeprefix(inside)}".rstrip("/")
                return word.replace("0.0.0.0", f"{network}.{place + 1}").replace(f"environment.{run}", f"{network}.1")

            (copy,) = pod["initContainers"]
            *shell, line = copy["command"]
            subprocess.run([*shell, line.replace("/secret/", f"{own}/secret/").replace("/keys/", f"{own}/keys/")], check=True, timeout=30)
            (container,) = pod["containers"]
            command = [str(Path(sys.executable).with_name("netagents")), *map(here, container["args"])]
            nodes[role] = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        codes = {}
        for role, node in nodes.items():
            _, error = node.communicate(timeout=60)
            codes[role] = node.returncode
            assert node.returncode == 0, f"{role}: {error}"
    finally:
        for node in nodes.values():
            if node.poll() is None:
                node.kill()
                node.communicate()
    assert set(codes) == {"environment", "monitor", "agent-0", "agent-1", "agent-2"}
    assert (tmp_path / "runs" / run / "report.html").is_file()
    netagents.run("launch/line_msg.yaml", *words, "runtime.launcher=in_process", directory=tmp_path / "alone")

    def rows(path: Path) -> list[dict[str, object]]:
        lines = (path / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k not in ("seconds", "timing")} for line in lines]

    assert len(rows(tmp_path / "alone")) == 2
    assert rows(tmp_path / "runs" / run) == rows(tmp_path / "alone")

"""The Compose file: the committed one is what the command writes, and no container gets more than its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import netagents
from netagents.cli.compose import app
from netagents.errors import EngineError
from netagents.experiment import load_experiment
from netagents.launchers.compose.compose_file import HostPaths, launched_file, standalone_file
from netagents.launchers.compose.container_engine import explain, find_engine
from netagents.launchers.compose.container_image import source_digest
from netagents.launchers.compose.container_networks import MOST_NETWORKS
from netagents.launchers.compose.container_supervisor import _exit_code
from netagents.launchers.node_commands import IMAGE_USER, default_image
from netagents.learning.prepared_experiment import prepare

TOP = Path(netagents.__file__).parent.parent


def standalone(*words: str, source: Any = "launch/line_msg.yaml") -> tuple[str, dict[str, Any]]:
    loaded = load_experiment(source, words)
    text = standalone_file(loaded, prepare(loaded.experiment, loaded.base))
    return text, yaml.safe_load(text)


def test_the_committed_file_is_what_the_command_writes() -> None:
    written = CliRunner().invoke(app, ["launch/quickstart.yaml"])
    assert written.exit_code == 0
    assert (TOP / "docker-compose.yml").read_text() == written.output
    services = yaml.safe_load(written.output)["services"]
    assert {"environment", "monitor", "keys", "report"} | {f"agent-{i}" for i in range(10)} == set(services)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("launch/line_msg.yaml", ["kappa_gradient=[1,2,1,0,3,1,1,1,1,1]", "failures.agent=restart"]),
        ("launch/heterogeneous.yaml", []),
        ("launch/epidemic_abilene.yaml", []),
        ("launch/line_msg_constrained.yaml", ["runtime.monitor=false"]),
        ("launch/line_msg.yaml", ["topology={kind: erdos_renyi, n: 12, p: 0.4}", "environment={kind: sis}", "kappa_policy=1"]),
    ],
)
def test_the_experiment_inside_is_the_same_experiment(source: str, words: list[str]) -> None:
    loaded = load_experiment(source, words)
    prepared = prepare(loaded.experiment, loaded.base)
    services = yaml.safe_load(standalone_file(loaded, prepared))["services"]
    inside = services["environment"]["environment"]["NETAGENTS_EXPERIMENT"]
    assert services["keys"]["environment"]["NETAGENTS_EXPERIMENT"] == inside
    again = load_experiment(yaml.safe_load(inside.replace("$$", "$"))).experiment
    rebuilt = prepare(again)
    assert rebuilt.topology.digest == prepared.topology.digest
    same = {"topology": None, "runtime": None}
    assert again.model_copy(update=same) == loaded.experiment.model_copy(update=same)
    assert again.runtime.monitor == loaded.experiment.runtime.monitor


def test_each_container_gets_its_own_secret_and_no_privilege() -> None:
    _, file = standalone("failures.agent=restart")
    services = file["services"]
    for name, service in services.items():
        assert (service["init"], service["read_only"], service["cap_drop"]) == (True, True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "cpus", "pids_limit", "stop_grace_period"} <= set(service)
        keys = [volume for volume in service["volumes"] if volume.startswith("keys-")]
        if name in ("keys", "report"):
            continue
        assert [volume.split(":")[0] for volume in keys] == [f"keys-{name}"]
        assert service["depends_on"] == {"keys": {"condition": "service_completed_successfully"}}
        assert service["restart"] == ("on-failure:3" if name.startswith("agent-") else "no")
    assert services["keys"]["network_mode"] == "none"
    # Agents and monitor are never root; the server is for as long as it takes to become the owner of the records.
    assert {name for name, service in services.items() if service.get("user") == "0:0"} == {"keys", "environment", "report"}
    assert {name for name, service in services.items() if "cap_add" in service} == {"keys", "environment", "report"}
    assert f"USER {IMAGE_USER}:{IMAGE_USER}" in (TOP / "launch" / "Dockerfile").read_text()


def test_nothing_but_the_report_is_published_and_that_on_loopback() -> None:
    for words in ([], ["routing=relay"]):
        _, file = standalone(*words)
        published = {name: service["ports"] for name, service in file["services"].items() if "ports" in service}
        assert published == {"report": ["127.0.0.1:8701:8701"]}
        open_networks = {name for name, settings in file["networks"].items() if not settings.get("internal")}
        assert open_networks == {"report"}
        assert {name for name, service in file["services"].items() if "report" in service.get("networks", ())} == {"report"}


def test_relay_routing_has_one_network_per_edge_and_link_until_there_are_too_many() -> None:
    _, file = standalone("topology.n=4", "routing=relay")
    services = file["services"]
    assert services["agent-1"]["networks"] == ["edge-0-1", "edge-1-2", "link-agent-1"]
    assert services["monitor"]["networks"] == ["link-monitor"]
    assert services["environment"]["networks"] == ["link-monitor", *(f"link-agent-{i}" for i in range(4))]
    for name in file["networks"]:
        assert len([service for service in services.values() if name in service.get("networks", ())]) == (1 if name == "report" else 2)
    text, file = standalone("topology.n=15", "routing=relay")
    assert set(file["networks"]) == {"run", "report"}
    assert f"would be 30, more than {MOST_NETWORKS}" in text


def test_a_launched_run_mounts_one_folder_of_keys_and_one_log_each(tmp_path: Path) -> None:
    loaded = load_experiment("launch/line_msg.yaml", ["topology.n=3"])
    folder = tmp_path / "a$b"
    places = HostPaths("1000:1001", folder / "run", folder / "keys", folder / "window", folder / "lines")
    file = yaml.safe_load(launched_file(prepare(loaded.experiment, loaded.base), places))
    path_in_file = str(folder).replace("$", "$$")
    for name, service in file["services"].items():
        sources = [volume["source"] for volume in service["volumes"]]
        own = [f"{path_in_file}/keys/{name}", f"{path_in_file}/run/logs/{name.replace('-', '_')}.jsonl"]
        more = {"environment": [f"{path_in_file}/run", f"{path_in_file}/lines"], "monitor": [f"{path_in_file}/window"]}.get(name, [])
        assert sources == own + more
        assert (service["user"], service["image"], service["restart"]) == ("1000:1001", default_image(), "no")
        assert "ports" not in service
        assert "cap_add" not in service


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runtime.tensorboard=here"], "runtime.tensorboard: the monitor's container has no folder 'here' to write to"),
        (["policy={kind: 'import:my.own:Policy'}"], "the experiment names code of your own (import:my.own:Policy), which"),
    ],
)
def test_an_experiment_that_does_not_fit_containers_is_one_line(words: list[str], message: str) -> None:
    from netagents.launchers.node_commands import check_fits_containers

    experiment = load_experiment("launch/line_msg.yaml", words).experiment
    with pytest.raises(EngineError, match=re.escape(message)) as caught:
        check_fits_containers(experiment)
    assert "\n" not in str(caught.value)
    if "policy" in words[0]:
        own = load_experiment("launch/line_msg.yaml", [*words, "runtime.containers.image=mine:1"]).experiment
        check_fits_containers(own)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("Got permission denied while trying to connect to the Docker daemon socket", "this user may not use the container engine"),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "no container engine runs"),
        ("Bind for 127.0.0.1:8701 failed: port is already allocated", "a port is taken"),
        ("could not find an available, non-overlapping IPv4 address pool among the defaults", "the engine has no addresses left"),
        ("network with name x_run already exists", "a network of this name is there already"),
        ("first\nsomething else went wrong\n", "something else went wrong"),
        ("", "it failed without output"),
    ],
)
def test_what_an_engine_says_becomes_one_line(message: str, line: str) -> None:
    error = explain(message)
    assert error.exit_code == 14
    assert line in str(error)
    assert "\n" not in str(error)


def test_without_an_engine_that_is_said() -> None:
    with pytest.raises(EngineError, match="no command 'docker' is installed"):
        find_engine(lambda _: None)


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (10, 10), (137, -9), (139, -11), (143, 143), (1, 1), (255, 255)])
def test_exit_codes_of_containers_mean_what_those_of_processes_mean(code: int, expected: int) -> None:
    assert _exit_code(code) == expected


def test_the_digest_of_the_source_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "b.py").write_text("y")
    first = source_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("z")
    assert source_digest(tmp_path) == first
    (tmp_path / "b.py").write_text("z")
    assert source_digest(tmp_path) != first
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    (tmp_path / "c.py").write_text("y")
    assert source_digest(tmp_path) != first


def test_the_lock_of_the_image_is_part_of_the_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+.*?(?= \\)", (TOP / "requirements" / name).read_text(), re.MULTILINE))

    runtime, everything = pins("runtime.txt"), pins("lock.txt")
    assert runtime < everything
    assert any(pin.startswith("pyzmq==") for pin in runtime)
    assert not any(pin.startswith(("pytest==", "mypy==", "torch==")) for pin in runtime)

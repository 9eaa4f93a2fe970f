"""A bundle of keys: one folder per node with what that node needs and no more, which nobody else can read."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from experiments import line_msg

from netagents.cli.main import main
from netagents.errors import SecurityError, UsageError
from netagents.experiment import Experiment
from netagents.learning.prepared_experiment import prepare
from netagents.messages import ENVIRONMENT, MONITOR
from netagents.nodes.bootstrap.node_keys import known_users, link_settings, run_bundles
from netagents.wire.security.key_bundles import PUBLIC_FILE, SECRET_FILE, load_bundle, role_index, role_name, write_bundles

LINE = line_msg(6, kappa=2, iterations=1, batch=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundles(run_bundles(prepare(Experiment.model_validate(LINE)).setup).values(), tmp_path / "keys")
    return tmp_path / "keys"


def test_each_node_knows_the_server_and_the_agents_within_its_radius_and_nobody_else(folder: Path) -> None:
    everyone = {"environment", "monitor", *(f"agent-{i}" for i in range(6))}
    assert {entry.name for entry in folder.iterdir()} == everyone
    known = {role: set(load_bundle(folder / role, role_index(role)).peers) for role in everyone}
    assert known["environment"] == everyone - {"environment"}
    assert known["monitor"] == {"environment"}
    assert known["agent-0"] == {"environment", "agent-1", "agent-2"}
    assert known["agent-3"] == {"environment", "agent-1", "agent-2", "agent-4", "agent-5"}


def test_radii_that_differ_let_in_both_directions() -> None:
    # Agent 0 hears everyone, the others hear nobody: they must still be able to reach agent 0.
    uneven = {**LINE, "topology": {"kind": "line", "n": 3}, **{f"kappa_{kind}": [2, 0, 0] for kind in ("policy", "critic", "gradient")}}
    bundles = run_bundles(prepare(Experiment.model_validate(uneven)).setup)
    assert set(bundles[2].peers) == {"environment", "agent-0"}
    assert set(bundles[0].peers) == {"environment", "agent-1", "agent-2"}


def test_secrets_are_in_one_place_each_and_nobody_else_can_read_them(folder: Path) -> None:
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    for role in ("environment", "agent-2"):
        secret = (folder / role / SECRET_FILE).read_text().strip()
        assert [path for path, text in texts.items() if secret in text] == [folder / role / SECRET_FILE]
        assert secret not in repr(load_bundle(folder, role_index(role)))
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_every_bundle_is_fresh(folder: Path, tmp_path: Path) -> None:
    write_bundles(run_bundles(prepare(Experiment.model_validate(LINE)).setup).values(), tmp_path / "again")
    first, second = load_bundle(folder, 0), load_bundle(tmp_path / "again", 0)
    assert first.run != second.run
    assert first.public != second.public
    assert not set(first.peers.values()) & set(second.peers.values())


@pytest.mark.parametrize("name", ["", SECRET_FILE, PUBLIC_FILE])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o755])
def test_keys_that_others_can_read_are_refused(name: str, mode: int, folder: Path) -> None:
    path = folder / "agent-1" / name
    path.chmod(mode)
    with pytest.raises(SecurityError, match=r"others can read it \(mode 0\d+\); chmod -R go= on the folder") as caught:
        load_bundle(folder, 1)
    assert str(path.parent if not name else path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_of_another_role_are_refused_by_name(folder: Path) -> None:
    with pytest.raises(SecurityError, match="these are the keys of agent-1, not of agent-2; give agent-2 its own folder"):
        load_bundle(folder / "agent-1", 2)
    with pytest.raises(SecurityError, match="keys of environment, not of monitor"):
        load_bundle(folder / "environment", MONITOR)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"role": "agent-1", "run": "", "public": "short", "peers": {}}',
        '{"role": "../agent-1", "run": "", "public": "", "peers": {}}',
        "\xff",
    ],
)
def test_damaged_folders_are_one_line(damage: str, folder: Path) -> None:
    (folder / "agent-1" / PUBLIC_FILE).write_text(damage, encoding="latin-1")
    with pytest.raises(SecurityError) as caught:
        load_bundle(folder, 1)
    assert len(str(caught.value)) < 400


def test_a_secret_of_another_node_is_noticed(folder: Path) -> None:
    (folder / "agent-1" / SECRET_FILE).write_text((folder / "agent-2" / SECRET_FILE).read_text())
    with pytest.raises(SecurityError, match="secret and public key do not belong together"):
        load_bundle(folder, 1)


def test_missing_keys_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="make keys with `netagents keys FILE --out DIR`"):
        load_bundle(tmp_path / "nowhere", 0)


def test_keys_are_never_overwritten(folder: Path) -> None:
    before = load_bundle(folder, 0)
    with pytest.raises(UsageError, match="keys are never overwritten"):
        write_bundles(run_bundles(prepare(Experiment.model_validate(LINE)).setup).values(), folder)
    assert load_bundle(folder, 0) == before


def test_names_of_nodes_and_roles_are_one_to_one() -> None:
    for index in (ENVIRONMENT, MONITOR, 0, 7, 1000):
        assert role_index(role_name(index)) == index


def test_a_node_expects_each_peer_under_its_own_name(folder: Path) -> None:
    settings = link_settings({"keys": str(folder / "agent-0"), "advertise": "host"}, 0)
    assert known_users(settings) == {ENVIRONMENT: "environment", 1: "agent-1", 2: "agent-2"}
    assert settings.advertise == "host"
    assert known_users(link_settings({}, 0)) == {}


def test_the_command_makes_the_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "line.yaml").write_text(json.dumps(LINE))
    assert main(["keys", str(tmp_path / "line.yaml"), "topology.n=3", "--out", str(tmp_path / "k")]) == 0
    assert "keys of 5 nodes (environment, monitor, 3 agents)" in capsys.readouterr().out
    assert set(load_bundle(tmp_path / "k", ENVIRONMENT).peers) == {"monitor", "agent-0", "agent-1", "agent-2"}
    assert main(["keys", str(tmp_path / "line.yaml"), "--out", str(tmp_path / "k")]) == 2
    assert capsys.readouterr().err.count("\n") == 1

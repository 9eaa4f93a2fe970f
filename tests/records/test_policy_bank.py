"""Banks: they hold the policies of runs to the bit, describe themselves, and refuse in one line what does not fit or is damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.cli.main import main
from netagents.errors import NetagentsError
from netagents.experiment import Experiment
from netagents.launchers.launch import run
from netagents.learning.prepared_experiment import prepare
from netagents.records.bank_creation import make_bank
from netagents.records.frozen_policies import check_frozen_policies
from netagents.records.policy_bank import BANK, Bank
from netagents.records.run_reader import Run

LINE = line_msg(4, iterations=3, batch=4, horizon=8, kappa=1, checkpoints={"every": 1, "keep": 9})
NETWORKS = {**LINE, "policy": {"kind": "mlp", "hidden": [8]}, "learning": {**LINE["learning"], "algorithm": {"kind": "ppo"}}}


def made(folder: Path, settings: dict[str, Any] = LINE, **changes: Any) -> Run:
    runtime = {"launcher": "in_process", "directory": str(folder)}
    finished_run = run(Experiment.model_validate({**settings, **changes, "runtime": runtime}))
    return getattr(finished_run, "records", finished_run)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("runs")
    return made(folder), made(folder, seed=1)


def test_a_bank_holds_the_policies_of_its_runs_to_the_bit(learned: tuple[Run, Run], tmp_path: Path) -> None:
    bank = make_bank(tmp_path / "bank", [each.directory for each in learned], "all", untrained=True, faulty=[0, 1])
    assert [member.kind for member in bank.members] == ["untrained", "faulty", "faulty", *["trained"] * 6]
    assert [(member.seed, member.iteration) for member in bank.members[3:]] == [(s, i) for s in (0, 1) for i in (0, 1, 2)]
    for member in bank.members[3:]:
        source = learned[member.seed or 0]
        assert member.run == source.manifest["run"]
        for agent, arrays in Bank.open(tmp_path / "bank").arrays(member.name).items():
            parameters = source.parameters(agent, member.iteration)
            assert set(arrays) == {"policy.logits"}
            assert np.array_equal(arrays["policy.logits"], parameters["policy.logits"])
    assert not bank.arrays("untrained")[2]["policy.logits"].any()


@pytest.mark.parametrize("settings", [LINE, NETWORKS])
def test_faulty_policies_always_play_their_action(settings: dict[str, Any], tmp_path: Path) -> None:
    bank = make_bank(tmp_path / "bank", [made(tmp_path, settings).directory], faulty=[1])
    policy = bank.setup.policy(2)
    policy.load(bank.arrays("always-1", {2})[2][f"policy.{policy.component}"])
    noise = policy.noise(np.random.default_rng(0), 1, 500)[0]
    states = [np.random.default_rng(1).integers(0, 2, 500).astype(np.uint8) for _ in policy.window]
    assert (policy.act(policy.context(states), noise) == 1).mean() > 0.99


@pytest.mark.parametrize("settings", [LINE, NETWORKS])
def test_a_frozen_agent_plays_a_member_as_it_plays_the_run(settings: dict[str, Any], tmp_path: Path) -> None:
    learned = made(tmp_path, settings)
    bank = make_bank(tmp_path / "bank", [learned.directory], [1], untrained=True)
    (name,) = [member.name for member in bank.members if member.kind == "trained"]
    sources = {"run": str(learned.path), "checkpoint": 1}, {"bank": str(bank.path), "member": name}
    first, second = (
        made(tmp_path, settings, seed=3, agents=[{"agents": [0, 2], "role": "frozen", "policy": source}]) for source in sources
    )
    assert np.array_equal(first.returns, second.returns)
    for agent in range(4):
        left, right = first.parameters(agent), second.parameters(agent)
        assert all(np.array_equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize(
    ("changes", "policy", "words"),
    [
        ({}, {"member": "nobody"}, "no member is called 'nobody'"),
        ({}, {"agent": 9}, "has no agent 9"),
        ({"kappa_policy": 2}, {}, "here reads agents"),
        ({"policy": NETWORKS["policy"], "learning": NETWORKS["learning"]}, {}, "a policy of kind softmax"),
    ],
)
def test_a_member_that_does_not_fit_is_one_line(
    learned: tuple[Run, Run], changes: dict[str, Any], policy: dict[str, Any], words: str, tmp_path: Path
) -> None:
    make_bank(tmp_path / "bank", [learned[0].directory], untrained=True)
    group = {"agents": [0], "role": "frozen", "policy": {"bank": str(tmp_path / "bank"), "member": "untrained", **policy}}
    prepared = prepare(Experiment.model_validate({**LINE, **changes, "agents": [group]}))
    with pytest.raises(NetagentsError, match=words) as caught:
        check_frozen_policies(prepared.setup)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"run": "a", "bank": "b", "member": "m"}, "from a run or from a bank"),
        ({}, "from a run or from a bank"),
        ({"bank": "b"}, "name a member"),
        ({"run": "a", "member": "m"}, "member belongs to a bank"),
        ({"bank": "b", "member": "m", "checkpoint": 3}, "checkpoint belongs to a run"),
    ],
)
def test_a_policy_has_one_source(policy: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Experiment.model_validate({**LINE, "agents": [{"agents": [0], "role": "frozen", "policy": policy}]})


def test_runs_that_do_not_go_together_make_no_bank(learned: tuple[Run, Run], tmp_path: Path) -> None:
    other = made(tmp_path, LINE, kappa_policy=0)
    with pytest.raises(NetagentsError, match="here reads agents"):
        make_bank(tmp_path / "bank", [learned[0].directory, other.directory])
    smaller = made(tmp_path, LINE, topology={"kind": "line", "n": 3})
    with pytest.raises(NetagentsError, match="has 3 agents"):
        make_bank(tmp_path / "bank", [learned[0].directory, smaller.directory])
    with pytest.raises(NetagentsError, match="no checkpoint of iteration 7"):
        make_bank(tmp_path / "bank", [learned[0].directory], [7])
    with pytest.raises(NetagentsError, match="is named twice"):
        make_bank(tmp_path / "bank", [learned[0].directory, learned[0].directory])
    with pytest.raises(NetagentsError, match="has no action 2"):
        make_bank(tmp_path / "bank", [learned[0].directory], faulty=[2])
    assert [path.name for path in tmp_path.iterdir() if "bank" in path.name] == []


def _garbage(bank: Path) -> None:
    (bank / BANK).write_text('{"format_version": 1, "members": [{"name": "../../etc"}]}')


def _escape(bank: Path) -> None:
    facts = json.loads((bank / BANK).read_text())
    facts["members"][0]["name"] = "../untrained"
    (bank / BANK).write_text(json.dumps(facts))


def _lost(bank: Path) -> None:
    shutil.rmtree(bank / "members" / "untrained")


def _flipped(bank: Path) -> None:
    (file,) = (bank / "members" / "untrained").glob("*/agent-0.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(bytes(raw))


@pytest.mark.parametrize("damage", [_garbage, _escape, _lost, _flipped])
def test_a_damaged_bank_is_one_line(learned: tuple[Run, Run], damage: Any, tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", [learned[0].directory], untrained=True)
    damage(tmp_path / "bank")
    with pytest.raises(NetagentsError) as caught:
        Bank.open(tmp_path / "bank").arrays("untrained", {0})
    assert "\n" not in str(caught.value)


def test_the_commands_make_list_and_show_a_bank(learned: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = tmp_path / "banks" / "a"
    assert main(["bank", "make", str(bank), *[str(each.path) for each in learned], "--checkpoints", "0,2", "--untrained"]) == 0
    assert "5 members for 4 agents" in capsys.readouterr().out
    assert main(["bank", "list", str(tmp_path / "banks")]) == 0
    assert "5 members, 4 agents, line_msg, softmax" in capsys.readouterr().out
    assert main(["bank", "show", str(bank), "--json"]) == 0
    assert [member["kind"] for member in json.loads(capsys.readouterr().out)] == ["untrained", *["trained"] * 4]
    assert main(["bank", "make", str(bank), str(learned[0].path)]) == 6
    assert "exists already" in capsys.readouterr().err
    assert main(["bank", "show", str(tmp_path)]) == 6
    assert "is no bank of policies" in capsys.readouterr().err

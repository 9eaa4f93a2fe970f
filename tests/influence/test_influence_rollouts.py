"""Measured influence on games whose answer is known, and the command around it: forecast, resumption, several processes, bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from experiments import line_msg
from scipy.stats import spearmanr

from netagents.cli.main import main
from netagents.exact import ExactValues, JointModel, JointPolicy, power_matrices
from netagents.experiment import Experiment
from netagents.launchers.influence_measurement import _by_seed
from netagents.launchers.influence_rollouts import InfluenceRollouts, make_plan
from netagents.launchers.launch import run
from netagents.launchers.policy_evaluation import evaluation_environment
from netagents.learning.prepared_experiment import prepare
from netagents.measures.influence import VarianceInformation, hop_decay, influence_matrix
from netagents.records.bank_creation import make_bank
from netagents.records.policy_bank import Bank
from netagents.records.record_models import BankMember
from netagents.records.run_reader import Run

CHAIN = line_msg(10, iterations=4, batch=32, horizon=40, kappa=1, kappa_policy=0, learning={"learning_rate": 20})
PAYOFF = [[[[[a + 2 * c, b + 2 * c, c, d + 2 * c] for d in (0, 1)] for c in (0, 1)] for b in (0, 1)] for a in (0, 1)]
ONLY_2 = {
    "environment": {
        "kind": "game",
        "horizon": 5,
        "rules": {"kind": "table", "game": {"players": 4, "actions": ["no", "yes"], "rewards": PAYOFF}},
    },
    "topology": {"kind": "complete", "n": 4},
    "kappa": 0,
    "learning": {"iterations": 1, "batch": 8},
}


def made(folder: Path, settings: dict[str, Any], **changes: Any) -> Run:
    finished_run = run(Experiment.model_validate({**settings, **changes, "runtime": {"launcher": "in_process", "directory": str(folder)}}))
    return getattr(finished_run, "records", finished_run)


def returns_of(learned: Run, bank: Bank, repetitions: int, **plan: Any) -> np.ndarray:
    members = make_plan(learned, bank, repetitions=repetitions, **plan)
    with evaluation_environment(learned) as environment:
        rollouts = InfluenceRollouts(learned, bank, members, environment)
        return np.stack([rollouts.source(agent) for agent in range(learned.n)])


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Bank]:
    folder = tmp_path_factory.mktemp("chain")
    learned = made(folder, CHAIN)
    return learned, make_bank(folder / "bank", [learned.directory], untrained=True, faulty=[0, 1])


def test_on_the_message_chain_influence_falls_with_distance_and_flows_one_way_like_exact_power(chain: tuple[Run, Bank]) -> None:
    learned, bank = chain
    returns = returns_of(learned, bank, 64).sum(axis=-1)
    matrix = influence_matrix(returns, VarianceInformation())
    above = np.triu(np.ones((10, 10), dtype=bool), 1)
    assert not matrix.significant[above].any(), "agents to the left do not matter to those on their right"
    assert matrix.significant[np.arange(1, 10), np.arange(9)].all()
    decay = hop_decay(matrix, np.array(learned.topology.hops.matrix()))
    assert decay.mean[0] > 2 * decay.mean[1] > 4 * decay.mean[2] > 0.0
    assert abs(decay.mean[-1]) < 0.02
    # Exact power of the same policies on the first eight agents of the chain, whose law is that of any chain.
    eight = prepare(Experiment.model_validate({**CHAIN, "topology": {"kind": "line", "n": 8}}))
    model = JointModel(eight.environment.kernel(), 0.9)  # type: ignore[attr-defined]
    tables = tuple(table.probabilities for table in learned.tables()[:8])
    evaluation = ExactValues(model, JointPolicy(tuple((i,) for i in range(8)), tables))
    power = power_matrices(evaluation, evaluation.action_values(model.rewards)).ex_ante
    assert (power[np.triu(np.ones((8, 8), dtype=bool), 1)] < 1e-12).all()
    by_hop = [np.diagonal(power, -hop).mean() for hop in range(1, 8)]
    assert by_hop[0] > 2 * by_hop[1] > 4 * by_hop[2] > 0.0
    rows, columns = np.tril_indices(8, -1)
    assert spearmanr(power[rows, columns], matrix.values[rows, columns]).statistic > 0.8


def test_only_the_agent_that_matters_is_discovered(tmp_path: Path) -> None:
    learned = made(tmp_path, ONLY_2)
    bank = make_bank(tmp_path / "bank", [learned.directory], untrained=True, faulty=[0, 1])
    for seed in range(20):
        matrix = influence_matrix(returns_of(learned, bank, 8, seed=seed).sum(axis=-1), VarianceInformation(), permutations=239)
        others = [j for j in range(4) if j != 2]
        assert matrix.significant[2, others].all()
        assert not matrix.significant[others].any()
        # Common random numbers: what does not matter changes nothing at all.
        off = ~np.eye(4, dtype=bool)
        assert (matrix.p[others][off[others]] == 1.0).all()


def test_a_pulse_fades_and_far_agents_change_later(chain: tuple[Run, Bank]) -> None:
    learned, bank = chain
    windows = returns_of(learned, bank, 64, windows=40, pulse=2)
    # Every policy of source 5 against its first one, with the same random numbers: who differs when?
    differ = (windows[5] != windows[5][:1]).mean(axis=(0, 1))
    assert not differ[6:].any()
    first = [int(np.argmax(differ[agent] > 0.0)) for agent in (5, 4, 3)]
    assert first == [0, 1, 2], "one hop per step"
    assert differ[:, 20:].max() < 0.1 * differ[:, :4].max(), "the source has its own policy again"


def test_the_rollout_of_the_own_policy_is_the_reference(chain: tuple[Run, Bank]) -> None:
    learned, bank = chain
    plan = make_plan(learned, bank, repetitions=300)
    name = next(k for k, member in enumerate(bank.members) if member.kind == "trained")
    with evaluation_environment(learned) as environment:
        rollouts = InfluenceRollouts(learned, bank, plan, environment)
        reference = rollouts.play({})
        assert reference.shape == (300, 10, 8)
        assert np.array_equal(rollouts.play({3: rollouts.member(3, name)}), reference)
        few = InfluenceRollouts(learned, bank, plan.model_copy(update={"repetitions": 7}), environment)
        assert np.array_equal(few.play({}), reference[:7])


def test_the_command_measures_goes_on_and_writes_a_page(chain: tuple[Run, Bank], capsys: pytest.CaptureFixture[str]) -> None:
    learned, bank = chain
    words = ["influence", str(learned.path), "--bank", str(bank.path), "-m", "16"]
    assert main([*words, "--forecast"]) == 0
    assert "40 rollouts of 16 episodes and 40 steps, 0 of them played before; about" in capsys.readouterr().err
    assert main([*words, "--sources", "0..3", "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main([*words, "--jobs", "1", "--group", "4,5"]) == 0
    output = capsys.readouterr()
    assert "56 rollouts of 16 episodes and 40 steps, 16 of them played before" in output.err
    assert re.search(r"^\d+ of 90 pairs are significant at a false-discovery rate of 0\.05; the strongest is \S+ on \S+, ", output.out)
    folder = Path(re.search(r"returns and numbers\s+(\S+)", output.out)[1])  # type: ignore[index]
    facts = json.loads((folder / "influence.json").read_text())
    assert np.array(facts["matrix"]["values"], dtype=float).shape == (10, 10)
    assert facts["groups"][0]["sources"] == [4, 5]
    page = (folder / "influence.html").read_text()
    assert "K = 4, M = 16, variance_information, 1799 permutations" in page
    assert "Power" in page
    assert "<script>alert" not in page
    # Edges and agents can be given populations by their influence.
    values = np.array(facts["matrix"]["values"], dtype=float)
    for name, count, first in (("edges.csv", 18, values[0, 1]), ("agents.csv", 10, np.nanmean(values[0]))):
        assert main(["allocate", str(folder / name), "--json"]) == 0
        allocated = json.loads(capsys.readouterr().out)
        assert len(allocated["scenarios"]) == count
        assert allocated["influence"][0] == pytest.approx(first, abs=1e-5)
    # The same plan again plays nothing and gives the same numbers.
    before = (folder / "influence.json").read_bytes()
    assert main([*words, "--jobs", "1", "--group", "4,5"]) == 0
    assert (folder / "influence.json").read_bytes() == before


def test_influence_is_compared_between_the_seeds_of_a_bank() -> None:
    members = [BankMember(name=f"m{k}", kind="trained", seed=k % 2, iteration=k) for k in range(5)]
    members.append(BankMember(name="untrained", kind="untrained", seed=0))
    whole = np.random.default_rng(0).standard_normal((3, 6, 8, 3))
    bank: Any = SimpleNamespace(members=members)
    result = _by_seed(whole, bank, VarianceInformation(), [0, 1, 2])
    assert result is not None
    assert result.shape == (2, 3, 3)
    # Seed 0 has three policies and seed 1 two, so the last two of each count.
    for seed, plan_of_returns in ((0, [2, 4]), (1, [1, 3])):
        for j, i in ((0, 1), (2, 0)):
            assert result[seed, j, i] == pytest.approx(float(VarianceInformation().value(whole[j, plan_of_returns, :, i])))
    assert np.isnan(result[:, [0, 1, 2], [0, 1, 2]]).all()
    assert _by_seed(whole, SimpleNamespace(members=members[::2]), VarianceInformation(), [0]) is None  # type: ignore[arg-type]


@pytest.mark.system
def test_several_processes_play_the_same_returns(tmp_path: Path) -> None:
    learned = made(tmp_path, {**CHAIN, "topology": {"kind": "line", "n": 3}})
    bank = make_bank(tmp_path / "bank", [learned.directory], untrained=True)
    words = ["influence", str(learned.path), "--bank", str(bank.path), "-m", "8"]
    folders = []
    for jobs in ("1", "2"):
        assert main([*words, "--jobs", jobs]) == 0
        (folder,) = (learned.path / "influence").iterdir()
        folders.append({file.name: file.read_bytes() for file in folder.glob("source-*")})
        for file in folder.glob("source-*"):
            file.unlink()
    assert len(folders[0]) == 3
    assert folders[0] == folders[1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-m", "1"], "1 repetition per policy is too few for variance_information; at least 2"),
        (["-m", "6", "--estimator", "nearest"], "6 repetitions per policy are too few for nearest_neighbours; at least 8"),
        (["--estimator", "guess"], "'guess' is no estimator"),
        (["--sources", "0,12"], "there is no agent 12"),
        (["--group", "3"], "a set of sources has one agent"),
        (["--checkpoint", "77"], "no checkpoint of iteration 77"),
        (["--pulse", "40"], "a pulse of 40 steps lasts as long as an episode"),
        (["--out", "nowhere/page.html"], "cannot be written: there is no folder nowhere"),
        (["--out", "."], "is a folder, not a file"),
        (["-m", "200", "--group", "0,1,2,3,4,5,6,7,8,9"], "all combinations of 4 policies of 10 sources"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    chain: tuple[Run, Bank], words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    learned, bank = chain
    assert main(["influence", str(learned.path), "--bank", str(bank.path), *words]) != 0
    error_text = capsys.readouterr().err.strip()
    assert line in error_text
    assert "\n" not in error_text


def test_banks_that_do_not_fit_or_show_nothing_are_one_line(
    chain: tuple[Run, Bank], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned, _ = chain
    single = make_bank(tmp_path / "single", [learned.directory])
    assert main(["influence", str(learned.path), "--bank", str(single.path)]) == 3
    assert "a bank with 1 policy cannot show influence" in capsys.readouterr().err
    other = make_bank(tmp_path / "other", [made(tmp_path, CHAIN, kappa_policy=1).directory], untrained=True)
    assert main(["influence", str(learned.path), "--bank", str(other.path)]) == 5
    assert "here reads agents" in capsys.readouterr().err
    smaller = make_bank(tmp_path / "smaller", [made(tmp_path, ONLY_2).directory], untrained=True)
    assert main(["influence", str(learned.path), "--bank", str(smaller.path)]) == 5
    assert "its policies are those of 4 agents" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_damaged_bank_is_noticed_before_anything_is_played(
    chain: tuple[Run, Bank], jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned, _ = chain
    bank = make_bank(tmp_path / "damaged", [learned.directory], untrained=True)
    (file,) = (bank.path / "members" / "untrained").glob("*/agent-7.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(bytes(raw))
    assert main(["influence", str(learned.path), "--bank", str(bank.path), "-m", "4", "--jobs", jobs]) == 6
    error_text = capsys.readouterr().err.strip()
    assert "agent-7.safetensors: component 'policy.logits' has SHA-256" in error_text
    assert error_text.endswith("; make the bank again")
    assert "\n" not in error_text

"""The experiments in launch/ reach what they promise; shortened here, with margins of several standard errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.environments.builtin.aloha import aloha, best_aloha, sampled_returns
from netagents.environments.builtin.threshold_rules import ALWAYS, best_threshold, never, rule_returns
from netagents.errors import MissingPackageError
from netagents.experiment import load_experiment
from netagents.experiment.settings_of_agents import group_name
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.learning.protocol.iteration_record import IterationRecord
from netagents.records.frozen_policies import borrows_policies

LAUNCH = Path(__file__).parents[2] / "launch"


def trained(name: str, iterations: int, *overrides: str) -> tuple[list[IterationRecord], Prepared]:
    loaded = load_experiment(LAUNCH / f"{name}.yaml", overrides)
    prepared = prepare(loaded.experiment, loaded.base)
    return list(InProcessNetwork(prepared.setup, prepared.environment).run(0, iterations)), prepared


def late(records: list[IterationRecord], name: str, last: int = 5) -> Any:
    """(n,) mean of a metric over the last iterations."""
    return np.mean([record.column(name) for record in records[-last:]], axis=0)


@pytest.mark.timeout(600)  # engines start and compile
@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_can_be_run(path: Path) -> None:
    loaded = load_experiment(path, ["learning.batch=2", "learning.horizon=3"])
    if borrows_policies(loaded.experiment):
        pytest.skip("needs the bank that the commands at its top make; tests/influence/test_populations_page.py runs them")
    try:
        prepared = prepare(loaded.experiment, loaded.base)
    except MissingPackageError as error:
        pytest.skip(str(error))
    try:
        assert len(list(InProcessNetwork(prepared.setup, prepared.environment).run(0, 2))) == 2
    finally:
        prepared.environment.close()


def test_untrained_wireless_users_earn_the_published_return() -> None:
    ((record,), _) = trained("wireless_qu_lin", 1, "learning.batch=20000")
    # The standard error of 20 000 episodes is 0.0001.
    assert record.discounted_return == pytest.approx(0.0201, abs=0.0005)


def test_wireless_users_leave_the_best_aloha_behind_within_forty_iterations() -> None:
    records, prepared = trained("wireless_qu_lin", 40)
    environment: Any = prepared.environment
    baseline = best_aloha(environment, grid=(0.3, 0.35, 0.4))
    assert baseline.value == pytest.approx(0.18, abs=0.005)
    assert sampled_returns(environment, aloha(environment, 0.35), copies=2000, seed=1).mean() == pytest.approx(0.18, abs=0.005)
    assert np.mean([record.discounted_return for record in records[-5:]]) > 0.2


def test_with_mixed_utilities_hearing_neighbours_is_worth_more_than_the_seeds_differ() -> None:
    objectives = [
        [late(trained("line_msg_entropy", 20, f"kappa={kappa}", f"seed={seed}")[0], "objective").mean() for seed in range(3)]
        for kappa in (0, 1)
    ]
    assert min(objectives[1]) > max(objectives[0]) + 0.1


def test_the_constraint_of_the_chain_is_met_in_the_mean() -> None:
    records, _ = trained("line_msg_constrained", 50)
    assert abs(late(records, "violation", 20).mean()) < 0.03
    assert (late(records, "multiplier", 20) > 0.0).any()


def test_everybody_on_the_ring_recovers_the_target_occupancy() -> None:
    records, _ = trained("imitation_ring", 40)
    assert records[0].column("utility").min() < -0.02
    assert late(records, "utility").min() > -1e-3


def test_explorers_explore_and_earners_earn() -> None:
    records, prepared = trained("heterogeneous", 25)
    explorers = np.array([group_name(prepared.experiment, agent) == "explorers" for agent in range(10)])
    entropy = late(records, "utility")[explorers] / 40
    # Agent 1 feeds agent 0, whose reward is ten times that of the others, and gives up some of its entropy for it.
    assert (entropy[1:] > 0.7).all()
    earned = late(records, "return")
    assert earned[~explorers].mean() > 3 * earned[explorers].mean()


def test_learned_protection_is_as_good_as_the_best_rule_and_far_better_than_none_or_all() -> None:
    records, prepared = trained("epidemic_abilene", 60)
    environment: Any = prepared.environment
    learned = np.mean([record.discounted_return for record in records[-10:]])
    always, none = (rule_returns(environment, rule, discount=0.95, copies=500).mean() for rule in (ALWAYS, never(environment)))
    best = best_threshold(environment, copies=500, discount=0.95)
    assert none < always < best.value
    assert learned > best.value - 0.1
    assert learned > always / 2


def test_the_constraint_of_the_wireless_grid_is_met_within_twelve_iterations() -> None:
    records, _ = trained("wireless_constrained", 12, "kappa=0")
    summed = [float(np.maximum(record.column("violation"), 0.0).sum()) for record in records]
    # Uniform play: p = (1 - 0.7^12) / 5 for each of four sending actions, so g = 2 p^2 = 0.078, and 25 users lack 0.122 each.
    p = (1.0 - 0.7**12) / 5.0
    assert summed[0] == pytest.approx(25 * (0.2 - 2.0 * p**2), abs=0.05)
    assert max(summed[-3:]) < 0.1

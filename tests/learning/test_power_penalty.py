"""The power penalty: what it says against exact power, what it costs, that it is learned from, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.environments.environment_builder import build_environment
from netagents.environments.games.rely import ALONE, FIRST_HUB, SECOND_HUB, SPLIT, switch_points
from netagents.errors import ExperimentError
from netagents.exact import ExactValues, JointModel, joint_policy_of
from netagents.exact.exact_power import ex_ante_power, realized_power
from netagents.experiment import Experiment
from netagents.experiment.games import RelyRules
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.learning.signals.power_penalty import PowerPenalty
from netagents.messages import Kind

LINE: dict[str, Any] = {
    "environment": {"kind": "line_msg", "coupling": 0.4},
    "topology": {"kind": "line", "n": 4},
    "kappa": 2,
    "kappa_policy": 0,
    "learning": {"batch": 64, "horizon": 20},
}
NETWORKS: dict[str, Any] = {
    "environment": {"kind": "predator_prey", "side": 3},
    "topology": {"kind": "complete", "n": 2},
    "policy": {"kind": "mlp", "hidden": [8]},
    "learning": {
        "batch": 8,
        "horizon": 10,
        "algorithm": {"kind": "ppo", "critic": {"hidden": [8], "steps": 3, "minibatch": 32}},
    },
}


def network(settings: dict[str, Any], **penalty: Any) -> InProcessNetwork:
    prepared = prepare(Experiment.model_validate({**settings, "signals": [{"kind": "power", **penalty}] if penalty else []}))
    return InProcessNetwork(prepared.setup, prepared.environment)


def exact(net: InProcessNetwork) -> ExactValues:
    environment = build_environment(net.setup.experiment.environment, net.setup.topology)
    policies: list[Any] = [each.policy for each in net.agents]
    return ExactValues(JointModel(environment.kernel(), net.setup.discount), joint_policy_of(policies))


def column(record: Any, name: str) -> np.ndarray:
    return np.asarray(record.column(f"power_{name}"))


# -- what it says --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", ["mean", "sum", "max"])
def test_a_penalty_of_policies_that_stay_is_their_exact_power(aggregate: str) -> None:
    """Realized power, averaged over the steps that batches meet; every pair of the line is known by then."""
    frozen = {**LINE, "learning": {**LINE["learning"], "learning_rate": 1e-12}}
    net = network(frozen, **{"lambda": 0.1}, aggregate=aggregate, refresh=4)
    read = np.mean([column(record, "mean") for record in net.run(0, 40) if record.iteration >= 16], axis=0)
    evaluation = exact(net)
    visits = evaluation.visits(net.setup.horizon)
    share = visits / visits.sum()
    q = evaluation.action_values(evaluation.model.rewards)
    fold = {"mean": np.mean, "sum": np.sum, "max": np.max}[aggregate]
    for i, agent in enumerate(net.agents):
        (term,) = agent.signal.terms
        assert term.term.co_players == tuple(j for j in range(4) if abs(i - j) == 1)
        truth = float((share * fold([realized_power(evaluation, q[i], j) for j in term.term.co_players], axis=0)).sum())
        # The measure looks for the worst action in contexts of few agents, and so reads the largest of two a little differently.
        assert read[i] == pytest.approx(truth, rel=0.06, abs=5e-4)


def test_before_anyone_acts_the_penalty_is_exact_power_of_the_state() -> None:
    frozen = {**LINE, "learning": {**LINE["learning"], "learning_rate": 1e-12}}
    net = network(frozen, **{"lambda": 0.1}, variant="ex_ante", refresh=4)
    read = np.mean([column(record, "mean") for record in net.run(0, 40) if record.iteration >= 16], axis=0)
    evaluation = exact(net)
    states = evaluation.visits(net.setup.horizon).sum(axis=1)
    q = evaluation.action_values(evaluation.model.rewards)
    for i in range(4):
        near = [j for j in range(4) if abs(i - j) == 1]
        truth = float(states @ np.mean([ex_ante_power(evaluation, q[i], j) for j in near], axis=0) / states.sum())
        assert read[i] == pytest.approx(truth, rel=0.06, abs=5e-4)


def test_one_estimator_of_the_minimum_reads_more_than_two() -> None:
    readings = {bias: list(network(LINE, **{"lambda": 0.0}, bias=bias, refresh=2).run(0, 8))[-1] for bias in ("single", "double")}
    assert column(readings["single"], "mean").sum() > column(readings["double"], "mean").sum()


# -- what is unknown -----------------------------------------------------------------------------------------------------


def test_nothing_is_paid_while_nothing_is_known_and_what_was_known_is_kept() -> None:
    net = network({**LINE, "power": {"window": 1, "min_visits": 40}}, **{"lambda": 0.1}, refresh=2)
    records = list(net.run(0, 7))
    assert not column(records[0], "mean").any()
    assert (column(records[0], "known")[:3] < 1.0).all()
    (term,) = (each.term for each in net.agents[1].signal.terms)
    assert isinstance(term, PowerPenalty)
    j = term.co_players[-1]
    known = np.isfinite(term._frozen[f"{j}.power"]).all(axis=1)
    # With a window of one iteration some contexts are known at one copy and not at the next.
    assert (known >= term._frozen[f"{j}.fresh"]).all()
    assert max(column(record, "stale").max() for record in records) > 0.0


# -- what it changes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [LINE, NETWORKS], ids=["tables", "networks"])
@pytest.mark.parametrize("shared", [False, True])
def test_it_costs_no_message(settings: dict[str, Any], shared: bool) -> None:
    plain, penalized = network(settings), network(settings, **{"lambda": 0.2}, shared=shared)
    for before, after in zip(plain.run(0, 4), penalized.run(0, 4), strict=True):
        quiet = [record.ledger[record.ledger[:, 1] != Kind.REPORT] for record in (before, after)]
        np.testing.assert_array_equal(*quiet)


@pytest.mark.parametrize("settings", [LINE, NETWORKS], ids=["tables", "networks"])
def test_without_a_price_power_is_measured_and_nothing_changes(settings: dict[str, Any]) -> None:
    plain, measured = network(settings), network(settings, **{"lambda": 0.0}, refresh=1)
    records = list(measured.run(0, 4))
    for before, after in zip(plain.run(0, 4), records, strict=True):
        np.testing.assert_array_equal(before.column("gradient_sq"), after.column("gradient_sq"))
        assert before.team_return == after.team_return
    assert column(records[-1], "known").mean() > 0.5
    assert not column(records[-1], "weight").any()


@pytest.mark.parametrize("settings", [LINE, NETWORKS], ids=["tables", "networks"])
@pytest.mark.parametrize("shared", [False, True])
def test_agents_go_on_from_a_checkpoint_between_two_copies_to_the_same_bits(settings: dict[str, Any], shared: bool) -> None:
    whole, first, second = (network(settings, **{"lambda": 0.3}, shared=shared, refresh=4) for _ in range(3))
    list(whole.run(0, 7))
    list(first.run(0, 5))
    second.restore({agent: dict(arrays) for agent, arrays in first.snapshots.items()}, "here")
    list(second.run(5, 7))
    for left, right in zip(whole.agents, second.agents, strict=True):
        left_arrays, others = left.arrays(), right.arrays()
        assert left_arrays.keys() == others.keys()
        for name in left_arrays:
            np.testing.assert_array_equal(left_arrays[name], others[name], err_msg=name)


def test_networks_are_asked_as_they_were_when_they_were_copied() -> None:
    net = network(NETWORKS, **{"lambda": 0.3}, refresh=3)
    list(net.run(0, 3))
    agent: Any = net.agents[0]
    (term,) = (each.term for each in agent.signal.terms)
    copies = {name: array.copy() for name, array in term._frozen.items()}
    list(net.run(3, 6))
    # Iteration 3 copied anew, 4 and 5 did not.
    assert not np.array_equal(copies["target"], term._frozen["target"])
    assert not np.array_equal(agent.task.target.numpy(), term._frozen["target"])


# -- RELY ----------------------------------------------------------------------------------------------------------------

RULES = RelyRules(self_reward=0.0, split_cost=0.3, wage=2.0)
AT = switch_points(RULES)


def leaf_of_rely(price: float, aggregate: str, variant: str = "realized", iterations: int = 110) -> np.ndarray:
    """What a leaf has learned to play; hubs learn to serve first, which pays them well."""
    settings = {
        "environment": {"kind": "game", "rules": RULES.model_dump()},
        "topology": {"kind": "complete", "n": 3},
        "kappa_policy": 0,
        "kappa_gradient": 0,
        "learning": {"batch": 128, "horizon": 4, "learning_rate": 30.0},
    }
    net = network(settings, **{"lambda": price}, aggregate=aggregate, variant=variant, start=15, ramp=15)
    list(net.run(0, iterations))
    policy: Any = net.agents[2].policy
    return np.asarray(policy.probabilities[0])


@pytest.mark.parametrize(
    ("aggregate", "price", "actions"),
    [
        ("sum", 0.9 * AT.rely_to_self, (FIRST_HUB, SECOND_HUB)),
        ("sum", 1.1 * AT.rely_to_self, (ALONE,)),
        ("max", 0.9 * AT.rely_to_split, (FIRST_HUB, SECOND_HUB)),
        ("max", 1.1 * AT.rely_to_split, (SPLIT,)),
        ("max", 0.9 * AT.split_to_self, (SPLIT,)),
        ("max", 1.1 * AT.split_to_self, (ALONE,)),
    ],
)
def test_learned_policies_switch_within_a_tenth_of_the_closed_form(aggregate: str, price: float, actions: tuple[int, ...]) -> None:
    assert leaf_of_rely(price, aggregate)[list(actions)].sum() > 0.8


def test_a_penalty_that_depends_on_the_state_alone_never_switches() -> None:
    """There is one state, so ex-ante power is the same whatever the leaf does in this step, and three times the price moves nothing."""
    assert leaf_of_rely(3.0 * AT.rely_to_self, "sum", "ex_ante")[[FIRST_HUB, SECOND_HUB]].sum() > 0.9


# -- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "penalty", "words"),
    [
        ({"kappa": 1}, {}, "use kappa_critic: 2 or more"),
        ({}, {"lambda": -0.1}, "lambda"),
        ({}, {"lambda": 1e9}, "lambda"),
        ({}, {"lambda": 0.1, "aggregate": "median"}, "aggregate"),
        ({}, {"weight": 0.1}, "weight"),
        ({}, {"lambda": 0.1, "refresh": 0}, "refresh"),
        ({"policy": {"kind": "mlp"}, "learning": {"algorithm": {"kind": "ppo"}}, "power": {"variant": "ex_ante"}}, {}, "power.variant"),
        ({"environment": {"kind": "rendezvous"}, "policy": {"kind": "mlp"}, "learning": {"algorithm": {"kind": "ppo"}}}, {}, "finite"),
        ({**NETWORKS, "kappa": 1}, {"variant": "ex_ante"}, "ex_ante needs finite"),
    ],
)
def test_a_penalty_that_cannot_be_is_one_line(changed: dict[str, Any], penalty: dict[str, Any], words: str) -> None:
    from netagents.experiment import load_experiment

    asked = penalty if "lambda" in penalty or "weight" in penalty else {"lambda": 0.1, **penalty}
    with pytest.raises(ExperimentError) as caught:
        prepare(load_experiment({**LINE, **changed, "signals": [{"kind": "power", **asked}]}).experiment)
    assert words in f"{caught.value} {caught.value.fix}"
    assert "\n" not in str(caught.value)


def test_an_agent_without_a_path_to_anybody_pays_nothing() -> None:
    settings = {**LINE, "topology": {"kind": "edges", "n": 3, "edges": [[0, 1]]}, "environment": {"kind": "sis"}}
    (record,) = network(settings, **{"lambda": 0.5}).run(0, 1)
    assert column(record, "mean")[2] == 0.0
    assert np.isnan(column(record, "holder")[2])


@pytest.mark.parametrize("shared", [True, False])
def test_the_fit_of_a_task_critic_that_nobody_reads_is_left_out_and_changes_nothing(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> InProcessNetwork:
        net = network(LINE, **{"lambda": 0.3}, shared=shared, start=1, ramp=1, refresh=2)
        list(net.run(0, 8))
        return net

    without = trained()
    monkeypatch.setattr(PowerPenalty, "reads_table", True)
    whole = trained()
    for one, other in zip(without.agents, whole.agents, strict=True):
        assert np.array_equal(one.policy.logits, other.policy.logits)
        assert other.table.values[0].any()
        # A penalty that is kept leaves an agent with the task critic as the one that it tells its neighbours.
        assert one.table.values[0].any() != shared
        assert np.array_equal(one.table.values[1], other.table.values[1])

"""SBPR: the lottery, what deviations do to values, and the prices at which learned policies switch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.environments.games.rely import switch_points
from netagents.exact import ExactValues, JointModel, Regularization, adversarial_values, joint_policy_of
from netagents.experiment import Experiment
from netagents.experiment.games import RelyRules
from netagents.experiment.intervention_settings import SbprSettings
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.lotteries import advised_copies, draw_deviations
from netagents.learning.protocol.replaced_actions import NOBODY
from netagents.messages import Kind
from netagents.studies.cost_model import predict

RULES = RelyRules(self_reward=0.0, loss=2.0, split_cost=0.3)
AT = switch_points(RULES)
CO_PLAYERS = {0: (1,), 1: (0, 2), 2: (1, 3, 4)}


def network(settings: dict[str, Any], **sbpr: Any) -> InProcessNetwork:
    prepared = prepare(Experiment.model_validate({**settings, "interventions": [{"kind": "sbpr", **sbpr}]}))
    return InProcessNetwork(prepared.setup, prepared.environment)


def leaf_of_rely(probability: float, aggregate: str, **more: Any) -> np.ndarray:
    """What a leaf has learned to play; hubs learn to serve first, which pays them well."""
    settings = {
        "environment": {"kind": "game", "rules": RULES.model_dump()},
        "topology": {"kind": "complete", "n": 3},
        "kappa_policy": 0,
        "kappa_gradient": 0,
        "learning": {"batch": 384, "horizon": 4, "learning_rate": 30.0},
    }
    net = network(settings, probability=probability, aggregate=aggregate, start=15, ramp=15, **more)
    list(net.run(0, 100))
    policy: Any = net.agents[2].policy
    return np.asarray(policy.probabilities[0])


@pytest.mark.parametrize(
    ("aggregate", "probability", "actions"),
    [("sum", 0.9 * AT.rely_to_self, (1, 2)), ("sum", 1.1 * AT.rely_to_self, (0,)), ("mean", 2.2 * AT.rely_to_self, (0,))],
)
def test_policies_switch_within_a_tenth_of_the_closed_form(aggregate: str, probability: float, actions: tuple[int, ...]) -> None:
    assert leaf_of_rely(probability, aggregate)[list(actions)].sum() > 0.8


def test_over_sampled_deviations_are_weighted_back() -> None:
    assert leaf_of_rely(0.9 * AT.rely_to_self, "sum", sampled=0.8)[[1, 2]].sum() > 0.8
    assert leaf_of_rely(1.1 * AT.rely_to_self, "sum", sampled=0.8)[0] > 0.8


@pytest.mark.parametrize(("aggregate", "share"), [("mean", (0.2, 0.2, 0.2)), ("sum", (0.2, 0.4, 0.6)), ("max", (0.2, 0.2, 0.2))])
@pytest.mark.parametrize("sampled", [None, 0.5])
def test_the_lottery_deviates_as_often_as_it_says(aggregate: Any, share: tuple[float, ...], sampled: float | None) -> None:
    settings = SbprSettings(probability=0.2, aggregate=aggregate, sampled=sampled)
    drawn = draw_deviations(settings, CO_PLAYERS, 3, 7, 49, 600)
    assert [int((drawn.egos == ego).sum()) for ego in range(3)] == [200] * 3
    for ego in range(3):
        hit = (drawn.deviators != NOBODY)[:, drawn.egos == ego]
        assert hit.mean() == pytest.approx(sampled or share[ego], abs=0.015)
        # Weighted, deviations are as rare as they are meant to be, and weights have mean 1.
        assert (hit * drawn.ratios[:, drawn.egos == ego]).mean() == pytest.approx(share[ego], abs=0.015)
        assert drawn.ratios[:, drawn.egos == ego].mean() == pytest.approx(1.0, abs=0.03)
        masks = {j: advised_copies(settings, drawn, CO_PLAYERS, ego, j) for j in CO_PLAYERS[ego]}
        if aggregate == "max":
            assert all(np.array_equal(mask[:, drawn.egos == ego], hit) for mask in masks.values())
        else:
            shares = [mask.sum() for mask in masks.values()]
            assert sum(shares) == hit.sum()
            assert max(shares) < 1.15 * min(shares)
    again = draw_deviations(settings, CO_PLAYERS, 3, 7, 49, 600)
    np.testing.assert_array_equal(drawn.deviators, again.deviators)


def test_what_egos_earn_is_their_exact_value_against_deviations_and_clean_returns_are_clean() -> None:
    """Policies stand still on the message chain; every third copy is an episode of each agent."""
    p, gamma, horizon, copies = 0.3, 0.6, 14, 900
    settings = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": 3},
        "kappa": 2,
        "learning": {"batch": copies, "horizon": horizon, "gamma": gamma, "learning_rate": 1e-9},
    }
    net = network(settings, probability=p, agents=[0, 1])
    model = JointModel(net.session.environment.kernel(), gamma)
    exact = ExactValues(model, joint_policy_of([agent.policy for agent in net.tabular_agents]))  # type: ignore[misc]
    rule = Regularization(p, aggregate="mean", variant="ex_ante", co_players=(1,))
    expected = float((adversarial_values(exact, rule, (0,)) @ model.initial).reshape(-1)[0])
    observations: list[Any] = []
    advance = net.session.advance

    def watch(actions: Any, *rest: Any) -> Any:
        messages = advance(actions, *rest)
        observations.append(np.stack([message.reward for message in messages], axis=1))
        return messages

    net.session.advance = watch  # type: ignore[method-assign]
    records = list(net.run(0, 6))
    rewards = np.stack(observations[-horizon:])
    drawn = draw_deviations(net.setup.experiment.interventions[0], net.setup.advised, 0, 5, horizon, copies)  # type: ignore[arg-type]
    earned = (gamma ** np.arange(horizon)[:, None] * rewards[:, :, 0]).sum(axis=0)[drawn.egos == 0]
    plain = float((exact.values(model.rewards) @ model.initial)[0])
    error = earned.std() / np.sqrt(len(earned))
    assert earned.mean() < plain - 3 * error
    assert earned.mean() == pytest.approx(expected, abs=3 * error)
    # Undiscounted, without deviations: one number per iteration, all of them estimates of the same.
    clean = np.mean([record.column("clean_return")[0] for record in records])
    quiet = {**settings, "learning": {**settings["learning"], "batch": copies}}
    prepared = prepare(Experiment.model_validate(quiet))
    without = np.mean([record.column("return")[0] for record in InProcessNetwork(prepared.setup, prepared.environment).run(0, 6)])
    assert clean == pytest.approx(without, rel=0.15)
    assert np.mean([record.column("return")[0] for record in records]) < 0.9 * without


def test_whoever_has_no_trusted_co_player_learns_from_all_copies_and_the_rest_from_their_own() -> None:
    settings = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": 3},
        "kappa": 2,
        "learning": {"batch": 6, "horizon": 5},
    }
    net = network(settings, probability=0.4, agents=[0])
    list(net.run(0, 1))
    deviations = net.agents[0].interventions.begin(0).deviations  # type: ignore[union-attr]
    assert deviations is not None
    assert deviations.episodes_of(0).all()
    assert deviations.episodes_of(2).all()
    both = network(settings, probability=0.4).agents[0].interventions.begin(0).deviations  # type: ignore[union-attr]
    assert both is not None
    assert both.episodes_of(0).sum() == 2
    assert both.weights_of(0)[:, both.episodes_of(0)].tolist() == [[3.0, 3.0]] * 5


def test_the_plan_knows_about_how_many_messages_there_are() -> None:
    settings = {
        "environment": {"kind": "line_msg"},
        "topology": {"kind": "line", "n": 4},
        "kappa": 2,
        "learning": {"batch": 64, "horizon": 20},
    }
    net = network(settings, probability=0.2)
    records = list(net.run(0, 4))
    sent = np.mean([record.ledger[record.ledger[:, 1] == Kind.WORST_ACTION][:, 4].sum() for record in records])
    assert predict(net.setup).flows[Kind.WORST_ACTION, 1].messages == pytest.approx(sent, rel=0.1)

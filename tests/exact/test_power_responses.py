"""Best responses and equilibria where power costs something: against search, closed forms, and every pure policy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from small_models import any_kernel, random_policy

from netagents.environments.games.build_game import build_game
from netagents.environments.games.rely import ALONE, FIRST_HUB, SECOND_HUB, SERVE, SPLIT, switch_points
from netagents.errors import EnvironmentMismatchError
from netagents.exact import (
    ExactValues,
    JointModel,
    JointPolicy,
    Regularization,
    adversarial_values,
    pure_equilibria,
    regularized_response,
    response_dynamics,
    response_gaps,
    uniform_policy,
)
from netagents.exact.power_responses import with_response
from netagents.experiment.games import GameSettings, RelyRules, StagHuntRules
from netagents.topology.generators import complete


def small_game(seed: int) -> tuple[JointModel, JointPolicy, np.random.Generator]:
    rng = np.random.default_rng(seed)
    kernel = any_kernel(rng, 2, largest=2)
    return JointModel(kernel, 0.8), random_policy(kernel, ((0, 1), (0, 1)), rng), rng


def value_of(model: JointModel, policy: JointPolicy, agent: int, rule: Regularization) -> float:
    return float(adversarial_values(ExactValues(model, policy), rule, (agent,))[agent] @ model.initial)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_with_realized_power_no_pure_policy_is_better_than_the_best_response(seed: int, aggregate: str) -> None:
    model, policy, _ = small_game(seed)
    rule = Regularization(0.4, aggregate)
    result = regularized_response(model, policy, 0, rule)
    values = [
        value_of(model, with_response(model, policy, 0, np.eye(model.action_sizes[0])[list(actions)]), 0, rule)
        for actions in itertools.product(range(model.action_sizes[0]), repeat=model.S)
    ]
    assert result.value == pytest.approx(max(values), abs=1e-9)
    assert response_gaps(model, with_response(model, policy, 0, result.probabilities), rule)[0] == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("aggregate", ["mean", "sum", "max"])
def test_with_ex_ante_power_no_policy_near_or_far_is_better(aggregate: str) -> None:
    model, policy, rng = small_game(5)
    rule = Regularization(0.4, aggregate, "ex_ante")
    result = regularized_response(model, policy, 0, rule)
    shape = result.probabilities.shape
    tried = [rng.dirichlet(np.full(shape[1], 0.5), size=shape[0]) for _ in range(60)]
    tried += [0.95 * result.probabilities + 0.05 * each for each in tried]
    assert max(value_of(model, with_response(model, policy, 0, each), 0, rule) for each in tried) <= result.value + 1e-9


RULES = RelyRules(wage=0.5)


def rely_model(n: int = 4) -> JointModel:
    return JointModel(build_game(complete(n), GameSettings(rules=RULES)).kernel(), 0.9)


def leaf_actions(model: JointModel, price: float, aggregate: str) -> set[int]:
    """What leaves play in equilibria in which both hubs serve; hubs mind no power."""
    rules = [Regularization(0.0)] * 2 + [Regularization(price, aggregate)] * (model.n - 2)
    return {int(a) for joint in pure_equilibria(model, rules) if (joint[:2] == SERVE).all() for a in joint[2:]}


def test_equilibria_of_rely_switch_where_the_closed_forms_say() -> None:
    """Mean power is over the hubs and the other leaf, so its lambda is three times that of the sum."""
    model, at = rely_model(), switch_points(RULES)
    hubs = {FIRST_HUB, SECOND_HUB}
    for aggregate, scale in (("sum", 1.0), ("mean", 3.0)):
        assert leaf_actions(model, 0.999 * scale * at.rely_to_self, aggregate) == hubs
        assert leaf_actions(model, 1.001 * scale * at.rely_to_self, aggregate) == {ALONE}
    assert leaf_actions(model, 0.999 * at.rely_to_split, "max") == hubs
    assert leaf_actions(model, 1.001 * at.rely_to_split, "max") == {SPLIT}
    assert leaf_actions(model, 0.999 * at.split_to_self, "max") == {SPLIT}
    assert leaf_actions(model, 1.001 * at.split_to_self, "max") == {ALONE}


def test_best_responses_in_rely_switch_there_too_and_a_coin_beats_splitting_before_anyone_acts() -> None:
    model, at = rely_model(3), switch_points(RULES)
    serve = np.array([[1.0, 0.0]])
    policy = JointPolicy(((0,), (1,), (2,)), (serve, serve, np.full((1, 4), 0.25)))
    for price, action in ((0.9 * at.rely_to_self, FIRST_HUB), (1.1 * at.rely_to_self, ALONE)):
        result = regularized_response(model, policy, 2, Regularization(price, "sum", co_players=(0, 1)))
        assert result.probabilities[0].argmax() == action
    # A hub that knows the leaf's policy and not its action cannot tell whether it is relied on.
    price = 1.5 * at.rely_to_split
    coin = regularized_response(model, policy, 2, Regularization(price, "max", "ex_ante", (0, 1)))
    np.testing.assert_allclose(coin.probabilities[0], [0.0, 0.5, 0.5, 0.0], atol=1e-6)
    split = regularized_response(model, policy, 2, Regularization(price, "max", "realized", (0, 1)))
    assert split.probabilities[0].argmax() == SPLIT
    assert coin.value > split.value


def test_power_takes_the_stag_from_the_hunt() -> None:
    """Stag pays 4 and the other can take it all: 4 (1 - lambda) < 2 from lambda = 1/2 on; the hare is safe at any price."""
    model = JointModel(build_game(complete(2), GameSettings(rules=StagHuntRules())).kernel(), 0.9)
    assert pure_equilibria(model, Regularization(0.49)).tolist() == [[0, 0], [1, 1]]
    assert pure_equilibria(model, Regularization(0.51)).tolist() == [[1, 1]]


def test_agents_that_respond_in_turn_end_where_nobody_gains() -> None:
    model = rely_model()
    policy, gaps = response_dynamics(model, uniform_policy(model.kernel), Regularization(0.05, "max"))
    assert gaps.max() == pytest.approx(0.0, abs=1e-7)
    assert all(table[0].max() == pytest.approx(1.0) for table in policy.tables)


def test_equilibria_are_refused_where_they_are_not_defined() -> None:
    model, _, _ = small_game(0)
    with pytest.raises(EnvironmentMismatchError, match="joint states"):
        pure_equilibria(model, Regularization(0.1))
    with pytest.raises(EnvironmentMismatchError, match="ex-ante"):
        pure_equilibria(rely_model(3), Regularization(0.1, variant="ex_ante"))

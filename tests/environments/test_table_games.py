"""Table games: payoffs and powers worked out by hand, laws against sampling, and files that are wrong in every way."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from environment_references import graph

from netagents.environments import FactoredKernel, LocalKernel
from netagents.environments.games.build_game import build_game
from netagents.environments.games.rely import switch_points
from netagents.environments.games.table_game import TableGame
from netagents.errors import CapacityError, EnvironmentMismatchError, ExperimentError
from netagents.exact import ExactValues, JointModel, JointPolicy, best_response, power_matrices, uniform_policy
from netagents.experiment import load_experiment, resolved
from netagents.experiment.games import (
    ChickenRules,
    GameSettings,
    GameTableRules,
    PrisonersDilemmaRules,
    PublicGoodsRules,
    PureCoordinationRules,
    RelyRules,
    StagHuntRules,
)
from netagents.learning.prepared_experiment import prepare
from netagents.testing import check_environment

WAR = """\
players: [row, column]
actions: [cooperate, defect]
states: [calm, war]
keeper: column
start: {calm: 0.75, war: 0.25}
rewards:
  calm: [[[3, 3], [0, 5]], [[5, 0], [1, 1]]]
  war: {cooperate: [1, 0], defect: [[2, 0], 0]}
transitions:
  calm: [[calm, war], [war, {calm: 0.1, war: 0.9}]]
  war: {cooperate: [calm, war], defect: [war, war]}
"""


def complete(n):
    return graph(n, [(i, j) for i in range(n) for j in range(i)])


def game(rules, topology, **settings):
    return build_game(topology, GameSettings(rules=rules, **settings))


def play(environment, actions):
    """Rewards of one joint action in one copy."""
    state = environment.reset(np.zeros((1, environment.spec.n)))
    return environment.step(state, [np.array([a]) for a in actions], np.zeros((1, *environment.spec.step_noise))).rewards[0].tolist()


@pytest.mark.parametrize(
    ("rules", "payoffs"),
    [
        (PrisonersDilemmaRules(), [[3, 0], [5, 1]]),
        (StagHuntRules(), [[4, 0], [2, 2]]),
        (ChickenRules(), [[3, 2], [5, 0]]),
        (PureCoordinationRules(), [[1, 0], [0, 1]]),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
def test_two_players_are_paid_as_published_and_more_the_mean_over_neighbours(rules, payoffs):
    for a, b in product(range(2), repeat=2):
        assert play(game(rules, complete(2)), (a, b)) == [payoffs[a][b], payoffs[b][a]]
    path = game(rules, graph(3, [(0, 1), (1, 2)]))
    for a, b, c in product(range(2), repeat=3):
        assert play(path, (a, b, c)) == [payoffs[a][b], (payoffs[b][a] + payoffs[b][c]) / 2, payoffs[c][b]]


def test_public_goods_pay_shares_of_what_a_neighbourhood_gives():
    environment = game(PublicGoodsRules(multiplier=1.5, cost=1.0), graph(3, [(0, 1), (1, 2)]))
    assert play(environment, (1, 0, 0)) == pytest.approx([1.5 / 2 - 1, 1.5 / 3, 0.0])
    assert play(environment, (1, 1, 1)) == pytest.approx([0.5, 0.5, 0.5])


@pytest.mark.parametrize("memory", ["none", "last_action"])
@pytest.mark.parametrize("rules", [PrisonersDilemmaRules(), PublicGoodsRules(), RelyRules()], ids=lambda rules: rules.kind)
def test_games_keep_the_contract(rules, memory):
    check_environment(game(rules, complete(4), memory=memory))


def test_with_memory_an_agents_state_is_its_last_action_plus_one():
    environment = game(StagHuntRules(), complete(2), memory="last_action")
    state = environment.reset(np.zeros((1, 2)))
    assert state.tolist() == [[0, 0]]
    after = environment.step(state, [np.array([1]), np.array([0])], np.full((1, 2), 0.999)).state
    assert after.tolist() == [[2, 1]]


def test_tit_for_tat_and_its_values_by_hand():
    environment = game(PrisonersDilemmaRules(), complete(2), memory="last_action", gamma=0.9)
    model = JointModel(environment.kernel(), 0.9)
    # Both read both states; row 3 x own + other, and 0 is "none yet", 1 cooperated, 2 defected.
    tit_for_tat = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    tables = (
        np.array([tit_for_tat[other] for _, other in product(range(3), repeat=2)]),
        np.array([tit_for_tat[own_action] for own_action, _ in product(range(3), repeat=2)]),
    )
    policy = JointPolicy(((0, 1), (0, 1)), tables)
    values = ExactValues(model, policy).values(model.rewards)
    assert float(model.initial @ values[0]) == pytest.approx(3.0 / 0.1)
    # Against tit for tat one cooperates forever: 30; defecting always gives 5 + 9 = 14, alternating (5 + 0) / (1 - 0.81) = 26.3.
    best = best_response(model, policy, (0,), model.rewards[0])
    assert best.value == pytest.approx(30.0)
    worst = best_response(model, policy, (0,), -model.rewards[1])
    # Who defects always costs tit for tat most: 0 once, then 1 for ever.
    assert -worst.value == pytest.approx(9.0)


@pytest.mark.parametrize(("own", "loss", "delta"), [(0.5, 2.0, 0.1), (0.2, 0.5, 0.3)])
def test_relying_on_hubs_gives_them_the_power_of_the_closed_form(own, loss, delta):
    rules = RelyRules(self_reward=own, loss=loss, split_cost=delta)
    environment = game(rules, complete(4))
    model = JointModel(environment.kernel(), 0.5)
    serve = np.array([[1.0, 0.0]])
    for action, reward, first, second in [
        (0, own, 0.0, 0.0),
        (1, 1.0, 1 + loss, 0.0),
        (2, 1.0, 0.0, 1 + loss),
        (3, 1 - delta, (1 + loss) / 2, (1 + loss) / 2),
    ]:
        leaf = np.eye(4)[[action]]
        policy = JointPolicy(((0,), (1,), (2,), (3,)), (serve, serve, leaf, leaf))
        evaluation = ExactValues(model, policy)
        assert evaluation.values(model.rewards)[2, 0] == pytest.approx(reward / 0.5)
        power = power_matrices(evaluation, evaluation.action_values(model.rewards)).ex_ante
        assert (power[0, 2], power[1, 2]) == pytest.approx((first, second))
        assert power[3, 2] == 0.0
    # The lambda at which the best of the four changes, by trying.
    points = switch_points(rules)
    options = {"self": (own, 0.0, 0.0), "rely": (1.0, 1 + loss, 0.0), "split": (1 - delta, (1 + loss) / 2, (1 + loss) / 2)}

    def best(weight, aggregate):
        return max(options, key=lambda name: options[name][0] - weight * aggregate(options[name][1:]))

    assert best(points.rely_to_self - 1e-6, sum) == "rely"
    assert best(points.rely_to_self + 1e-6, sum) == "self"
    if points.rely_to_split < points.split_to_self:
        assert best(points.rely_to_split - 1e-6, max) == "rely"
        assert best(points.rely_to_split + 1e-6, max) == best(points.split_to_self - 1e-6, max) == "split"
        assert best(points.split_to_self + 1e-6, max) == "self"


def test_rely_takes_any_number_of_leaves_and_tables_of_as_many_as_fit():
    environment = game(RelyRules(self_reward=0.25), complete(200))
    assert play(environment, (0, 1, 0, 1, 2, *[3] * 195))[:6] == pytest.approx([0.1 * (1 + 97.5), 0.0, 0.25, 1.0, -2.0, 0.9 - 1.5])
    with pytest.raises(CapacityError, match="exact kernel of environment 'game'"):
        environment.kernel()
    assert game(RelyRules(), complete(8)).kernel().agents[0].reward.shape == (2, *[4] * 6)


def test_what_uniform_policies_earn_is_the_mean_of_the_tables():
    for rules in (PrisonersDilemmaRules(), PublicGoodsRules(multiplier=1.5), RelyRules(loss=1.0), StagHuntRules()):
        environment = game(rules, complete(5), horizon=7)
        assert environment.spec.untrained_return == pytest.approx(
            7 * np.mean([local.reward.mean() for local in environment.kernel().agents])
        )


def test_rely_needs_leaves_between_both_hubs():
    with pytest.raises(EnvironmentMismatchError, match="agent 2 is none of agent 1"):
        game(RelyRules(), graph(3, [(0, 1), (0, 2)]))


def test_a_written_game_is_the_one_that_stands_there(tmp_path):
    (tmp_path / "war.yaml").write_text(WAR)
    (tmp_path / "run.yaml").write_text("environment: {kind: game, rules: {kind: file, path: war.yaml}}\ntopology: {kind: complete, n: 2}\n")
    loaded = load_experiment(tmp_path / "run.yaml")
    environment = prepare(loaded.experiment, loaded.base).environment
    check_environment(environment)
    kernel = environment.kernel()
    assert kernel.state_sizes == (1, 2)  # the second player keeps the state
    row, column = kernel.agents
    assert row.reward.tolist() == [[[3, 0], [5, 1]], [[1, 0], [2, 0]]]
    assert column.reward.tolist() == [[[3, 5], [0, 1]], [[1, 0], [0, 0]]]
    assert column.transition[0, 1, 1].tolist() == [0.1, 0.9]
    assert column.transition[1, 0, 0].tolist() == [1.0, 0.0]
    assert column.initial.tolist() == [0.75, 0.25]
    # The value of uniform play, from the two states' equations written out.
    moves = np.array([[(1 + 0.1) / 4, (3 - 0.1) / 4], [1 / 4, 3 / 4]])
    pay = np.array([9 / 4, 3 / 4])
    values = np.linalg.solve(np.eye(2) - 0.95 * moves, pay)
    evaluation = ExactValues(JointModel(kernel, 0.95), uniform_policy(kernel))
    np.testing.assert_allclose(evaluation.values(evaluation.model.rewards)[0], values, rtol=1e-12)
    # The experiment needs its file no more, and says where each number came from.
    (tmp_path / "war.yaml").unlink()
    again = load_experiment(resolved(loaded.experiment))
    assert again.experiment == loaded.experiment
    assert loaded.origins["environment", "rules", "game", "keeper"].text == "war.yaml:4"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{calm: 0.1, war: 0.9}", "{calm: 0.1, war: 0.8}", "war.yaml:10:29: chances sum to 0.9; make them sum to 1"),
        ("[war, war]", "[war, peace]", "war.yaml:11:47: no state is called 'peace'; states are calm, war"),
        ("start: {calm: 0.75", "start: {cool: 0.75", "war.yaml:5:15: no state is called 'cool'; states are calm, war"),
        ("[[5, 0], [1, 1]]]", "[[5, 0], [1, 1, 1]]]", "war.yaml:7:37: 3 rewards for 2 players; give one per player, or one number for all"),
        ("[[5, 0], [1, 1]]]", "[[5, 0]]]", "war.yaml:7:28: 1 entries for each action of column; give 2, in the order cooperate, defect"),
        ("[[5, 0], [1, 1]]]", "[[5, 0], [1, .nan]]]", "war.yaml:7:41: a reward that is no finite number; write a number"),
        (
            "  war: {cooperate: [1, 0], defect",
            "  war: {cooperate: [1, 0], defct",
            "war.yaml:8:35: no action of row is called 'defct'; there are cooperate, defect",
        ),
        ("keeper: column", "keeper: nobody", "war.yaml:4:9: no player is called 'nobody'; players are row, column"),
        ("states: [calm, war]", "states: [calm, calm]", "war.yaml:3:16: the state 'calm' stands twice; use each name once"),
        ("players: [row, column]", "players: 40", "war.yaml:1:10: a table of so many players; use 1 to 16"),
        (
            "states:",
            "stats:",
            "war.yaml:3:8: unknown key 'stats'; keys are name, players, actions, states, keeper, start, rewards, transitions",
        ),
        ("[calm, war], [war, {", "[calm, war], [war, {,", "war.yaml:10: not YAML (while parsing a flow node"),
    ],
)
def test_a_wrong_game_file_gets_one_line_with_line_and_column(old, new, message, tmp_path):
    assert old in WAR
    (tmp_path / "war.yaml").write_text(WAR.replace(old, new, 1))
    (tmp_path / "run.yaml").write_text("environment: {kind: game, rules: {kind: file, path: war.yaml}}\ntopology: {kind: complete, n: 2}\n")
    with pytest.raises(ExperimentError) as caught:
        load_experiment(tmp_path / "run.yaml")
    line = str(caught.value)
    assert "\n" not in line
    if "not YAML" in message:
        assert line.startswith("war.yaml:10: not YAML")
    else:
        assert line == message


def test_a_wrong_table_within_an_experiment_names_its_key():
    table = {"players": 2, "actions": ["a", "b"], "rewards": [[1, 2], [3]]}
    with pytest.raises(ExperimentError, match=r"rewards\.1: 1 entries for each action of player 1; give 2, in the order a, b"):
        load_experiment(
            {"environment": {"kind": "game", "rules": {"kind": "table", "game": table}}, "topology": {"kind": "complete", "n": 2}}
        )


def test_a_missing_game_file_and_too_few_agents_are_named(tmp_path):
    (tmp_path / "run.yaml").write_text("environment: {kind: game, rules: {kind: file, path: no.yaml}}\ntopology: {kind: complete, n: 2}\n")
    with pytest.raises(ExperimentError, match=r"no\.yaml: no such game file; paths are relative to the experiment file"):
        load_experiment(tmp_path / "run.yaml")
    table = {"players": 2, "actions": ["a", "b"], "rewards": [[1, 2], [3, 4]]}
    with pytest.raises(EnvironmentMismatchError, match="the game has 2 players, and the topology 3 agents"):
        game(GameTableRules(game=table), complete(3))
    with pytest.raises(EnvironmentMismatchError, match="agent 2 has no neighbour"):
        game(StagHuntRules(), graph(3, [(0, 1)]))


def shared_coin(topology, bias=0.5):
    """A game from Python: agent 0 holds a biased coin, and both are paid for naming its side."""
    coin = np.broadcast_to([1.0 - bias, bias], (2, 2, 2)).copy()
    named = np.eye(2)
    first = LocalKernel((0,), (0,), coin, named, np.array([1.0 - bias, bias]))
    second = LocalKernel((0,), (1,), np.ones((2, 2, 1)), named, np.ones(1))
    return TableGame(topology, FactoredKernel((2, 1), (2, 2), (first, second)), horizon=4, discount=0.5)


def test_a_game_from_python_is_named_by_its_function():
    loaded = load_experiment(
        {"environment": {"kind": f"import:{__name__}:shared_coin", "parameters": {"bias": 0.25}}, "topology": {"kind": "line", "n": 2}}
    )
    environment = prepare(loaded.experiment, loaded.base).environment
    check_environment(environment)
    model = JointModel(environment.kernel(), 0.5)
    assert best_response(model, uniform_policy(model.kernel), (0,), model.rewards[0]).value == pytest.approx(2.0)

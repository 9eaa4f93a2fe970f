"""Terms of the learning signal: who learns from them, what they are given, and that without them nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.environments.spaces import Discrete
from netagents.errors import ExperimentError, ForeignCodeError, MissingPackageError
from netagents.experiment import Experiment, load_experiment
from netagents.experiment.signal_settings import CustomTermSettings
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.messages import Kind
from tests.support.signal_terms import Asking

LAUNCH = Path(__file__).parents[2] / "launch"
TERMS = "import:tests.support.signal_terms:"
TABLES: dict[str, Any] = {
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 5},
    "learning": {"batch": 8, "horizon": 12},
}
ALGORITHMS = {
    "tables": TABLES,
    "fresh": {**TABLES, "learning": {**TABLES["learning"], "evaluation": "fresh"}},
    "shared_reward": {**TABLES, "learning": {**TABLES["learning"], "credit": "shared_reward"}},
    **{
        kind: {
            **TABLES,
            "policy": {"kind": "mlp", "hidden": [8]},
            "learning": {**TABLES["learning"], "algorithm": {"kind": kind, "critic": {"hidden": [8], "steps": 3, "minibatch": 32}}},
        }
        for kind in ("actor_critic", "ppo")
    },
}


def network(settings: dict[str, Any], *signals: dict[str, Any]) -> InProcessNetwork:
    prepared = prepare(Experiment.model_validate({**settings, "signals": list(signals)}))
    return InProcessNetwork(prepared.setup, prepared.environment)


def term(cls: str, /, **settings: Any) -> dict[str, Any]:
    return {"kind": f"{TERMS}{cls}", **settings}


def learned(net: InProcessNetwork) -> list[dict[str, Any]]:
    """Everything that agents know, but for what a term remembers and the bytes of reports."""
    return [
        {name: np.array(array) for name, array in agent.arrays().items() if "signal." not in name and not name.startswith("ledger.")}
        for agent in net.agents
    ]


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert np.array_equal(left[name], right[name], equal_nan=True), name


def prepare_file(path: Path, signals: list[dict[str, Any]]) -> Prepared:
    loaded = load_experiment(path, {"learning.batch": 4, "learning.horizon": 8, "signals": signals})
    return prepare(loaded.experiment, loaded.base)


@pytest.mark.timeout(600)  # engines start and compile
@pytest.mark.parametrize(
    "path", [path for path in sorted(LAUNCH.glob("*.yaml")) if "bank:" not in path.read_text(encoding="utf-8")], ids=lambda path: path.stem
)
def test_a_term_without_weight_is_measured_and_changes_no_bit(path: Path, request: pytest.FixtureRequest) -> None:
    try:
        prepared = [prepare_file(path, [])]
        # Boxes have no alternatives that a term could ask for.
        finite = all(isinstance(space, Discrete) for space in prepared[0].environment.spec.action_spaces)
        terms = [term("Counting", weight=0), *([term("Asking", weight=0, shared=True)] if finite else [])]
        prepared.append(prepare_file(path, terms))
    except MissingPackageError as error:
        pytest.skip(str(error))
    for each in prepared:
        request.addfinalizer(each.environment.close)
    plain, measured = (InProcessNetwork(each.setup, each.environment) for each in prepared)
    for before, after in zip(plain.run(0, 3), measured.run(0, 3), strict=True):
        assert before.team_return == after.team_return
        for name in before.names:
            assert np.array_equal(before.column(name), after.column(name), equal_nan=True), name
        for left, right in zip(before.power, after.power, strict=True):
            assert np.array_equal(left, right, equal_nan=True)
        quiet = [record.ledger[record.ledger[:, 1] != Kind.REPORT] for record in (before, after)]
        assert np.array_equal(*quiet)
        # Agents that do not learn have no terms.
        learners = np.isfinite(after.column("counting_weight"))
        assert learners.any()
        assert (after.column("counting_weight")[learners] == 0.0).all()
    # Members of a population count the iterations in which they learned.
    taking_turns = any(group.role == "population" for group in prepared[0].setup.experiment.agents)
    counts = after.column("counting_seen")[learners]
    assert (counts <= 3).all() if taking_turns else (counts == 3).all()
    for first, second in zip(learned(plain), learned(measured), strict=True):
        assert_same(first, second)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_neighbours_feel_a_shared_term_and_not_one_that_is_kept(kind: str) -> None:
    plain, private, shared = (
        network(ALGORITHMS[kind], *terms)
        for terms in ([], [term("Counting", weight=2, agents=[2])], [term("Counting", weight=2, agents=[2], shared=True)])
    )
    for net in (plain, private, shared):
        list(net.run(0, 1))
    before = learned(plain)
    changed = []
    for net in (private, shared):
        pairs = zip(before, learned(net), strict=True)
        policies = [name for name in before[0] if name in ("policy.logits", "policy.weights")]
        changed.append({agent for agent, (old, new) in enumerate(pairs) if not np.array_equal(old[policies[0]], new[policies[0]])})
    assert changed == [{2}, {1, 2, 3}]
    # What neighbours hear of agent 2 is what they heard before: all that they know is the same.
    for agent in (0, 1, 3, 4):
        assert_same(before[agent], learned(private)[agent])


@pytest.mark.parametrize("evaluation", ["relabelled", "fresh"])
def test_the_critic_of_a_kept_term_adds_what_one_critic_of_both_would_have_said(evaluation: str) -> None:
    """Fixed points of temporal differences are linear in the signal."""
    settings = {
        **TABLES,
        "kappa_gradient": 0,
        "learning": {**TABLES["learning"], "evaluation": evaluation, "critic": {"solver": "lstd", "carry": False}},
    }
    private, shared, none = (
        network(settings, *terms) for terms in ([term("Counting", weight=-0.7)], [term("Counting", weight=-0.7, shared=True)], [])
    )
    for left, right, plain in zip(private.run(0, 3), shared.run(0, 3), none.run(0, 3), strict=True):
        assert left.column("gradient_sq") == pytest.approx(right.column("gradient_sq"), rel=1e-9)
        assert np.abs(left.column("gradient_sq") / plain.column("gradient_sq") - 1.0).max() > 0.01


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_the_task_as_a_shared_term_is_the_task(kind: str) -> None:
    base = ALGORITHMS[kind]
    task = network(base)
    terms = network({**base, "learning": {**base["learning"], "task_weight": 0.0}}, term("TaskAgain", weight=1.0, shared=True))
    for left, right in zip(task.run(0, 3), terms.run(0, 3), strict=True):
        if kind == "actor_critic":
            # A critic of its own has first weights of its own.
            break
        np.testing.assert_array_equal(left.column("gradient_sq"), right.column("gradient_sq"))
        np.testing.assert_array_equal(left.column("policy_entropy"), right.column("policy_entropy"))


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_what_a_term_is_given_is_what_was_known_before_the_update(kind: str) -> None:
    Asking.answers.clear()
    net = network(ALGORITHMS[kind], term("Asking", weight=0))
    list(net.run(0, 2))
    setup = net.setup
    for agent, ((first, values, _, _), (batch, later, each, probabilities)) in Asking.answers.items():
        networks = kind in ("actor_critic", "ppo")
        assert values.shape == later.shape == (2 if networks else 1, *batch.shape)
        if not networks:
            # Nothing was learned before the first iteration, and something before the second.
            assert not values.any()
            assert later.any()
        assert batch.window == net.agents[agent].critic_window
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-6)
        for j, (alternatives, known) in each.items():
            assert alternatives.shape == (*later.shape, setup.action_sizes((j,))[0])
            assert known.shape == alternatives.shape[1:]
            played = batch.traces[j].actions[:-1].astype(np.int64)[None, ..., None]
            along = np.take_along_axis(alternatives, np.broadcast_to(played, (*later.shape, 1)), axis=-1)[..., 0]
            np.testing.assert_allclose(along, later, rtol=1e-6)
            assert known.all() if networks else 0.0 < known.mean() <= 1.0
            assert (alternatives[:, ~known] == 0.0).all()
        assert first.iteration == 0
        assert batch.iteration == 1


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_agents_with_terms_go_on_from_a_checkpoint_to_the_same_bits(kind: str) -> None:
    terms = [term("Counting", weight=0.5, start=1, ramp=2), term("Counting", name="other", weight=0.25, shared=True)]
    whole, first, second = (network(ALGORITHMS[kind], *terms) for _ in range(3))
    list(whole.run(0, 4))
    list(first.run(0, 2))
    second.restore({agent: dict(arrays) for agent, arrays in first.snapshots.items()}, "here")
    records = list(second.run(2, 4))
    assert records[-1].column("counting_weight")[0] == 0.5
    assert records[-1].column("other_seen")[0] == 4
    for left, right in zip(whole.agents, second.agents, strict=True):
        assert_same(left.arrays(), right.arrays())


def test_a_schedule_starts_and_grows() -> None:
    settings = CustomTermSettings(kind=f"{TERMS}Counting", weight=-2, start=3, ramp=4)
    assert [settings.weight_at(k) for k in (0, 2, 3, 4, 5, 7, 100)] == [0.0, 0.0, 0.0, -0.5, -1.0, -2.0, -2.0]
    assert CustomTermSettings(kind=f"{TERMS}Counting", start=3).weight_at(3) == 1.0
    assert settings.label == "counting"


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        ([term("Counting"), term("Counting")], "both called 'counting'"),
        ([term("Counting", name="task")], "may not be called 'task'"),
        ([{"kind": "nothing"}], "no signal is called 'nothing'"),
        ([term("Missing")], "has no 'Missing'"),
        ([term("ForNetworks")], "no class of signals"),
        ([term("Counting", agents=[7])], "there is no agent 7"),
        ([term("Counting", parameters={"size": 3})], "size"),
        ([term("Counting", weight=1e12)], "weight"),
    ],
)
def test_a_term_that_cannot_be_is_one_line(signals: list[Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(Experiment.model_validate(TABLES).model_dump_json())
    with pytest.raises(ExperimentError) as caught:
        prepare(load_experiment(file, {"signals": signals}).experiment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_of_another_kind_end_the_run_in_one_line() -> None:
    net = network(TABLES, term("Wrong"))
    with pytest.raises(
        ForeignCodeError, match=r"signal_terms.py:\d+ in values: it gave int64 of shape \(8,\); return float64 of shape \(12, 8\)"
    ):
        list(net.run(0, 1))


@pytest.mark.parametrize(
    ("algorithm", "words"),
    [
        ({"kind": f"{TERMS}ForNetworks"}, "learns with networks, and policies are tables"),
        ({"kind": f"{TERMS}Counting"}, "no class of algorithms"),
        ({"kind": f"{TERMS}Silent", "parameters": {"speed": 1}}, "speed"),
        ({"kind": "sarsa"}, "no algorithm is called 'sarsa'"),
    ],
)
def test_an_algorithm_that_cannot_be_is_one_line(algorithm: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(Experiment.model_validate(TABLES).model_dump_json())
    with pytest.raises(ExperimentError) as caught:
        prepare(load_experiment(file, {"learning.algorithm": algorithm}).experiment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_kinds_that_an_algorithm_does_not_need_are_neither_sent_nor_heard() -> None:
    net = network({**TABLES, "learning": {**TABLES["learning"], "algorithm": {"kind": f"{TERMS}Silent"}}})
    records = list(net.run(0, 2))
    assert net.setup.in_neighbours(Kind.STATE, 2) == (1, 3)
    assert net.setup.in_neighbours(Kind.TRACE, 2) == net.setup.out_neighbours(Kind.TRUNCATED_Q, 2) == ()
    # Reports are counted in the iteration with whose first action they travel.
    assert set(records[1].ledger[:, 1].tolist()) == {Kind.STEP, Kind.ACTION, Kind.STATE, Kind.REPORT}
    assert net.setup.metric_names == ("return", "discounted_return", "utility", "objective", "luck")
    assert records[1].column("luck").tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert records[1].column("return").mean() == pytest.approx(records[1].team_return, rel=1e-12)
    assert np.isnan(records[1].column("violation")).all()
    with pytest.raises(KeyError, match="no metric is called 'fame'"):
        records[1].column("fame")


def test_a_metric_that_nobody_stated_is_refused() -> None:
    settings = {**TABLES["learning"], "algorithm": {"kind": f"{TERMS}Silent", "parameters": {"reported": "fame"}}}
    with pytest.raises(ExperimentError, match="reports the metric 'fame'"):
        list(network({**TABLES, "learning": settings}).run(0, 1))


def test_the_algorithm_of_tables_has_its_earlier_name_as_well() -> None:
    earlier = Experiment.model_validate({**TABLES, "learning": {"algorithm": {"kind": "tables"}}})
    assert earlier == Experiment.model_validate({**TABLES, "learning": {"algorithm": {"kind": "truncated_pg"}}})
    assert earlier.model_dump()["learning"]["algorithm"] == {"kind": "truncated_pg"}

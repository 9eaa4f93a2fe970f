"""Audits during a run: they measure true power, change no bit of what is learned, stay within the radii, and refuse what cannot be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.errors import EnvironmentMismatchError, ExperimentError, NetagentsError, ProtocolError, RunDirectoryError
from netagents.exact import ExactValues, JointModel
from netagents.exact.exact_power import power_matrices
from netagents.exact.joint_policy import JointPolicy
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.branch_audit import BranchAudit
from netagents.learning.prepared_experiment import prepare
from netagents.measures.power.branched_power import power_at_visits
from netagents.messages import ENVIRONMENT, BranchStep, Kind
from netagents.records import Run
from netagents.records.audited_rows import AUDITS
from tests.learning.test_algorithms_page import succeeds
from tests.learning.test_frozen_agents import run_of

AUDIT: dict[str, Any] = {"every": 2, "visits": 6, "replicates": 2, "tail": 0.3}
SHORT: dict[str, Any] = {"iterations": 3, "batch": 4, "horizon": 4, "gamma": 0.7}
NET: dict[str, Any] = {"kind": "mlp", "hidden": [4]}
PPO: dict[str, Any] = {"algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [4], "steps": 1}}}
THREE: dict[str, Any] = {"kind": "complete", "n": 3}

CASES: dict[str, dict[str, Any]] = {
    "tables": line_msg(4, kappa=1, learning=SHORT),
    "nobody hears anybody": line_msg(3, kappa=0, learning=SHORT),
    "an intervention and a frozen greedy agent": line_msg(
        4,
        kappa=1,
        learning=SHORT,
        agents=[{"agents": [2], "role": "frozen", "greedy": True}],
        interventions=[{"kind": "random", "agents": [1], "probability": 0.5}],
    ),
    "observed scales, boxes and a graph that moves": {
        "environment": {"kind": "rendezvous"},
        "topology": THREE,
        "policy": {**NET, "box": "tanh"},
        "learning": {**SHORT, "gamma": 0.5, "algorithm": {"kind": "maddpg", "updates": 1, "minibatch": 4}},
    },
    "masks": {
        "environment": {"kind": "kitchen"},
        "topology": {"kind": "complete", "n": 2},
        "policy": NET,
        "learning": {**SHORT, **PPO, "gamma": 0.4},
    },
    "memory": {
        "environment": {"kind": "cue_recall", "cues": 2, "delay": 2},
        "topology": {"kind": "line", "n": 2},
        "kappa": 1,
        "kappa_policy": 0,
        "policy": {"kind": "gru", "units": 4},
        "learning": {**PPO, "iterations": 3, "batch": 4, "gamma": 0.6},
    },
    "a population": {
        "environment": {"kind": "game", "horizon": 4, "rules": {"kind": "stag_hunt"}, "memory": "last_action"},
        "topology": THREE,
        "kappa": 1,
        "kappa_policy": 0,
        "learning": {"iterations": 3, "batch": 4, "gamma": 0.6},
        "agents": [{"agents": [0, 1, 2], "role": "population", "members": 2, "homes": [0, 1], "learners": 1, "generation": 2}],
    },
    "ex ante power": {**line_msg(3, kappa=1, learning={**SHORT, **PPO}), "policy": NET, "power": {"variant": "ex_ante"}},
    "user's policies that draw global numbers": {
        **line_msg(3, kappa=1, learning=SHORT),
        "policy": {"kind": "import:globally_drawing:Noisy"},
    },
}


def audited(settings: dict[str, Any], **audit: Any) -> dict[str, Any]:
    return {**settings, "power": {**settings.get("power", {}), "audit": {**AUDIT, **audit}}}


def played(settings: dict[str, Any], observer: Any = None) -> tuple[InProcessNetwork, list[Any]]:
    prepared = prepare(load_experiment(settings).experiment, Path("tests/support").absolute())
    network = InProcessNetwork(prepared.setup, prepared.environment, observer)
    return network, list(network.run(0, prepared.experiment.learning.iterations))


@pytest.mark.parametrize("case", CASES)
def test_bits_are_the_same_with_and_without_audits(case: str) -> None:
    (plain, without), (branched, audits) = (played(each) for each in (CASES[case], audited(CASES[case])))
    assert [record.iteration for record in audits if record.audited is not None] == [0, 2]
    assert all(record.audited is None for record in without)
    for one, other in zip(without, audits, strict=True):
        np.testing.assert_array_equal(one.metrics, other.metrics)
        assert (one.team_return, one.discounted_return) == (other.team_return, other.discounted_return)
        for left, right in zip(one.power, other.power, strict=True):
            np.testing.assert_array_equal(left, right)
    for agent, arrays in plain.snapshots.items():
        for name in arrays:
            if not name.startswith("ledger."):
                np.testing.assert_array_equal(arrays[name], branched.snapshots[agent][name], err_msg=f"{name} of agent {agent}")
    power = audits[0].audited.power
    assert np.isfinite(power[~np.eye(len(power), dtype=bool)]).all()
    # Whoever looks at messages gets them one by one, and the same bits.
    looked = played(audited(CASES[case]), lambda *_: None)[1]
    for one, other in zip(audits, looked, strict=True):
        assert (one.audited is None) == (other.audited is None)
        if one.audited is not None:
            np.testing.assert_array_equal(one.audited.power, other.audited.power)


def test_an_audit_measures_the_exact_power_of_the_policies_that_play() -> None:
    settings = line_msg(3, kappa=1, learning={"iterations": 3, "batch": 256, "horizon": 8, "gamma": 0.7, "learning_rate": 20.0})
    prepared = prepare(load_experiment(audited(settings, visits=256, replicates=16, tail=0.01)).experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    model = JointModel(prepared.environment.kernel(), 0.7)  # type: ignore[attr-defined]
    off = ~np.eye(3, dtype=bool)
    policies: list[Any] = []
    iterate = network._iterate

    def note_policies(iteration: int) -> None:
        tables = [agent.policy for agent in network.agents]
        policies.append(JointPolicy(tuple(t.window for t in tables), tuple(t.probabilities.copy() for t in tables)))  # type: ignore[attr-defined]
        iterate(iteration)

    network._iterate = note_policies  # type: ignore[method-assign]
    for record in network.run(0, 3):
        if record.audited is None:
            continue
        values = ExactValues(model, policies[record.iteration])
        expected = power_matrices(values, values.action_values(model.rewards), values.visits(8)).realized
        result = record.audited
        assert result.visits.tolist() == [256, 256, 256]
        inside = [result.interval(j, i).low <= expected[j, i] <= result.interval(j, i).high for j, i in np.argwhere(off)]
        assert sum(inside) >= 5
        assert result.power[1, 0] == pytest.approx(expected[1, 0], rel=0.1)


def test_branches_take_up_what_an_agent_with_memory_had_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = audited({**CASES["memory"], "agents": [{"agents": [0, 1], "role": "frozen", "greedy": True}]}, visits=12, tail=0.5)
    settings["learning"] = {"iterations": 1, "batch": 16, "gamma": 0.3, **PPO}
    prepared = prepare(load_experiment(settings).experiment)
    rewards: list[Any] = []
    memories: list[Any] = []

    def observe(agent: int, turn: ExchangeRequest, messages: list[Any]) -> None:
        if turn.kind is Kind.STEP and agent == 0:
            rewards.append(messages[0].reward)
        if turn.kind is Kind.BRANCH_STEP and turn.step == 0 and agent == 0:
            memories.append(messages[0].origins)

    network = InProcessNetwork(prepared.setup, prepared.environment, observe)
    for agent in network.agents:
        weights = agent.policy.weights  # type: ignore[attr-defined]
        # Far from zero, so that answers differ between memories.
        agent.policy.load(np.random.default_rng(agent.index).normal(0.0, 1.5, weights.shape).astype(np.float32))
    result: list[Any] = []
    power = BranchAudit._power
    monkeypatch.setattr(BranchAudit, "_power", lambda self, values, legal: result.append(values) or power(self, values, legal))
    monkeypatch.setattr("netagents.launchers.in_process_network.load_frozen_policy", lambda _: None)
    next(network.run(0, 1))
    steps, copies = np.divmod(memories[0], 16)
    # A rollout of one step: what was rewarded at the visit; all is deterministic after the cue.
    length = prepared.setup.branch_plan.length  # type: ignore[union-attr]
    gain = np.array(rewards)[1:]
    horizon = len(gain)
    expected = [sum(0.3**k * gain[t + k, c] for k in range(length) if t + k < horizon) for t, c in zip(steps, copies, strict=True)]
    np.testing.assert_allclose(result[0][0, :, :, 0].mean(axis=1), expected)
    assert len(set(steps.tolist())) > 2
    assert np.std(expected) > 0.0


@pytest.mark.parametrize("kappa_policy", [0, 1, 2])
def test_a_disturbance_spreads_in_branches_no_faster_than_the_radius_allows(kappa_policy: int) -> None:
    n, disturbed = 9, 4
    settings = line_msg(
        n, environment={"coupling": 0.0}, kappa=1, kappa_policy=kappa_policy, learning={"iterations": 1, "batch": 32, "horizon": 1}
    )
    settings = {**audited(settings, visits=32, replicates=8, holders=[0]), "learning": {**settings["learning"], "gamma": 0.75}}

    def branches(*, disturb: bool) -> dict[tuple[int, int], Any]:
        states: dict[tuple[int, int], Any] = {}

        def observe(agent: int, turn: ExchangeRequest, messages: list[Any]) -> None:
            if turn.kind is Kind.BRANCH_STEP:
                states[turn.step, agent] = messages[0].observation[:256]
            if turn.kind in (Kind.BRANCH_STATE, Kind.STATE):
                assert all(abs(sender - agent) <= kappa_policy for sender in turn.senders)

        prepared = prepare(load_experiment(settings).experiment)
        network = InProcessNetwork(prepared.setup, prepared.environment, observe)
        for agent in network.agents:
            agent.policy.load(np.random.default_rng(agent.index).normal(size=agent.policy.logits.shape))  # type: ignore[attr-defined]
        if disturb:
            policy: Any = network.agents[disturbed].policy
            policy.load(policy.logits + np.array([[0.0, -2.0]]))
        list(network.run(0, 1))
        return states

    calm, stirred = branches(disturb=False), branches(disturb=True)
    arrived = set()
    for (step, agent), states in calm.items():
        # With realized power, the actions of step 0 are those that were played; the disturbed policy is asked at step 1 first.
        left = (step - 1) * max(1, kappa_policy) if step else -1
        right = (step - 1) * kappa_policy if step else -1
        if (states != stirred[step, agent]).any():
            arrived.add((step, agent))
            assert disturbed - left <= agent <= disturbed + right, f"agent {agent} differs at step {step}"
    assert (2, disturbed) in arrived or (1, disturbed) in arrived
    if kappa_policy:
        assert any(agent > disturbed for _, agent in arrived)


REFUSED: list[tuple[dict[str, Any], str]] = [
    (audited({**CASES["tables"], "information": "aged"}), r"power\.audit: policies read aged information"),
    (audited(CASES["tables"], holders=[9]), r"power\.audit\.holders: there is no agent 9; agents are 0 to 3"),
    (audited(CASES["tables"], replicates=3), r"3 replicates have no two halves; use an even number"),
    (audited({**CASES["tables"], "clock": {"kind": "free_running", "period": 0.01}}), r"power\.audit needs the decision of every agent"),
    (audited({**CASES["tables"], "failures": {"agent": "continue_without"}}), r"power\.audit needs the decision of every agent"),
    (audited({**CASES["tables"], "mute": ["branch_state"]}), r"'branch_state' is no kind of message between agents"),
    (
        audited(CASES["observed scales, boxes and a graph that moves"], points=64),
        r"power\.audit, agent 0: the worst of 4096 points of a grid over 2 numbers cannot be looked for",
    ),
]


@pytest.mark.parametrize(("settings", "line"), REFUSED, ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_what_cannot_be_audited_is_one_line_before_anything_starts(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(NetagentsError, match=line):
        prepare(load_experiment(settings).experiment)


def test_an_environment_that_keeps_its_state_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from netagents.environments.builtin.line_msg import LineMsg

    made = LineMsg.__init__

    def secretive(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        object.__setattr__(self.spec, "capabilities", self.spec.capabilities.__class__(branchable=False))

    monkeypatch.setattr(LineMsg, "__init__", secretive)
    line = r"power\.audit: environment 'line_msg' keeps its state to itself.*leave power\.audit out"
    with pytest.raises(EnvironmentMismatchError, match=line):
        prepare(load_experiment(audited(CASES["tables"])).experiment)


def test_branches_begin_only_where_the_agent_has_been() -> None:
    prepared = prepare(load_experiment(audited(CASES["tables"])).experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment, lambda *_: None)
    deliver = network._deliver

    def elsewhere(sender: int, outgoing: Any) -> None:
        if outgoing.kind is Kind.BRANCH_STEP and isinstance(outgoing.message, BranchStep) and sender == ENVIRONMENT:
            outgoing = outgoing._replace(message=outgoing.message._replace(origins=outgoing.message.origins + 100_000))
        deliver(sender, outgoing)

    network._deliver = elsewhere  # type: ignore[method-assign]
    with pytest.raises(ProtocolError, match="branches begin where nobody has been"):
        next(network.run(0, 1))


def test_illegal_actions_are_never_the_worst() -> None:
    own = np.ones((1, 2, 1))
    forced = np.array([[[[np.inf], [np.inf]]], [[[0.5], [0.75]]]])
    result = power_at_visits(own, forced)
    assert result.low.tolist() == result.high.tolist() == [[0.375]]


def test_audits_are_recorded_cut_off_by_a_resume_and_read_again(tmp_path: Path) -> None:
    settings = audited({**CASES["tables"], "checkpoints": {"every": 1}}, holders=[1, 3])
    whole = run_of(settings, tmp_path)
    assert sorted(whole.audited_power) == [0, 2]
    result = whole.audited_power[2]
    assert result.visits.tolist() == [0, 6, 0, 6]
    assert np.isnan(result.power[[0, 2]]).all()
    assert np.isfinite(result.power[1, [0, 2, 3]]).all()
    assert {path.name for path in (whole.path / "tables").iterdir()} > {"audited.parquet"}
    plain = run_of({**CASES["tables"], "name": "plain"}, tmp_path)
    assert plain.audited_power == {}
    assert not (plain.path / AUDITS).exists()
    # A row from the future, as after a crash between it and the row of metrics, is not shown, and a damaged one is one line.
    rows = (whole.path / AUDITS).read_text().splitlines(keepends=True)
    (whole.path / AUDITS).write_text("".join([*rows, rows[-1].replace('"iteration":2', '"iteration":4')]))
    assert sorted(Run.open(whole.path).audited_power) == [0, 2]
    for damage in (rows[0] + rows[0], rows[0].replace('"visits":[6,6]', '"visits":[6]'), rows[0].replace('"holders":[1', '"holders":[7')):
        (whole.path / AUDITS).write_text(damage)
        with pytest.raises(RunDirectoryError):
            _ = Run.open(whole.path).audited_power


def test_a_misspelt_holder_is_refused_before_a_run_directory_exists(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="no agent 9"):
        run_of(audited(CASES["tables"], holders=[9]), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_page_prints_what_it_says(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "power.md").read_text()
    blocks = re.findall(r"^```(yaml|python|text)\n(.*?)^```", text[text.index("## Audits during a run") :], flags=re.DOTALL | re.MULTILINE)
    yaml, python, printed = (content for _, content in blocks[:3])
    (tmp_path / "audited.yaml").write_text(yaml + "runtime: {launcher: in_process}\n")
    assert succeeds(tmp_path, "-c", python) == printed

"""Populations of seats: the lottery, self-play and population play, what moves between seats, and the same bits everywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netagents
from netagents.errors import NetagentsError
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.population import Population, member_seed
from netagents.messages import Kind
from netagents.records.bank_creation import make_bank
from netagents.records.same_bits import same_bits

GAME: dict[str, Any] = {
    "name": "hunt",
    "environment": {"kind": "game", "horizon": 6, "rules": {"kind": "stag_hunt"}, "memory": "last_action"},
    "topology": {"kind": "complete", "n": 3},
    "kappa": 1,
    "kappa_policy": 0,
    "learning": {"iterations": 6, "batch": 8, "learning_rate": 5},
    "runtime": {"launcher": "in_process"},
}
NETWORKS = {**GAME, "policy": {"kind": "mlp", "hidden": [8]}, "learning": {"iterations": 6, "batch": 8, "algorithm": {"kind": "ppo"}}}
SELF_PLAY = {"agents": [0, 1], "role": "population", "homes": [0], "generation": 2}
PLAY_OF_3 = {**SELF_PLAY, "members": 3}
MIXED = {"agents": [0, 1, 2], "role": "population", "members": 2, "homes": [0, 1], "learners": 1, "generation": 2}


def network(settings: dict[str, Any], *groups: dict[str, Any], **changes: Any) -> InProcessNetwork:
    prepared = prepare(Experiment.model_validate({**settings, "agents": list(groups), **changes}))
    return InProcessNetwork(prepared.setup, prepared.environment)


def parameters(policy: Any) -> np.ndarray:
    return np.array(getattr(policy, policy.component))


def test_the_lottery_is_fair_seeded_and_keeps_the_rules() -> None:
    population = Population((2, 4, 7, 9), (2, 4, 7), members=3, generation=5, learners=2, seed=11)
    counts: Counter[tuple[int, int]] = Counter()
    learning: Counter[int] = Counter()
    for generation in range(3000):
        seats = population.seats(5 * generation)
        assert seats == population.seats(5 * generation + 4)
        assert sorted(seats) == [2, 4, 7, 9]
        assert sum(seat.learns for seat in seats.values()) == 2
        for agent, seat in seats.items():
            assert (seat.home == agent) == seat.learns
            assert population.moves(seat.home, agent) or seat.learns
        learning.update(agent for agent, seat in seats.items() if seat.learns)
        counts[seats[9].home, seats[9].member] += 1
    assert set(counts) == {(home, member) for home in (2, 4, 7) for member in range(3)}
    # Nine equally likely outcomes and three pairs of learners: within four standard deviations.
    assert all(abs(count - 3000 / 9) < 4 * np.sqrt(3000 * (1 / 9) * (8 / 9)) for count in counts.values())
    assert all(abs(count - 2000) < 4 * np.sqrt(3000 * (2 / 9)) for count in learning.values())
    assert population.seats(0) != Population((2, 4, 7, 9), (2, 4, 7), 3, 5, 2, seed=12).seats(0) or population.seats(5) is not None
    assert len({member_seed(11, agent, member) for agent in (2, 4) for member in range(1, 50)}) == 98
    total = sum(population.transfers(52).values())
    assert total == 2 * 11


@pytest.mark.parametrize("settings", [GAME, NETWORKS])
def test_in_self_play_the_other_seat_plays_the_latest_policy_of_the_learner(settings: dict[str, Any]) -> None:
    net = network(settings, SELF_PLAY)
    home, guest, third = net.agents
    before = [parameters(home.policy)]
    played = []
    records = list(net.run(0, 6))
    # Records come one iteration late, so the policies are looked at through another network that stops earlier.
    for stop in range(1, 7):
        other = network(settings, SELF_PLAY)
        list(other.run(0, stop))
        before.append(parameters(other.agents[0].policy))
        played.append(parameters(other.agents[1].policy))
    assert all(np.array_equal(played[k], before[2 * (k // 2)]) for k in range(6))
    assert not np.array_equal(before[0], before[1])
    assert all(record.column("learns")[:2].tolist() == [1.0, 0.0] for record in records)
    assert np.isnan(records[-1].column("gradient_sq")[1])
    assert np.isnan(records[-1].column("home")[2])
    assert parameters(third.policy).any(), "who is not in the group learns as ever"
    assert parameters(guest.policy).shape == parameters(home.policy).shape


@pytest.mark.parametrize("settings", [GAME, NETWORKS])
def test_of_a_population_only_the_member_that_plays_learns(settings: dict[str, Any]) -> None:
    net = network(settings, PLAY_OF_3)
    seat: Any = net.agents[0]
    population = net.setup.populations[0]
    if settings is NETWORKS:
        first = [parameters(member.policy) for member in seat.members]
        assert not np.array_equal(first[0], first[1]), "networks begin differently"
    for iteration in range(6):
        before = [parameters(member.policy) for member in seat.members]
        net._iterate(iteration)
        changed = [not np.array_equal(old, parameters(member.policy)) for old, member in zip(before, seat.members, strict=True)]
        seats = population.seats(iteration)[0]
        assert changed == [number == seats.member for number in range(3)]
        visiting = population.seats(iteration)[1]
        if population.begins(iteration):
            assert np.array_equal(parameters(net.agents[1].policy), before[visiting.member])


@pytest.mark.parametrize("settings", [GAME, NETWORKS])
def test_a_population_of_one_member_in_which_all_learn_is_a_group_of_selfish_learners(settings: dict[str, Any]) -> None:
    alone = network(settings, {"agents": [0, 1, 2], "role": "population"})
    selfish = network(settings, {"agents": [0, 1, 2], "incentive": {"kind": "selfish"}})
    for left, right in zip(alone.run(0, 4), selfish.run(0, 4), strict=True):
        assert left.team_return == right.team_return
    for agent, other in zip(alone.agents, selfish.agents, strict=True):
        assert np.array_equal(parameters(agent.policy), parameters(other.policy))


def test_policies_move_only_from_homes_to_seats_and_are_counted() -> None:
    net = network(GAME, MIXED)
    moved: list[tuple[int, int, int]] = []
    sizes = set()
    for number, record in enumerate(net.run(0, 6)):
        for sender, kind, receiver, _, messages, size in record.ledger.tolist():
            if kind == Kind.POLICY_PARAMETERS:
                moved += [(number, sender, receiver)] * messages
                sizes.add(size)
    population = net.setup.populations[0]
    expected = [(start, seat.home, agent) for start in (0, 2, 4) for agent, seat in population.seats(start).items() if not seat.learns]
    assert sorted(moved) == sorted(expected)
    (home_policy,) = {member.policy.logits.nbytes for agent in net.agents[:2] for member in agent.members}  # type: ignore[attr-defined]
    assert sizes == {home_policy}
    assert {receiver for _, _, receiver in moved} <= {0, 1, 2}
    assert net.setup.in_neighbours(Kind.POLICY_PARAMETERS, 2) == (0, 1)
    assert net.setup.out_neighbours(Kind.POLICY_PARAMETERS, 2) == ()
    assert net.setup.in_neighbours(Kind.TRACE, 2) == (), "a seat that never learns needs no traces"


def run_of(settings: dict[str, Any], path: Path, launcher: str, iterations: int, *groups: dict[str, Any], **changes: Any) -> netagents.Run:
    learning = {**settings["learning"], "iterations": iterations}
    experiment = {**settings, "learning": learning, "agents": list(groups), "runtime": {"launcher": launcher}, **changes}
    return netagents.run(experiment, directory=path)


@pytest.mark.parametrize("settings", [GAME, NETWORKS])
@pytest.mark.parametrize("half", [3, 4], ids=["within a generation", "between generations"])
def test_resume_leaves_the_bits_of_the_whole(settings: dict[str, Any], half: int, tmp_path: Path) -> None:
    whole = run_of(settings, tmp_path / "whole", "in_process", 8, MIXED)
    run_of(settings, tmp_path / "half", "in_process", half, MIXED)
    resumed = netagents.resume(tmp_path / "half", "learning.iterations=8")
    assert same_bits(whole, resumed) == []


@pytest.mark.system
@pytest.mark.parametrize("settings", [GAME, NETWORKS])
def test_processes_leave_the_same_bits_also_after_a_restart(settings: dict[str, Any], tmp_path: Path) -> None:
    restart = {"failures": {"agent": "restart", "delay": 0.0}, "checkpoints": {"every": 3}}
    crash = {"faults": [{"kind": "crash", "agent": 1, "iteration": 5, "phase": "trace"}]}
    whole = run_of(settings, tmp_path / "whole", "in_process", 8, MIXED, **restart)
    local = run_of(settings, tmp_path / "local", "local", 8, MIXED, **restart, **crash)
    assert [event["event"] for event in local.events].count("restarted") == 1
    assert same_bits(whole, local) == []
    tcp = {"launcher": "local", "transport": "tcp"}
    assert same_bits(whole, run_of(settings, tmp_path / "tcp", "local", 8, MIXED, **restart, runtime=tcp)) == []


def test_a_bank_of_a_population_has_every_member_and_feeds_fictitious_co_play(tmp_path: Path) -> None:
    learned = run_of(NETWORKS, tmp_path / "run", "in_process", 6, PLAY_OF_3)
    bank = make_bank(tmp_path / "bank", [learned.directory], untrained=True)
    assert [member.population for member in bank.members] == [None, 0, 1, 2]
    stored = learned.parameters(0)
    for member in bank.members[1:]:
        assert np.array_equal(bank.arrays(member.name, {0})[0]["policy.weights"], stored[f"member.{member.population}.policy.weights"])
    policy = {"bank": str(bank.path), "members": bank.names[1:], "generation": 2, "agent": 0}
    group = {"agents": [1, 2], "role": "frozen", "policy": policy}
    whole = run_of(NETWORKS, tmp_path / "whole", "in_process", 12, group)
    run_of(NETWORKS, tmp_path / "half", "in_process", 5, group)
    assert same_bits(whole, netagents.resume(tmp_path / "half", "learning.iterations=12")) == []
    net = network(NETWORKS, group)
    from netagents.records.frozen_policies import load_frozen_policy

    drawn = []
    for agent in net.agents:
        load_frozen_policy(agent)
    for iteration in range(12):
        net._iterate(iteration)
        drawn.append(next(k for k in range(3) if np.array_equal(parameters(net.agents[1].policy), stored[f"member.{k}.policy.weights"])))
    assert all(drawn[k] == drawn[k + 1] for k in range(0, 12, 2))
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    ("group", "changes", "words"),
    [
        ({**SELF_PLAY, "homes": [2]}, {}, "homes are agents of the group"),
        ({**SELF_PLAY, "learners": 2}, {}, r"more learners \(2\) than homes \(1\)"),
        ({"agents": [0], "members": 2, "incentive": {"kind": "team"}}, {}, "belong to role population"),
        ({"agents": [0, 9], "role": "population"}, {}, "there is no agent 9"),
        (SELF_PLAY, {"kappa_gradient": 0}, "cannot reach agent 1"),
        (SELF_PLAY, {"mute": ["policy_parameters"]}, "cannot reach agent 1"),
        (SELF_PLAY, {"kappa_policy": 1}, "stand at different places"),
        (SELF_PLAY, {"routing": "relay"}, "travel directly"),
        (SELF_PLAY, {"failures": {"agent": "continue_without"}}, "cannot go on without a seat"),
        (SELF_PLAY, {"clock": {"kind": "bounded_staleness", "steps": 1}, "runtime": {"launcher": "local"}}, "plain lockstep"),
    ],
)
def test_populations_that_cannot_be_are_one_line(group: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    with pytest.raises((NetagentsError, ValueError), match=words) as caught:
        prepare(Experiment.model_validate({**GAME, "agents": [group], **changes}))
    if isinstance(caught.value, NetagentsError):
        assert "\n" not in str(caught.value)


def test_seats_with_other_spaces_are_refused() -> None:
    changes = {"environment": {"kind": "game", "rules": {"kind": "rely"}}, "topology": {"kind": "complete", "n": 3}}
    with pytest.raises(NetagentsError, match="have different actions"):
        prepare(Experiment.model_validate({**GAME, **changes, "agents": [{"agents": [0, 2], "role": "population", "homes": [0]}]}))

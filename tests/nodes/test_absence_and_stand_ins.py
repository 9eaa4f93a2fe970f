"""What stands for an agent that is not there: at the server, and at its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiments import line_msg
from scipy import stats

from netagents.environments.spaces import Box, Discrete
from netagents.experiment import load_experiment
from netagents.learning import ExchangeRequest, Setup, Turns
from netagents.learning.interventions.action_sources import uniform_actions
from netagents.learning.prepared_experiment import prepare
from netagents.learning.protocol.age_counts import ABSENT, BINS, AgeCounts, ages_by_kind
from netagents.learning.protocol.missing_neighbours import LastKnown, without_absent
from netagents.learning.protocol.requests import Outgoing
from netagents.messages import NEIGHBOUR_KINDS, Kind, ShadowReward, State, Step, Trace, TruncatedQ
from netagents.nodes.clocks.stand_ins import LostRewards, StandIns, legal

SETTINGS: dict[str, Any] = line_msg(4, iterations=3, batch=5, horizon=6, learning={"gamma": 0.5}, seed=3)


@pytest.fixture(scope="module")
def setup() -> Setup:
    return prepare(load_experiment(SETTINGS).experiment).setup


def step(reward: float = 0.0, mask: np.ndarray | None = None) -> Step:
    zeros = np.zeros(5, np.uint8)
    return Step(zeros, np.full(5, reward), zeros, None, mask)


def turn(
    kind: Kind, iteration: int, at: int = 0, senders: tuple[int, ...] = (1,), outgoing: list[Outgoing] | None = None
) -> ExchangeRequest:
    return ExchangeRequest(outgoing or [], kind, iteration, at, senders)


def test_an_absent_neighbour_stands_still_at_what_was_last_heard(setup: Setup) -> None:
    ages = AgeCounts()
    memory = LastKnown(setup, ages)
    # Nothing was ever heard: zeros, and counted as absent.
    blank = memory.substitute(turn(Kind.STATE, 0), 1)
    assert isinstance(blank, State)
    np.testing.assert_array_equal(blank.values, np.zeros(5))
    last, actions = np.array([1, 0, 1, 1, 0], np.uint8), np.tile(np.array([0, 1, 1, 0, 1], np.uint8), (7, 1))
    memory.remember(turn(Kind.STATE, 1, 6), 1, State(last))
    memory.remember(turn(Kind.TRACE, 1), 1, Trace(np.zeros((7, 5), np.uint8), actions))
    memory.remember(turn(Kind.SHADOW_REWARD, 1), 1, ShadowReward(np.ones((2, 2)), np.ones((6, 5))))
    before = memory.copy()
    later = memory.substitute(turn(Kind.STATE, 3, 2), 1)
    trace = memory.substitute(turn(Kind.TRACE, 3), 1)
    shadow = memory.substitute(turn(Kind.SHADOW_REWARD, 3), 1)
    values = memory.substitute(turn(Kind.TRUNCATED_Q, 3), 1)
    assert isinstance(later, State)
    assert isinstance(trace, Trace)
    assert isinstance(shadow, ShadowReward)
    assert isinstance(values, TruncatedQ)
    np.testing.assert_array_equal(later.values, last)
    np.testing.assert_array_equal(trace.states, np.tile(last, (7, 1)))
    np.testing.assert_array_equal(trace.actions, np.tile(actions[-1], (7, 1)))
    # This run shares Q-values, so that no signal travels beside the table.
    assert (shadow.table.shape, shadow.signal.shape) == ((2, 2), (0, 0))
    assert not shadow.table.any()
    assert not shadow.signal.any()
    np.testing.assert_array_equal(values.values, np.zeros((6, 5)))
    # From step 6 of iteration 1 to step 2 of iteration 3, of seven steps each: 10 steps; a trace ages by iterations.
    assert ages_by_kind(ages.counts) == {
        "state": {"10": 1, "absent": 1},
        "trace": {"2": 1},
        "shadow_reward": {"absent": 1},
        "truncated_q": {"absent": 1},
    }
    # A copy goes on from where it was made.
    memory.remember(turn(Kind.STATE, 5, 0), 1, State(last + 1))
    np.testing.assert_array_equal(before.substitute(turn(Kind.STATE, 5, 1), 1).values, last)  # type: ignore[union-attr]


def test_nothing_is_sent_to_the_lost_and_nothing_awaited_from_them(setup: Setup) -> None:
    received: list[Any] = []

    def agent() -> Turns:
        sent_messages = [
            Outgoing(Kind.STATE, 2, 0, State(np.zeros(5, np.uint8)), (0, 2)),
            Outgoing(Kind.STATE, 2, 0, State(np.zeros(5, np.uint8)), (2,)),
        ]
        received.append((yield turn(Kind.STATE, 2, 0, (0, 2, 3), sent_messages)))
        received.append((yield turn(Kind.STEP, 2, 1, (-1,))))

    turns = without_absent(agent(), LastKnown(setup, AgeCounts()), {2})
    first = next(turns)
    assert first.senders == (0, 3)
    assert [outgoing.receivers for outgoing in first.outgoing] == [(0,)]
    own = State(np.ones(5, np.uint8))
    second = turns.send([own, None])
    np.testing.assert_array_equal([message.values for message in received[0]], [np.ones(5), np.zeros(5), np.zeros(5)])
    assert second.senders == (-1,)
    with pytest.raises(StopIteration):
        turns.send([step()])


def test_ages_beyond_the_bins_share_the_last_one() -> None:
    ages = AgeCounts()
    for age in (0, 15, 16, 10_000, ABSENT):
        ages.count(Kind.STATE, age)
    assert ages.counts.shape == (len(NEIGHBOUR_KINDS), BINS)
    assert ages_by_kind(ages.counts) == {"state": {"0": 1, "15": 1, "16 or more": 2, "absent": 1}}
    assert ages.stale == 4


def test_stand_ins_depend_on_the_agent_and_the_iteration_alone(setup: Setup) -> None:
    def block(kind: Any, agent: int, iteration: int) -> np.ndarray:
        stand_ins = StandIns(setup, kind)
        return np.array([stand_ins.act(agent, iteration, step()) for _ in range(6)])

    assert not block("noop", 1, 0).any()
    np.testing.assert_array_equal(block("random", 1, 4), block("random", 1, 4))
    assert (block("random", 1, 4) != block("random", 1, 5)).any()
    assert (block("random", 1, 4) != block("random", 2, 4)).any()
    stand_ins = StandIns(setup, "last")
    assert not stand_ins.act(1, 0, step()).any()
    stand_ins.remember(1, np.array([1, 0, 1, 0, 1], np.uint8))
    np.testing.assert_array_equal(stand_ins.act(1, 0, step()), [1, 0, 1, 0, 1])
    # Begun anew, an iteration draws the same again.
    stand_ins = StandIns(setup, "random")
    once = np.array([stand_ins.act(1, 4, step()) for _ in range(6)])
    stand_ins.forget()
    np.testing.assert_array_equal(once, [stand_ins.act(1, 4, step()) for _ in range(6)])


def test_stand_ins_do_only_what_is_legal(setup: Setup) -> None:
    mask = np.tile([False, True], (5, 1))
    for kind in ("noop", "random", "last"):
        assert (StandIns(setup, kind).act(0, 0, step(mask=mask)) == 1).all()  # type: ignore[arg-type]


def test_an_action_that_is_no_longer_legal_gives_way_to_the_first_that_is() -> None:
    mask = np.array([[True, True, False], [False, True, True], [False, False, True], [True, False, False], [True, True, True]])
    actions = np.array([2, 0, 2, 1, 1], np.uint8)
    replacement = legal(actions, step(mask=mask))
    np.testing.assert_array_equal(replacement, [0, 1, 2, 0, 1])
    assert replacement.dtype == np.uint8
    assert legal(actions, step()) is actions
    assert legal(actions, None) is actions


def test_random_actions_are_uniform_over_what_is_legal_and_within_a_box() -> None:
    uniforms = np.random.default_rng(0).random(30_000)
    counts = np.bincount(uniform_actions(Discrete(5), uniforms), minlength=5)
    assert stats.chisquare(counts).pvalue > 1e-3
    mask = np.tile([True, False, True, True, False], (30_000, 1))
    legal = np.bincount(uniform_actions(Discrete(5), uniforms, mask), minlength=5)
    assert legal[[1, 4]].sum() == 0
    assert stats.chisquare(legal[[0, 2, 3]]).pvalue > 1e-3
    boxed = uniform_actions(Box((1,), -0.5, 3.0), uniforms[:, None])
    assert stats.kstest(boxed[:, 0], stats.uniform(-0.5, 1.5).cdf).pvalue > 1e-3


def test_the_return_of_a_lost_agent_is_kept(setup: Setup) -> None:
    rewards = LostRewards(setup)
    for reward in (7.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0):  # that of step 0 is of no step, the last one beyond the horizon
        rewards.add(step(reward))
    report = rewards.report()
    assert report.metrics[0] == 21.0
    assert report.metrics[1] == sum(reward * 0.5**t for t, reward in enumerate((1.0, 2.0, 3.0, 4.0, 5.0, 6.0)))
    assert np.isnan(report.metrics[2:]).all()

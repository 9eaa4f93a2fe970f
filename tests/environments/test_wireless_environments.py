from __future__ import annotations

import numpy as np
import pytest
from environment_references import bits, cells, graph, line, number, wireless_qu_lin_step, wireless_spdac_step
from environment_rollouts import assert_equals_reference, assert_scopes_are_minimal, episode_returns, exact_uniform_return, uniform
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments.builtin.access_points import access_layout
from netagents.environments.builtin.aloha import aloha, best_aloha, sampled_returns
from netagents.environments.builtin.wireless_qu_lin import WirelessQuLin
from netagents.environments.builtin.wireless_spdac import WirelessSpdac
from netagents.errors import CapacityError, EnvironmentMismatchError, ExperimentError
from netagents.experiment.environment_settings import WirelessQuLinSettings, WirelessSpdacSettings
from netagents.experiment.topology_settings import AccessGridSettings, KingGridSettings
from netagents.testing import check_environment
from netagents.topology import build_topology
from netagents.topology.access_grid import access_grid_edges

SIDES = st.integers(2, 4)
CHANCES = st.floats(0.0, 1.0)


@settings(max_examples=30, deadline=None)
@given(rows=SIDES, columns=SIDES, deadline=st.integers(1, 4), success=CHANCES, arrival=CHANCES, seed=st.integers(0, 2**32 - 1))
def test_spdac_step_equals_the_per_user_reference(rows, columns, deadline, success, arrival, seed):
    environment = WirelessSpdac(cells(rows, columns, 1), WirelessSpdacSettings(deadline=deadline, success=success, arrival=arrival))
    assert_equals_reference(
        environment, lambda s, a, u: wireless_spdac_step(s, a, u, rows, columns, deadline, success, arrival), copies=12, seed=seed
    )


@settings(max_examples=30, deadline=None)
@given(rows=SIDES, columns=SIDES, users=st.integers(1, 3), deadline=st.integers(1, 3), arrival=CHANCES, seed=st.integers(0, 2**32 - 1))
def test_qu_lin_step_equals_the_per_user_reference(rows, columns, users, deadline, arrival, seed):
    environment = WirelessQuLin(cells(rows, columns, users), WirelessQuLinSettings(deadline=deadline, arrival=arrival, success_seed=3))
    chances = np.random.RandomState(3).rand((rows - 1) * (columns - 1))
    assert_equals_reference(
        environment, lambda s, a, u: wireless_qu_lin_step(s, a, u, rows, columns, users, deadline, chances, arrival), copies=12, seed=seed
    )


@pytest.mark.parametrize("shape", [(2, 2, 1), (2, 3, 2), (3, 2, 3), (3, 4, 2), (5, 5, 1)])
def test_the_access_grid_connects_exactly_those_who_share_an_access_point(shape):
    by_touching = sorted(tuple(sorted(edge)) for edge in cells(*shape).edges)
    by_sharing = access_layout(*shape).neighbourhoods()
    assert list(access_grid_edges(*shape)) == by_touching
    assert by_touching == [(i, j) for i, near in enumerate(by_sharing) for j in near if i < j]


def test_the_topologies_that_the_messages_recommend_fit():
    spdac = WirelessSpdac(build_topology(KingGridSettings(rows=3, columns=4)))
    qu_lin = WirelessQuLin(build_topology(AccessGridSettings(rows=3, columns=4, users=2)))
    assert (spdac.layout.rows, spdac.layout.columns, spdac.layout.users) == (3, 4, 1)
    assert (qu_lin.layout.rows, qu_lin.layout.columns, qu_lin.layout.users) == (3, 4, 2)
    assert qu_lin.topology.edges == cells(3, 4, 2).edges


def test_spdac_uniform_policies_return_the_published_1_80():
    environment = WirelessSpdac(cells(5, 5, 1))
    sampled = episode_returns(environment, uniform, copies=4_000)
    assert sampled.mean() == pytest.approx(1.80, abs=0.03)
    assert sampled.mean() == pytest.approx(environment.spec.untrained_return, abs=5 * sampled.std() / np.sqrt(4_000))


def test_qu_lin_untrained_metric_is_the_authors_0_0201():
    environment = WirelessQuLin(cells(3, 4, 2))
    np.testing.assert_allclose(environment.chances, [0.549, 0.715, 0.603, 0.545, 0.424, 0.646], atol=5e-4)
    exact = environment.uniform_return(10, 0.7)
    sampled = episode_returns(environment, uniform, copies=8_000, discount=0.7)
    assert exact == pytest.approx(0.0201, abs=5e-5)
    assert sampled.mean() == pytest.approx(0.0201, abs=5e-4)


def test_stated_uniform_returns_are_exact():
    spdac = WirelessSpdac(cells(2, 2, 1), WirelessSpdacSettings(deadline=1, success=0.7, arrival=0.3))
    qu_lin = WirelessQuLin(cells(2, 2, 1))
    assert spdac.spec.untrained_return == pytest.approx(exact_uniform_return(spdac), rel=1e-12)
    assert qu_lin.spec.untrained_return == pytest.approx(exact_uniform_return(qu_lin), rel=1e-12)
    assert qu_lin.uniform_return(10, 0.7) == pytest.approx(exact_uniform_return(qu_lin, 0.7), rel=1e-12)


def test_users_without_packets_occupy_an_access_point():
    environment = WirelessSpdac(cells(2, 2, 1), WirelessSpdacSettings(success=1.0))
    actions = [np.array([4]), np.array([3]), np.array([0]), np.array([0])]
    lucky = np.zeros((1, 4, 2))
    crowded = environment.step(np.array([[1, 0, 3, 3]]), actions, lucky)
    alone = environment.step(np.array([[1, 0, 3, 3]]), [actions[0], np.array([0]), *actions[2:]], lucky)
    assert crowded.rewards.tolist() == [[0.0, 0.0, 0.0, 0.0]]
    assert alone.rewards.tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_starts_differ_as_published():
    noise = np.zeros((3, 4, 2))
    assert (WirelessSpdac(cells(2, 2, 1)).reset(noise) == 3).all()
    assert (WirelessQuLin(cells(2, 2, 1)).reset(noise[:, :, :1]) == 2).all()


def test_actions_of_qu_lin_are_slots_times_access_points_of_the_cell():
    environment = WirelessQuLin(cells(3, 4, 2))
    sizes = [space.size for space in environment.spec.action_spaces]
    assert sizes[::2] == [3, 5, 5, 3, 5, 9, 9, 5, 3, 5, 5, 3]
    assert environment.named(2) == [(0, -1), (0, 0), (0, 1), (1, 0), (1, 1)]


def test_scopes_are_the_sharing_neighbourhoods_and_no_more():
    environment = WirelessSpdac(cells(3, 3, 1), WirelessSpdacSettings(deadline=1))
    assert environment.spec.state_scopes == tuple((i,) for i in range(9))
    assert environment.spec.action_scopes[0] == (0, 1, 3, 4)
    assert environment.spec.action_scopes[4] == tuple(range(9))
    assert environment.spec.reach_offset == 0
    assert_scopes_are_minimal(environment)


def test_tables_that_would_not_fit_are_refused_with_their_size():
    with pytest.raises(CapacityError, match=r"281,\d\d\d,\d\d\d|transition table"):
        WirelessSpdac(cells(5, 5, 1)).kernel()
    with pytest.raises(CapacityError, match="agent 10 would have"):
        WirelessQuLin(cells(3, 4, 2)).kernel()


@pytest.mark.parametrize("topology", [line(4), graph(1, []), graph(9, [(0, 1), (0, 3), (0, 4)])], ids=["line", "single", "half a grid"])
def test_other_topologies_are_refused_with_what_would_fit(topology):
    with pytest.raises(EnvironmentMismatchError, match="use kind 'king_grid'"):
        WirelessSpdac(topology)
    with pytest.raises(EnvironmentMismatchError, match="use kind 'access_grid'"):
        WirelessQuLin(topology)


def test_several_users_per_cell_are_not_for_spdac():
    with pytest.raises(EnvironmentMismatchError, match="use kind 'king_grid'"):
        WirelessSpdac(cells(3, 3, 2))


def test_a_wrong_number_of_chances_is_refused():
    with pytest.raises(EnvironmentMismatchError, match="2 chances of success for 6 access points"):
        WirelessQuLin(cells(3, 4, 2), WirelessQuLinSettings(success=(0.5, 0.5)))


def test_aloha_sends_the_earliest_packet_in_proportion_to_the_chances():
    environment = WirelessQuLin(cells(3, 4, 2))
    table = aloha(environment, 0.4)[2]
    chances = environment.chances[[0, 1]] / environment.chances[[0, 1]].sum()
    np.testing.assert_allclose(table[0], [1.0, 0.0, 0.0, 0.0, 0.0])
    for queue in (1, 3):
        np.testing.assert_allclose(table[queue], [0.6, *(0.4 * chances), 0.0, 0.0])
    np.testing.assert_allclose(table[2], [0.6, 0.0, 0.0, *(0.4 * chances)])
    assert [number(bits(queue, 2)) for queue in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ExperimentError, match="between 0 and 1"):
        aloha(environment, 1.5)


def test_sampled_returns_of_uniform_tables_agree_with_the_exact_metric():
    environment = WirelessQuLin(cells(2, 3, 2))
    tables = [np.full((4, space.size), 1.0 / space.size) for space in environment.spec.action_spaces]
    returns = sampled_returns(environment, tables, copies=4_000, seed=1)
    assert returns.mean() == pytest.approx(environment.uniform_return(10, 0.7), abs=5 * returns.std() / np.sqrt(4_000))


def test_the_best_aloha_of_a_grid_beats_uniform_play_and_both_ends():
    environment = WirelessQuLin(cells(3, 4, 2))
    best = best_aloha(environment, grid=(0.05, 0.2, 0.35, 0.5, 1.0), copies=500)
    assert 0.05 < best.p_tx < 1.0
    assert best.value == pytest.approx(0.177, abs=5 * best.standard_error + 0.002)


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (5, 5)])
def test_spdac_conforms(shape):
    check_environment(WirelessSpdac(cells(*shape, 1)))


@pytest.mark.parametrize("shape", [(2, 2, 1), (3, 4, 2)])
def test_qu_lin_conforms(shape):
    check_environment(WirelessQuLin(cells(*shape)))

from __future__ import annotations

import pytest
from environment_references import graph, line, sis_step
from environment_rollouts import assert_equals_reference, assert_scopes_are_minimal
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments.builtin.sis_epidemic import NetworkedSis
from netagents.errors import CapacityError
from netagents.experiment.environment_settings import SisSettings
from netagents.testing import check_environment

CHANCES = st.floats(0.0, 1.0)
STAR = graph(5, [(0, 1), (0, 2), (0, 3), (0, 4)])


@settings(max_examples=30, deadline=None)
@given(
    parameters=st.builds(SisSettings, infection=CHANCES, protected_infection=CHANCES, recovery=CHANCES, protected_recovery=CHANCES),
    edges=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda e: e[0] < e[1])),
    seed=st.integers(0, 2**32 - 1),
)
def test_step_equals_the_per_agent_reference_on_any_graph(parameters, edges, seed):
    neighbours = [[b if a == i else a for a, b in edges if i in (a, b)] for i in range(6)]
    environment = NetworkedSis(graph(6, sorted(edges)), parameters)
    assert_equals_reference(environment, lambda s, a, u: sis_step(s, a, u, neighbours, parameters), copies=12, seed=seed)


def test_kernel_is_the_published_rule():
    rule = SisSettings(infection=0.3, recovery=0.2, protected_infection=0.1)
    hub = NetworkedSis(STAR, rule).kernel().agents[0]
    assert hub.state_scope == (0, 1, 2, 3, 4)
    assert hub.transition[0, 1, 1, 0, 1, 0, 1] == pytest.approx(1 - 0.7**3)
    assert hub.transition[0, 1, 1, 0, 1, 1, 1] == pytest.approx(1 - 0.9**3)
    assert hub.transition[1, 1, 1, 0, 1, 0, 0] == pytest.approx(0.2)
    assert hub.reward[1, 0, 0, 0, 0, 1] == pytest.approx(-1.2)


def test_scopes_are_minimal():
    assert_scopes_are_minimal(NetworkedSis(STAR))


def test_a_hub_with_too_many_neighbours_is_refused_only_when_enumerated():
    environment = NetworkedSis(graph(40, [(0, j) for j in range(1, 40)]))
    with pytest.raises(CapacityError, match="agent 0 would have"):
        environment.kernel()
    check_environment(environment)


@pytest.mark.parametrize("topology", [line(6), STAR, graph(1, []), graph(4, [(0, 1)])], ids=["line", "star", "single", "loose"])
def test_conforms(topology):
    check_environment(NetworkedSis(topology))

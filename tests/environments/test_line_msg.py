from __future__ import annotations

import numpy as np
import pytest
from environment_references import graph, line, line_msg_step
from environment_rollouts import assert_equals_reference, assert_scopes_are_minimal, episode_returns, exact_uniform_return, uniform
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments.builtin.line_msg import LineMsg
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import LineMsgSettings
from netagents.testing import check_environment


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 12), coupling=st.floats(0.0, 1.0), seed=st.integers(0, 2**32 - 1))
def test_step_equals_the_per_agent_reference(n, coupling, seed):
    environment = LineMsg(line(n), LineMsgSettings(coupling=coupling))
    assert_equals_reference(environment, lambda s, a, u: line_msg_step(s, a, u, coupling), copies=8, seed=seed)


def test_uniform_policies_return_the_published_10_7():
    environment = LineMsg(line(10))
    sampled = episode_returns(environment, uniform, copies=1_000)
    assert sampled.mean() == pytest.approx(10.699, abs=0.1)
    assert sampled.mean() == pytest.approx(environment.spec.untrained_return, abs=5 * sampled.std() / np.sqrt(1_000))


@pytest.mark.parametrize("coupling", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_stated_uniform_return_is_exact(n, coupling):
    environment = LineMsg(line(n), LineMsgSettings(coupling=coupling))
    assert environment.spec.untrained_return == pytest.approx(exact_uniform_return(environment), rel=1e-12)


def always_act(_rng, _size, copies):
    return np.ones(copies, dtype=np.int64)


def test_acting_always_earns_the_upper_bound_in_every_copy():
    environment = LineMsg(line(10))
    returns = episode_returns(environment, always_act, copies=256)
    np.testing.assert_allclose(returns, 23.75, rtol=1e-12)
    assert environment.spec.best_return == 23.75


def test_scopes_name_only_what_enters():
    environment = LineMsg(line(4))
    assert environment.spec.state_scopes == ((1,), (2,), (3,), ())
    assert environment.spec.action_scopes == ((), (1,), (2,), (3,))
    assert_scopes_are_minimal(environment)


@pytest.mark.parametrize(
    "topology",
    [graph(1, []), graph(3, [(0, 1)]), graph(3, [(0, 2), (1, 2)]), graph(3, [(0, 1), (1, 2), (0, 2)])],
    ids=["single", "broken", "other order", "ring"],
)
def test_other_topologies_are_refused_with_what_would_fit(topology):
    with pytest.raises(EnvironmentMismatchError, match="use kind 'line'"):
        LineMsg(topology)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_conforms(n):
    check_environment(LineMsg(line(n)))

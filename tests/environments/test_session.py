"""What the server hands out and takes in: vectors, masks, distances, ends of single agents, and values that are no numbers."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from environment_references import graph
from experiments import line_msg
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.environments import Box, Capabilities, Discrete, EnvironmentSpec, NetworkedMDP, Transition
from netagents.environments.environment_session import EnvironmentSession
from netagents.environments.feature_encoders import PoseEncoder
from netagents.environments.proximity import FAR, Contacts, contacts_within, hop_distances
from netagents.environments.specification_json import spec_from_json, spec_to_json
from netagents.errors import EnvironmentMismatchError, NumericalError
from netagents.experiment import load_experiment
from netagents.learning.prepared_experiment import prepare
from netagents.messages import ENDED, TERMINATED, TRUNCATED


class Script(NetworkedMDP):
    """Three agents on a line, one with a box and one with masks; what it gives is written down beforehand."""

    def __init__(self, **script) -> None:
        self.topology = graph(3, [(0, 1), (1, 2)])
        self.script = script
        self.taken: list[list[np.ndarray]] = []
        self.spec = EnvironmentSpec(
            name="script",
            state_spaces=(Box((2,), -9.0, 9.0), Discrete(300), Discrete(2)),
            action_spaces=(Box((1,), -1.0, 1.0), Discrete(3), Discrete(2)),
            horizon=3,
            discount=0.5,
            reset_noise=(1,),
            step_noise=(1,),
            reach_offset=1,
            state_scopes=((0, 1, 2),) * 3,
            action_scopes=((0, 1, 2),) * 3,
            capabilities=Capabilities(moving="near" in script, masked="masks" in script),
        )

    def reset(self, noise):
        return np.zeros((len(noise), 1))

    def step(self, state, actions, _noise):
        self.taken.append([action.copy() for action in actions])
        time, copies = int(state[0, 0]), len(state)
        rewards = self.script.get("rewards", lambda _: np.ones((copies, 3)))(time)
        ended = self.script.get("ended", lambda _: np.zeros(copies, dtype=bool))(time)
        cut = self.script.get("cut", lambda _: np.zeros_like(ended))(time)
        return Transition(state + 1, rewards, ended, cut)

    def observe(self, state):
        copies = len(state)
        vector = np.full((copies, 2), self.script.get("vector", lambda time: time)(int(state[0, 0])), dtype=np.float64)
        return [vector, np.full(copies, 299), np.ones(copies, dtype=np.int64)]

    def action_masks(self, state):
        return self.script["masks"](len(state)) if "masks" in self.script else None

    def graph(self, state):
        return self.script["near"](int(state[0, 0]), len(state)) if "near" in self.script else None


def quiet(copies: int, vector: float = 0.0) -> list[np.ndarray]:
    return [np.full((copies, 1), vector), np.zeros(copies, np.uint8), np.zeros(copies, np.uint8)]


def test_vectors_travel_as_float64_and_indices_in_the_smallest_type() -> None:
    session = EnvironmentSession(Script(), 4, 0.5, 0)
    assert [(m.observation.dtype.str, m.observation.shape) for m in session.begin(0)] == [("<f8", (4, 2)), ("<u2", (4,)), ("|u1", (4,))]
    assert session.begin(0)[0].hops is None
    assert session.begin(0)[0].mask is None


def test_continuous_actions_are_clipped_to_their_box() -> None:
    environment = Script()
    session = EnvironmentSession(environment, 2, 0.5, 0)
    session.begin(0)
    actions = [np.array([[3.0], [-0.25]]), np.zeros(2, np.uint8), np.zeros(2, np.uint8)]
    session.advance(actions)
    assert environment.taken[0][0].tolist() == [[1.0], [-0.25]]
    assert actions[0].tolist() == [[3.0], [-0.25]]


@pytest.mark.parametrize(
    ("actions", "error", "line"),
    [
        ([np.array([[np.nan]]), 0, 0], NumericalError, "agent 0, step 1: an action is not finite; lower the step size"),
        ([np.zeros((1, 2)), 0, 0], EnvironmentMismatchError, r"agent 0, step 1: actions are float64 of shape \(1, 2\); .* \(1, 1\)"),
        ([np.zeros((1, 1), np.float32), 0, 0], EnvironmentMismatchError, "agent 0, step 1: actions are float32 of shape"),
        ([np.zeros((1, 1)), 3, 0], EnvironmentMismatchError, r"agent 1, step 1: action 3; actions are 0\.\.2"),
        ([np.zeros((1, 1)), 2, 0], EnvironmentMismatchError, "agent 1, step 1: action 2 is not legal; choose among"),
    ],
)
def test_a_wrong_action_names_agent_and_step(actions, error, line) -> None:
    def masks(copies):
        return [np.ones((copies, 1), bool), np.tile([True, True, False], (copies, 1)), np.ones((copies, 2), bool)]

    # A box has no mask in a real environment; here its entry is never read beyond the joint index 0.
    session = EnvironmentSession(Script(masks=masks), 1, 0.5, 0)
    messages = session.begin(0)
    assert messages[1].mask.tolist() == [[True, True, False]]
    assert messages[1].hops.shape == (1, 0)
    session.advance(quiet(1))
    with pytest.raises(error, match=line):
        session.advance([np.asarray(action).reshape(-1) if np.ndim(action) == 0 else action for action in actions])


def test_an_observation_that_is_no_number_names_agent_and_step() -> None:
    session = EnvironmentSession(Script(vector=lambda time: np.nan if time == 2 else 0.0), 1, 0.5, 0)
    session.begin(0)
    session.advance(quiet(1))
    with pytest.raises(NumericalError, match="agent 0, step 2: an observation is not finite; observations must be finite") as caught:
        session.advance(quiet(1))
    assert caught.value.exit_code == 9


def test_a_reward_that_is_no_number_names_agent_and_step() -> None:
    session = EnvironmentSession(Script(rewards=lambda time: np.array([[0.0, 0.0, np.inf if time else 0.0]])), 1, 0.5, 0)
    session.begin(0)
    session.advance(quiet(1))
    with pytest.raises(NumericalError, match="agent 2, step 1"):
        session.advance(quiet(1))


def test_agents_may_end_one_by_one() -> None:
    def ended(time):
        return np.array([[time == 0, False, False], [False, False, False]])

    def cut(time):
        return np.array([[False, time == 1, False], [False, False, time == 1]])

    session = EnvironmentSession(Script(ended=ended, cut=cut), 2, 0.5, 0)
    session.begin(0)
    flags, rewards = [], []
    for _ in range(3):
        messages = session.advance(quiet(2))
        flags.append([message.flags.tolist() for message in messages])
        rewards.append([message.reward.tolist() for message in messages])
    T, C, E = int(TERMINATED), int(TRUNCATED), int(ENDED)
    assert flags == [[[T, 0], [0, 0], [0, 0]], [[E, 0], [C, 0], [0, C]], [[E, 0], [E, 0], [0, E]]]
    assert rewards == [[[1, 1]] * 3, [[0, 1], [1, 1], [1, 1]], [[0, 1], [0, 1], [1, 0]]]
    assert session.returns().team == pytest.approx([(1 + 2 + 3) / 3, (3 + 3 + 2) / 3])


def test_the_distances_of_a_graph_that_moves_are_told_within_links_and_radii() -> None:
    def near(time, copies):
        all_agents = np.ones((copies, 3, 3), bool) & ~np.eye(3, dtype=bool)
        all_agents[1] &= time == 0  # in copy 1 nobody is near anybody from step 1 on
        return all_agents

    contacts = [Contacts((1, 2), np.array([1, 2], np.uint8)), Contacts((0,), np.array([1], np.uint8)), Contacts((), np.array([], np.uint8))]
    session = EnvironmentSession(Script(near=near), 2, 0.5, 0, contacts=contacts)
    first, second = session.begin(0), session.advance(quiet(2))
    # Agents 0 and 2 have no link, so that they are two hops apart however close they stand.
    assert first[0].hops.tolist() == [[1, 2], [1, 2]]
    assert first[1].hops.tolist() == [[1], [1]]
    assert first[2].hops.shape == (2, 0)
    assert second[0].hops.tolist() == [[1, 2], [FAR, FAR]]
    assert second[0].mask is None


@given(n=st.integers(1, 9), seed=st.integers(0, 10_000), density=st.floats(0, 1), farthest=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_hop_distances_are_those_of_breadth_first_search(n, seed, density, farthest) -> None:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((3, n, n)) < density, 1)
    adjacency = upper | upper.transpose(0, 2, 1)
    distances = hop_distances(adjacency, farthest)
    for copy in range(3):
        lengths = dict(nx.all_pairs_shortest_path_length(nx.from_numpy_array(adjacency[copy]), cutoff=farthest))
        expected = [[lengths[i].get(j, FAR) for j in range(n)] for i in range(n)]
        assert distances[copy].tolist() == expected


def test_distances_beyond_every_radius_are_not_told() -> None:
    line = np.zeros((1, 4, 4), bool)
    for i in range(3):
        line[0, i, i + 1] = line[0, i + 1, i] = True
    distances = hop_distances(line, 3)
    assert contacts_within(distances, 0, Contacts((1, 2, 3), np.array([3, 1, 3], np.uint8))).tolist() == [[1, FAR, 3]]


def test_a_specification_travels_as_json() -> None:
    spec = replace(Script(masks=None).spec, observations=(Discrete(4),) * 3, view=PoseEncoder(1.5, 2.0), untrained_return=-1.25)
    assert spec_from_json(spec_to_json(spec)) == spec
    assert spec_from_json(spec_to_json(Script().spec)) == Script().spec
    assert Script().spec.observation_spaces == Script().spec.state_spaces
    assert spec.observation_spaces == (Discrete(4),) * 3


def test_an_action_just_beyond_the_bound_of_all_is_refused() -> None:
    prepared = prepare(load_experiment(line_msg(3)).experiment)
    session = EnvironmentSession(prepared.environment, 2, 0.5, 0)
    session.begin(0)
    for wrong in (2, -1):
        actions = [np.array([0, wrong if agent == 1 else 1], np.int8 if wrong < 0 else np.uint8) for agent in range(3)]
        with pytest.raises(EnvironmentMismatchError, match=rf"agent 1, step 0: action {wrong}; actions are 0\.\.1"):
            session.advance(actions)


def test_each_agent_has_its_own_bound_where_all_spaces_are_finite() -> None:
    grid = {"environment": {"kind": "wireless_qu_lin"}, "topology": {"kind": "king_grid", "rows": 3, "columns": 3}, "kappa": 1}
    prepared = prepare(load_experiment(grid).experiment)
    sizes = [space.size for space in prepared.environment.spec.action_spaces if isinstance(space, Discrete)]
    assert len(sizes) == 9
    assert min(sizes) < max(sizes)
    session = EnvironmentSession(prepared.environment, 2, 0.5, 0)
    session.begin(0)
    session.advance([np.full(2, size - 1, np.uint8) for size in sizes])
    for agent in (sizes.index(min(sizes)), sizes.index(max(sizes))):
        wrong = [np.array([0, size - (each != agent)], np.uint8) for each, size in enumerate(sizes)]
        line = rf"agent {agent}, step 1: action {sizes[agent]}; actions are 0\.\.{sizes[agent] - 1}"
        with pytest.raises(EnvironmentMismatchError, match=line):
            session.advance(wrong)

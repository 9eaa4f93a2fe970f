"""PettingZoo's ParallelEnvs in the server: names, spaces, masks, agents that leave, copies, and one line for whatever is wrong."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="needs the extra: pip install 'netagents[environments]'")

from netagents.environments import Box, Discrete, build_environment
from netagents.environments.environment_session import EnvironmentSession
from netagents.errors import EnvironmentMismatchError, ForeignCodeError, MissingPackageError, NetagentsError, NumericalError, exit_code_of
from netagents.experiment.environment_settings import ParallelEnvSettings
from netagents.experiment.topology_settings import CompleteSettings
from netagents.messages import ENDED
from netagents.testing import EnvironmentWarning, check_environment
from netagents.topology import Topology, build_topology


def adapted(make, n, labels=(), **settings):
    topology = build_topology(CompleteSettings(n=n))
    if labels:
        topology = Topology(n=n, edges=topology.edges, labels=labels)
    if ":" not in make:
        make = f"strange_envs:{make}"
    return build_environment(ParallelEnvSettings(make=make, **settings), topology)


SPREAD = {"make": "mpe2.simple_spread_v3:parallel_env", "n": 3, "arguments": {"N": 3, "max_cycles": 25}, "horizon": 25}
CHEETAH = {
    "make": "gymnasium_robotics:mamujoco_v1.parallel_env",
    "n": 2,
    "arguments": {"scenario": "HalfCheetah", "agent_conf": "2x3"},
    "horizon": 20,
}


@pytest.mark.parametrize("which", [SPREAD, CHEETAH, {**SPREAD, "positions": (2, 3), "radius": 0.7}], ids=["spread", "cheetah", "moving"])
def test_other_peoples_environments_conform(which) -> None:
    # Their bounds are infinite.
    with pytest.warns(EnvironmentWarning, match="no usable bounds .* and are normalised by what is observed"):
        check_environment(adapted(**which), batch=3)


@pytest.mark.parametrize(
    "strange",
    [
        {"make": "Leaving", "n": 3},
        {"make": "Masked", "n": 2},
        {"make": "Masked", "n": 2, "arguments": {"where": "info"}},
    ],
    ids=["leaving", "masked", "masked in infos"],
)
def test_strange_habits_conform(strange) -> None:
    check_environment(adapted(**strange), batch=4)


def test_every_copy_is_the_environment_itself_with_a_seed_of_its_own() -> None:
    from mpe2 import simple_spread_v3

    environment = adapted(**SPREAD)
    noise = np.random.default_rng(0).random((3, 1))
    state = environment.reset(noise)
    rng = np.random.default_rng(1)
    joint = rng.integers(5, size=(25, 3, 3))
    observations, paid, cut = [environment.observe(state)], [], []
    for actions in joint:
        after = environment.step(state, list(actions), np.zeros((3, 0)))
        state = after.state
        observations.append(environment.observe(state))
        paid.append(after.rewards)
        cut.append(after.truncated)
    for copy in range(3):
        reference = simple_spread_v3.parallel_env(N=3, max_cycles=25)
        reference_observations, _ = reference.reset(seed=int(noise[copy, 0] * 2**31))
        for step, actions in enumerate(joint):
            for i, name in enumerate(reference.possible_agents):
                assert np.array_equal(observations[step][i][copy], reference_observations[name].astype(np.float64))
            reference_observations, rewards, _, truncated, _ = reference.step({f"agent_{i}": int(actions[i][copy]) for i in range(3)})
            for i in range(3):
                assert paid[step][copy, i] == rewards[f"agent_{i}"]
                assert cut[step][copy, i] == truncated[f"agent_{i}"] == (step == 24)


def test_agents_that_leave_are_paid_until_then_and_flagged_once() -> None:
    environment = adapted("Leaving", 3, horizon=6)
    session = EnvironmentSession(environment, 8, 0.99, seed=2)
    first = session.begin(0)
    lasts = np.array([message.observation[:, 0] for message in first])  # (agent, copy): what is left at the start
    for step in range(1, 6):
        messages = session.advance([np.full(8, 2, np.uint8)] * 3)
        for i, message in enumerate(messages):
            here = lasts[i] >= step
            assert message.reward.tolist() == np.where(here, 7.0, 0.0).tolist()  # action 2 of Discrete(3, start=5)
            ends = lasts[i] == step
            expected = np.where(ends & (lasts[i] % 2 == 0), 1, 0) + np.where(ends & (lasts[i] % 2 == 1), 2, 0) + np.where(here, 0, ENDED)
            assert message.flags.tolist() == expected.tolist()
            # Whoever has left keeps its last observation.
            assert message.observation[:, 0].tolist() == np.maximum(lasts[i] - step, 0).tolist()
    assert session.returns().team == pytest.approx(7.0 * lasts.mean(axis=0))


def test_masks_are_heeded_and_values_are_those_of_theirs() -> None:
    for where in ("observation", "info"):
        environment = adapted("Masked", 2, arguments={"where": where})
        assert environment.spec.capabilities.masked
        assert environment.spec.state_spaces == (Discrete(3),) * 2
        session = EnvironmentSession(environment, 5, 0.99, seed=0)
        messages = session.begin(0)
        for message in messages:
            assert message.mask.tolist() == [[action != last for action in range(3)] for last in message.observation]
        session.advance([np.argmax(message.mask, axis=1) for message in messages])
        with pytest.raises(EnvironmentMismatchError, match=r"agent 0, step 1: action \d is not legal"):
            session.advance([message.observation for message in session._messages(np.zeros((5, 2)), [np.zeros(5, np.uint8)] * 2)])


def test_boxes_with_bounds_of_their_own_are_brought_to_one_range() -> None:
    environment = adapted("Steered", 2)
    assert environment.spec.action_spaces == (Box((2,), -1.0, 1.0),) * 2
    state = environment.reset(np.zeros((2, 1)))
    after = environment.step(state, [np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [0.5, -0.5]])], np.zeros((2, 0)))
    observations = environment.observe(after.state)
    assert observations[0][:, :2].tolist() == [[0.0, -10.0], [1.0, 30.0]]
    assert observations[1][:, :2].tolist() == [[0.5, 10.0], [0.75, 0.0]]


def test_the_graph_is_computed_from_positions() -> None:
    environment = adapted("Steered", 3, arguments={"n": 3}, positions=(0, 1), radius=4.5)
    assert environment.spec.capabilities.moving
    state = environment.reset(np.zeros((1, 1)))
    heights = [-1.0, -0.8, -0.5]  # -10, -6 and 0 in their bounds: 4, 6 and 10 apart
    state = environment.step(state, [np.array([[0.0, height]]) for height in heights], np.zeros((1, 0))).state
    assert environment.graph(state)[0].tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_names_follow_the_graphs_labels_or_the_list() -> None:
    assert adapted("Leaving", 3).names == ("ann", "bob", "cleo")
    assert adapted("Leaving", 3, labels=("cleo", "ann", "bob")).names == ("cleo", "ann", "bob")
    assert adapted("Leaving", 3, labels=("x", "y", "z"), agents=("bob", "ann", "cleo")).names == ("bob", "ann", "cleo")


def test_only_the_newest_state_can_be_stepped() -> None:
    environment = adapted("Leaving", 3)
    state = environment.reset(np.zeros((2, 1)))
    actions = [np.zeros(2, np.int64)] * 3
    environment.step(state, actions, np.zeros((2, 0)))
    with pytest.raises(EnvironmentMismatchError, match="can only go on from its newest state; it is not branchable"):
        environment.step(state, actions, np.zeros((2, 0)))
    assert not environment.spec.capabilities.branchable
    assert not environment.spec.capabilities.vectorized


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: adapted("Leaving", 4), r"it has 3 agents \(ann, bob, cleo\), the topology 4; use a topology of 3 agents"),
        (
            lambda: adapted("Leaving", 3, labels=("ann", "bob", "carl")),
            "it has no agent 'carl'; its agents are ann, bob, cleo; list them in",
        ),
        (lambda: adapted("Leaving", 3, agents=("ann", "bob", "bob")), "environment.agents does not name every agent once"),
        (
            lambda: adapted("Steered", 2, arguments={"broken": "space"}),
            r"'robot_1': its observation space Text\(.* is not supported; Discrete, Box, MultiDiscrete and MultiBinary are, and Dict",
        ),
        (lambda: adapted("Steered", 2, arguments={"broken": "unbounded"}), "agent 'robot_1': its action space Box.* has no finite bounds"),
        (lambda: adapted("Steered", 2, arguments={"n": 3}, positions=(0, 9)), "it has 3 agents"),
        (
            lambda: adapted("Steered", 2, positions=(0, 9)),
            "agent 'robot_0': its observation has no number 9; correct environment.positions",
        ),
        (
            lambda: adapted("Steered", 2, arguments={"wheels": 3}),
            "making it failed: TypeError: .*'wheels'; see .*strange_envs.py:\\d+ in __init__",
        ),
        (lambda: adapted("not_one", 2), "it made a dict without possible_agents; name a function that gives a ParallelEnv"),
        (lambda: adapted("Nobody", 2), "module strange_envs has no function 'Nobody'; write module:function"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, line) -> None:
    with pytest.raises(EnvironmentMismatchError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert exit_code_of(caught.value) == 5


def play(session, steps):
    session.begin(0)
    for _ in range(steps):
        session.advance([np.zeros((2, 2))] * 2)


@pytest.mark.parametrize(
    ("broken", "error", "line"),
    [
        ("observation", NumericalError, "agent 1, step 2: an observation is not finite"),
        ("reward", NumericalError, "agent 1, step 1: the environment gave a reward that is not finite"),
        ("size", ForeignCodeError, r"copy 0, step 2, agent 'robot_1': its observation has shape \(5,\), its space \(4,\); see .*in step"),
        (
            "crash",
            ForeignCodeError,
            r"copy 0: its step failed: ZeroDivisionError: float division by zero; see .*strange_envs.py:\d+ in step",
        ),
        ("reset", ForeignCodeError, r"its reset failed: Error: no such level; see .*strange_envs.py:\d+ in reset"),
        ("absent", EnvironmentMismatchError, "copy 0: robot_0 is not there after reset; every possible agent must be"),
    ],
)
def test_what_goes_wrong_on_the_way_names_agent_and_step(broken, error, line) -> None:
    session = EnvironmentSession(adapted("Steered", 2, arguments={"broken": broken}), 2, 0.99, seed=0)
    with pytest.raises(error, match=line):
        play(session, 3)


class Blocker:
    """An interpreter in which a package is not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, _path=None, _target=None):
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("package", ["mpe2", "gymnasium_robotics"])
def test_a_missing_package_names_the_extra_that_installs_it(package, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocker(package), *sys.meta_path])
    line = rf"the package {package} is not installed; pip install 'netagents\[environments\]'"
    with pytest.raises(MissingPackageError, match=line) as caught:
        adapted(**(SPREAD if package == "mpe2" else CHEETAH))
    assert exit_code_of(caught.value) == 15


def test_a_module_that_nobody_has_is_named() -> None:
    with pytest.raises(NetagentsError, match="there is no module no_such_thing; install the package that has it"):
        adapted("no_such_thing.at_all:make", 2)

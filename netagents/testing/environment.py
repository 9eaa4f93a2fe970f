"""Conformance of an environment to its contract: run it on your own before you train on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.contract import EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.spaces import Discrete, Space
from netagents.errors import EnvironmentMismatchError
from netagents.testing.breaches import broken, guarded, random_actions, same
from netagents.testing.kernel import check_kernel
from netagents.testing.stepping import PlayedStep, check_copies, check_purity, check_replay, check_scopes
from netagents.topology import Topology


def check_environment(environment: NetworkedMDP, *, batch: int = 64, seed: int = 0, steps: int = 8, samples: int = 4_000) -> None:
    """Check that an environment keeps the contract; silent when it does.

    Random legal actions are played for a few steps, and at every step these rules are tried:

    * ``spec``: numbers of agents, spaces and scopes agree with the topology and with each other;
    * ``reset``, ``observe``, ``step``: shapes, dtypes and ranges are those of the spec, rewards are finite;
    * ``masks``: None, or one ``(B, |A_i|)`` bool array per agent, with a legal action in every copy, as the capability says;
    * ``graph``: None, or a symmetric ``(B, n, n)`` bool adjacency, as the capability says;
    * ``purity``: the same inputs give the same outputs, whatever was called in between, and inputs stay as they were;
    * ``copies``: a copy's outcome does not depend on its place in the batch or on the other copies;
    * ``scopes``: agents outside i's scopes change neither i's next observation nor its reward, under the same noise.  Local
      states can be changed one by one only where the joint state has one column per agent (``state[:, i]``);
    * ``kernel``: the exact tables, where there are any, agree with ``samples`` draws of ``step`` from visited states: next
      states, their independence between agents, rewards and the start.  A correct environment fails this by chance with
      probability below one in a million (bounds of Bernstein type, shared among all comparisons).  Tables that would not fit
      into memory are not compared, nor those whose local states are not what agents observe.

    One that cannot branch (``capabilities.branchable``) is asked for shapes, and for this instead of purity, copies and scopes:

    * ``replay``: the same reset, noise and actions once more give the same observations, rewards and ends.

    Args:
        environment: the environment to check.
        batch: copies B, at least 2.
        seed: of the actions and the noise.
        steps: how many steps to play.
        samples: draws per state for the kernel's comparison.

    Raises:
        EnvironmentMismatchError: the first broken rule, in one line.
    """
    if batch < 2:
        raise EnvironmentMismatchError(f"a batch of {batch}", where="check_environment", fix="use at least 2 copies")
    _check_spec(environment)
    rng = np.random.default_rng(seed)
    spec = environment.spec
    began = rng.random((batch, *spec.reset_noise))
    state = _check_reset(environment, began)
    taken: list[PlayedStep] = []
    for _ in range(min(steps, spec.horizon)):
        _check_observations(environment, state)
        actions = random_actions(environment, state, rng)
        noise = rng.random((batch, *spec.step_noise))
        given = [part.copy() for part in (state, noise, *actions)]
        outcome = guarded(environment, "step", partial(environment.step, state, actions, noise))
        if not all(same(old, new) for old, new in zip(given, [state, noise, *actions], strict=True)):
            raise broken(environment, "purity", "step changed its inputs", "work on a copy")
        _check_transition(environment, state, outcome)
        played = PlayedStep(state, actions, noise, outcome)
        if spec.capabilities.branchable:
            check_purity(environment, played, rng)
            check_copies(environment, played, rng)
            check_scopes(environment, played, rng)
        taken.append(played)
        state = outcome.state
    if not spec.capabilities.branchable:
        check_replay(environment, began, taken)
    if spec.capabilities.enumerable and spec.observation_spaces == spec.state_spaces:
        check_kernel(environment, [(played.state, played.actions) for played in taken], samples=samples, rng=rng)


def _check_spec(environment: NetworkedMDP) -> None:
    spec = getattr(environment, "spec", None)
    if not isinstance(spec, EnvironmentSpec) or not isinstance(getattr(environment, "topology", None), Topology):
        raise EnvironmentMismatchError(
            f"{type(environment).__name__} has no spec or no topology", fix="set self.spec and self.topology in __init__"
        )
    n = environment.topology.n
    lengths = [("state_spaces", spec.state_spaces), ("action_spaces", spec.action_spaces), ("observations", spec.observation_spaces)]
    for name, values in [*lengths, ("state_scopes", spec.state_scopes), ("action_scopes", spec.action_scopes)]:
        if len(values) != n:
            raise broken(environment, "spec", f"{name} has {len(values)} entries for {n} agents", "give one per agent of the topology")
    for name, scopes in (("state_scopes", spec.state_scopes), ("action_scopes", spec.action_scopes)):
        for i, scope in enumerate(scopes):
            if list(scope) != sorted({j for j in scope if 0 <= j < n}):
                fix = f"list agents 0..{n - 1} in ascending order, once each"
                raise broken(environment, "spec", f"{name}[{i}] is {tuple(scope)}", fix)
    if spec.horizon < 1 or not 0.0 < spec.discount < 1.0 or spec.reach_offset < 0:
        found = f"horizon {spec.horizon}, discount {spec.discount}, reach_offset {spec.reach_offset}"
        raise broken(environment, "spec", found, "use horizon >= 1, 0 < discount < 1 and reach_offset >= 0")
    others = [any(j != i for j in scope) for i, scope in enumerate(spec.action_scopes)]
    if spec.reach_offset == 0 and not any(others) and any(j != i for i, scope in enumerate(spec.state_scopes) for j in scope):
        # Too small an offset would let power be trusted one hop too far; too large a one only costs a hop.
        found = "reach_offset 0, but no agent's action enters another agent's next state or reward at once"
        raise broken(environment, "spec", found, "use 1 where actions act through the neighbour's next state")


def _check_reset(environment: NetworkedMDP, noise: FloatArray) -> JointState:
    before = noise.copy()
    state: JointState = guarded(environment, "reset", partial(environment.reset, noise))
    if not isinstance(state, np.ndarray) or state.ndim < 1 or len(state) != len(noise):
        shape = getattr(state, "shape", type(state).__name__)
        raise broken(environment, "reset", f"{len(noise)} copies gave a state of shape {shape}", "return an array with first axis B")
    if not np.array_equal(noise, before):
        raise broken(environment, "purity", "reset changed its noise", "work on a copy")
    if environment.spec.capabilities.branchable and not same(environment.reset(noise.copy()), state):
        raise broken(environment, "purity", "reset gave two states from one noise", "draw nothing but the given noise")
    return state


def _check_observations(environment: NetworkedMDP, state: JointState) -> None:
    spec, copies = environment.spec, len(state)
    before = state.copy()
    seen = guarded(environment, "observe", partial(environment.observe, state))
    if len(seen) != spec.n:
        raise broken(environment, "observe", f"{len(seen)} observations for {spec.n} agents", "return one array per agent")
    for i, (values, space) in enumerate(zip(seen, spec.observation_spaces, strict=True)):
        complaint = _misfit(values, space, copies)
        if complaint:
            raise broken(environment, "observe", f"the observation of agent {i} {complaint}", "match the observation spaces")
    masks = guarded(environment, "masks", partial(environment.action_masks, state))
    if (masks is not None) != spec.capabilities.masked:
        found = f"capability masked is {spec.capabilities.masked}, but action_masks gives {'None' if masks is None else 'masks'}"
        raise broken(environment, "masks", found, "let both say whether some actions are not always legal")
    if masks is not None:
        _check_masks(environment, masks, copies)
    near = guarded(environment, "graph", partial(environment.graph, state))
    _check_graph(environment, near, copies)
    if not np.array_equal(state, before):
        raise broken(environment, "purity", "observe, action_masks or graph changed the state", "work on a copy")


def _check_graph(environment: NetworkedMDP, near: Any, copies: int) -> None:
    n, moving = environment.spec.n, environment.spec.capabilities.moving
    if (near is not None) != moving:
        found = f"capability moving is {moving}, but graph gives {'None' if near is None else 'a graph'}"
        raise broken(environment, "graph", found, "let both say whether the graph is computed from the state")
    if near is None:
        return
    if not isinstance(near, np.ndarray) or near.shape != (copies, n, n) or near.dtype != np.bool_:
        found = f"the graph is {near.dtype} {near.shape}" if isinstance(near, np.ndarray) else f"the graph is a {type(near).__name__}"
        raise broken(environment, "graph", found, f"return bool {(copies, n, n)}")
    if near[:, np.arange(n), np.arange(n)].any() or not np.array_equal(near, near.transpose(0, 2, 1)):
        raise broken(
            environment, "graph", "the graph is not symmetric, or an agent is its own neighbour", "a graph is undirected and simple"
        )


def _check_masks(environment: NetworkedMDP, masks: Sequence[NDArray[Any]], copies: int) -> None:
    spec = environment.spec
    if len(masks) != spec.n:
        raise broken(environment, "masks", f"{len(masks)} masks for {spec.n} agents", "return one per agent")
    for i, (mask, space) in enumerate(zip(masks, spec.action_spaces, strict=True)):
        if not isinstance(space, Discrete):
            raise broken(environment, "masks", f"agent {i} has a mask over a box", "mask discrete actions only")
        if mask.shape != (copies, space.size) or mask.dtype != np.bool_:
            found = f"the mask of agent {i} is {mask.dtype} {mask.shape}"
            raise broken(environment, "masks", found, f"return bool {(copies, space.size)}")
        if not mask.any(axis=1).all():
            raise broken(environment, "masks", f"agent {i} has no legal action in some copy", "leave it at least one, such as waiting")


def _check_transition(environment: NetworkedMDP, state: JointState, outcome: Transition) -> None:
    copies, n = len(state), environment.spec.n
    if not isinstance(outcome, Transition):
        raise broken(environment, "step", f"it returned a {type(outcome).__name__}", "return a netagents.environments.Transition")
    after = outcome.state
    if after.shape != state.shape or after.dtype != state.dtype:
        found = f"the state went from {state.dtype} {state.shape} to {after.dtype} {after.shape}"
        raise broken(environment, "step", found, "keep shape and dtype")
    if outcome.rewards.shape != (copies, n) or outcome.rewards.dtype != np.float64:
        found = f"rewards are {outcome.rewards.dtype} {outcome.rewards.shape}"
        raise broken(environment, "step", found, f"return float64 {(copies, n)}")
    if not np.isfinite(outcome.rewards).all():
        agent = int(np.argwhere(~np.isfinite(outcome.rewards))[0, 1])
        raise broken(environment, "step", f"the reward of agent {agent} is not finite", "return finite rewards")
    for name, flags in (("terminated", outcome.terminated), ("truncated", outcome.truncated)):
        if flags.shape not in ((copies,), (copies, n)) or flags.dtype != np.bool_:
            raise broken(environment, "step", f"{name} is {flags.dtype} {flags.shape}", f"return bool {(copies,)} or {(copies, n)}")
    if outcome.terminated.shape != outcome.truncated.shape:
        raise broken(environment, "step", "terminated and truncated differ in shape", "end whole copies or single agents, in both")


def _misfit(values: Any, space: Space, copies: int) -> str | None:
    shape = (copies,) if isinstance(space, Discrete) else (copies, *space.shape)
    dtype = np.int64 if isinstance(space, Discrete) else np.float64
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype != dtype:
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        return f"is {found}, not {np.dtype(dtype)} {shape}"
    low, high = (0, space.size - 1) if isinstance(space, Discrete) else (space.low, space.high)
    if not (np.isfinite(values).all() and (values >= low).all() and (values <= high).all()):
        return f"leaves [{low}, {high}]"
    return None

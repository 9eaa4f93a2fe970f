"""Conformance of an environment to its contract: run it on your own before you train on it."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import LARGEST_ONE_HOT, WindowEncoder, unbounded_numbers
from netagents.environments.networked_mdp import EnvironmentSpec, FloatArray, JointState, NetworkedMDP, Transition
from netagents.environments.spaces import Discrete
from netagents.environments.validation import (
    Breach,
    breach_of_graph,
    breach_of_masks,
    breach_of_observations,
    breach_of_picture,
    breach_of_reset,
    breach_of_shaping,
    breach_of_spec,
    breach_of_transition,
)
from netagents.errors import EnvironmentMismatchError
from netagents.foreign.containment import contained
from netagents.testing.broken_rules import broken, guarded, random_actions, same
from netagents.testing.kernel_conformance import check_kernel
from netagents.testing.step_rules import PlayedStep, check_copies, check_purity, check_removal, check_replay, check_scopes


class EnvironmentWarning(UserWarning):
    """Something about an environment that is handled, and that its user should know."""


def check_environment(environment: NetworkedMDP, *, batch: int = 64, seed: int = 0, steps: int = 8, samples: int = 4_000) -> None:
    """Check that an environment keeps the contract; silent when it does, but for what its user should know.

    It owns the environment while it checks, and closes its copies in the end.  Warns (:class:`EnvironmentWarning`) of numbers that are
    normalised by what is observed because their bounds are missing or too wide, of indices that are too large to be read one-hot,
    and of integer boxes of actions, which are rounded.

    Random legal actions are played for a few steps, and at every step these rules are tried:

    * ``spec``: numbers of agents, spaces and scopes agree with the topology and with each other;
    * ``reset``, ``observe``, ``step``: shapes, dtypes and ranges are those of the spec, rewards are finite;
    * ``masks``: None, or one ``(B, |A_i|)`` bool array per agent, with a legal action in every copy, as the capability says;
    * ``graph``: None, or a symmetric ``(B, n, n)`` bool adjacency, as the capability says;
    * ``shaping``, ``picture``: None, or finite float64 ``(B, n)``; what can be drawn, where the environment draws itself;
    * ``purity``: the same inputs give the same outputs, whatever was called in between, and inputs stay as they were;
    * ``copies``: a copy's outcome does not depend on its place in the batch or on the other copies;
    * ``scopes``: agents outside i's scopes change neither i's next observation nor its reward, under the same noise.  Local
      states can be changed one by one only where the joint state has one column per agent (``state[:, i]``);
    * ``removal``: of an agent whose body was taken out, where that is possible, actions change nothing for others;
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
    with contained():
        try:
            _check_all(environment, batch, seed, steps, samples)
        finally:
            if isinstance(environment, NetworkedMDP):
                environment.close()
    for note in _notes(environment):
        warnings.warn(f"environment '{environment.spec.name}', {note}", EnvironmentWarning, stacklevel=2)


def _check_all(environment: NetworkedMDP, batch: int, seed: int, steps: int, samples: int) -> None:
    _check_spec(environment)
    rng = np.random.default_rng(seed)
    spec = environment.spec
    reset_noise = rng.random((batch, *spec.reset_noise))
    state = _check_reset(environment, reset_noise)
    taken: list[PlayedStep] = []
    ended = np.zeros((batch, spec.n), dtype=np.bool_)
    for _ in range(min(steps, spec.horizon)):
        _check_observations(environment, state, ended)
        actions = random_actions(environment, state, rng)
        noise = rng.random((batch, *spec.step_noise))
        originals = [part.copy() for part in (state, noise, *actions)]
        outcome = guarded(environment, "step", partial(environment.step, state, actions, noise))
        if not all(same(old, new) for old, new in zip(originals, [state, noise, *actions], strict=True)):
            raise broken(environment, "purity", "step changed its inputs", "work on a copy")
        _check_transition(environment, state, outcome)
        played = PlayedStep(state, actions, noise, outcome)
        if spec.capabilities.branchable:
            check_purity(environment, played, rng)
            check_copies(environment, played, rng)
            check_scopes(environment, played, rng)
            if environment.removable:
                check_removal(environment, played, rng)
        taken.append(played)
        state = outcome.state
        over = outcome.terminated | outcome.truncated
        ended = ended | (over if over.ndim == 2 else over[:, None])
    if not spec.capabilities.branchable:
        check_replay(environment, reset_noise, taken)
    if spec.capabilities.enumerable and spec.observation_spaces == spec.state_spaces:
        check_kernel(environment, [(played.state, played.actions) for played in taken], samples=samples, rng=rng)


def _check(environment: NetworkedMDP, breach: Breach | None) -> None:
    if breach is not None:
        raise broken(environment, *breach)


def _check_spec(environment: NetworkedMDP) -> None:
    breach = breach_of_spec(environment)
    if breach is not None and not isinstance(getattr(environment, "spec", None), EnvironmentSpec):
        raise EnvironmentMismatchError(breach.what, fix=breach.fix)
    _check(environment, breach)
    spec = environment.spec
    others = [any(j != i for j in scope) for i, scope in enumerate(spec.action_scopes)]
    if spec.reach_offset == 0 and not any(others) and any(j != i for i, scope in enumerate(spec.state_scopes) for j in scope):
        # Too small an offset would let power be trusted one hop too far; too large a one only costs a hop.
        actual = "reach_offset 0, but no agent's action enters another agent's next state or reward at once"
        raise broken(environment, "spec", actual, "use 1 where actions act through the neighbour's next state")


def _check_reset(environment: NetworkedMDP, noise: FloatArray) -> JointState:
    before = noise.copy()
    state: JointState = guarded(environment, "reset", partial(environment.reset, noise))
    _check(environment, breach_of_reset(state, len(noise)))
    if not np.array_equal(noise, before):
        raise broken(environment, "purity", "reset changed its noise", "work on a copy")
    if environment.spec.capabilities.branchable and not same(environment.reset(noise.copy()), state):
        raise broken(environment, "purity", "reset gave two states from one noise", "draw nothing but the given noise")
    return state


def _check_observations(environment: NetworkedMDP, state: JointState, ended: NDArray[np.bool_]) -> None:
    spec, copies = environment.spec, len(state)
    before = state.copy()
    observations = guarded(environment, "observe", partial(environment.observe, state))
    _check(environment, breach_of_observations(observations, spec.observation_spaces, copies, bounds=True))
    masks = guarded(environment, "masks", partial(environment.action_masks, state))
    _check(environment, breach_of_masks(masks, spec.action_spaces, copies, masked=spec.capabilities.masked, ended=ended))
    near = guarded(environment, "graph", partial(environment.graph, state))
    _check(environment, breach_of_graph(near, spec.n, copies, moving=spec.capabilities.moving))
    extra = guarded(environment, "shaping", partial(environment.shaping, state, 0))
    _check(environment, breach_of_shaping(extra, spec.n, copies))
    if environment.drawable:
        _check(environment, breach_of_picture(guarded(environment, "picture", partial(environment.picture, state))))
    if not np.array_equal(state, before):
        raise broken(environment, "purity", "observe, action_masks, graph, shaping or picture changed the state", "work on a copy")


def _check_transition(environment: NetworkedMDP, state: JointState, outcome: Transition) -> None:
    _check(environment, breach_of_transition(state, outcome, environment.spec.n))
    if not np.isfinite(outcome.rewards).all():
        agent = int(np.argwhere(~np.isfinite(outcome.rewards))[0, 1])
        raise broken(environment, "step", f"the reward of agent {agent} is not finite", "return finite rewards")


def _notes(environment: NetworkedMDP) -> list[str]:
    """What is worth a warning: the environment's own notes, and boxes whose bounds say nothing."""
    if environment.notes:
        return list(environment.notes)
    spec = environment.spec
    free = {i: unbounded_numbers(space) for i, space in enumerate(spec.observation_spaces)} if isinstance(spec.view, WindowEncoder) else {}
    notes = [
        f"agent {i}: its observation has {len(numbers)} numbers without usable bounds, which are normalised by what is observed"
        for i, numbers in free.items()
        if numbers
    ]
    digits = [i for i, space in enumerate(spec.observation_spaces) if isinstance(space, Discrete) and space.size > LARGEST_ONE_HOT]
    return notes + [f"agent {i}: its index is read digit by digit in base 64, not one-hot" for i in digits]

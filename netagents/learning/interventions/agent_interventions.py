"""Interventions of one agent: what replaces its actions in an iteration, and the worst actions that it tells its co-players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import candidate_actions
from netagents.errors import ProtocolError
from netagents.experiment.agent_fault_settings import RandomActionsFault
from netagents.experiment.intervention_settings import (
    PolicyIntervention,
    RandomIntervention,
    ReplacementSettings,
    SbprSettings,
    WorstIntervention,
)
from netagents.learning.interventions.action_sources import ActionSource, Choose
from netagents.learning.interventions.deviation_critics import DeviationCritic, NetworkDeviationCritic, TableDeviationCritic
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.lotteries import MOST_INTERVENTIONS, advised_copies, draw_deviations, strikes
from netagents.learning.protocol.networked_agent import NetworkedAgent
from netagents.learning.protocol.replaced_actions import NOBODY, BoolArray, Deviations, ReplacedActions, WorstActionExchange
from netagents.learning.protocol.rollout import Rollout
from netagents.messages import Trace, WorstAction, node_name
from netagents.randomness import Purpose, stream


class Advice(NamedTuple):
    """Worst actions of one iteration that concern one agent.

    Attributes:
        by_me: co-player -> (T + 1, B) where the agent tells it what to play.
        to_me: ego -> (T + 1, B) where the agent is told what to play.
        usable: co-player -> (T, B) steps that say what the co-player's actions are worth while all others play their policies.
        deviations: of SBPR.
    """

    by_me: Mapping[int, BoolArray]
    to_me: Mapping[int, BoolArray]
    usable: Mapping[int, BoolArray]
    deviations: Deviations | None


class AgentInterventions:
    """What may replace the actions of one agent.

    Args:
        agent: whose actions.

    Attributes:
        sources: by place in the experiment's list of interventions, and after them the agent's scheduled faults.
    """

    def __init__(self, agent: NetworkedAgent) -> None:
        setup, index = agent.setup, agent.index
        self._agent, self._setup = agent, setup
        experiment, space = setup.experiment, setup.spec.action_spaces[index]
        self._worst = next((each for each in experiment.interventions if isinstance(each, WorstIntervention | SbprSettings)), None)
        self.sources: dict[int, ActionSource] = {}
        for number, settings in enumerate((*experiment.interventions, *_faults(agent))):
            if not isinstance(settings, WorstIntervention | SbprSettings) and settings.replaces(index):
                policy = setup.policy(index) if isinstance(settings, PolicyIntervention) else None
                self.sources[number] = ActionSource(settings, space, setup.batch, setup.steps + 1, policy)
        co_players = setup.advised.get(index, ())
        self.critic: DeviationCritic | None = None
        if co_players:
            made = NetworkDeviationCritic if setup.agents[index].uses_networks else TableDeviationCritic
            self.critic = made(agent, co_players)

    @classmethod
    def of(cls, agent: NetworkedAgent) -> AgentInterventions | None:
        """Those of an agent; None where the experiment has nothing that concerns it."""
        made = cls(agent)
        return made if made.sources or made._worst is not None else None

    def begin(self, iteration: int) -> ReplacedActions | None:
        """Those of an iteration; None where none acts."""
        setup, index, experiment = self._setup, self._agent.index, self._setup.experiment
        acting: list[tuple[BoolArray, Choose, bool]] = []
        own = len(experiment.interventions)
        for number, source in self.sources.items():
            struck = strikes(source.settings, number, experiment.seed, index, iteration, setup.steps, setup.batch)
            if struck.any():
                # A scheduled fault has always drawn from the numbers of the policy that it stands for.
                purpose, counter = Purpose.INTERVENTIONS, 2 * (iteration * MOST_INTERVENTIONS + number)
                purpose, counter = (Purpose.ACTIONS, iteration) if number >= own else (purpose, counter)
                acting.append((struck, source.begin(stream(experiment.seed, index, purpose, counter)), source.remembers))
        advice = self._advice_of(iteration)
        return IterationInterventions(self, acting, advice) if acting or advice is not None else None

    def learn(self, iteration: int, rollout: Rollout, traces: Mapping[int, Trace]) -> None:
        """Let the deviation critic learn from a batch, where the agent has one."""
        if self.critic is not None:
            advice = self._advice_of(iteration)
            everywhere = dict.fromkeys(self._setup.advised[self._agent.index], rollout.alive)
            usable = everywhere if advice is None else {j: rollout.alive & advice.usable[j] for j in everywhere}
            self.critic.learn(iteration, rollout, traces, usable)

    def _advice_of(self, iteration: int) -> Advice | None:
        """Worst actions that travel in an iteration."""
        setup, index, settings = self._setup, self._agent.index, self._worst
        advised, seed = setup.advised, setup.experiment.seed
        if settings is None or not settings.covers(iteration):
            return None
        if isinstance(settings, SbprSettings):
            drawn = draw_deviations(settings, advised, seed, iteration, setup.steps, setup.batch)
            by_me = {j: advised_copies(settings, drawn, advised, index, j) for j in advised.get(index, ())}
            to_me = {i: advised_copies(settings, drawn, advised, i, index) for i in sorted(advised) if index in advised[i]}
            clean = drawn.clean_continuation()
            now = drawn.deviators[:-1]
            alone = settings.aggregate != "max"
            usable = {j: clean & ((now == NOBODY) | ((now == j) & alone)) for j in by_me}
            return Advice(by_me, to_me, usable, drawn)
        number = setup.experiment.interventions.index(settings)
        struck = {j: strikes(settings, number, seed, j, iteration, setup.steps, setup.batch) for j in settings.agents}
        anyone = np.logical_or.reduce(list(struck.values()))
        ego = settings.against
        by_me = struck if index == ego else {}
        to_me = {ego: struck[index]} if index in struck else {}
        others = {j: np.logical_or.reduce([np.zeros_like(anyone), *(struck[k] for k in struck if k != j)]) for j in struck}
        return Advice(by_me, to_me, {j: ~anyone[1:] & ~others[j][:-1] for j in by_me}, None)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Borrowed policies, and the deviation critic."""
        named = {
            f"intervention.{number}.{name}": array for number, source in self.sources.items() for name, array in source.arrays().items()
        }
        return named if self.critic is None else named | self.critic.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        for number, source in self.sources.items():
            source.restore(below(f"intervention.{number}.", arrays))
        if self.critic is not None:
            self.critic.restore(arrays)

    # -- worst actions ---------------------------------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """The agent's."""
        return self._agent.index

    @property
    def shape(self) -> tuple[int, int]:
        """(T + 1, B)."""
        return self._setup.steps + 1, self._setup.batch

    @property
    def strongest_only(self) -> bool:
        """Whether an agent chooses, among its co-players, the one that can harm it most."""
        return isinstance(self._worst, SbprSettings) and self._worst.aggregate == "max"

    def candidates(self) -> NDArray[Any]:
        """(C, ...) the agent's own actions among which others choose."""
        return candidate_actions(self._setup.spec.action_spaces[self._agent.index])


class IterationInterventions:
    """The interventions in one iteration of one agent (:class:`netagents.learning.protocol.replaced_actions.ReplacedActions`).

    Args:
        owner: all interventions of the agent.
        acting: where each of them acts, what it plays, and whether it must be asked everywhere; the first one that acts counts.
        advice: worst actions that travel; None where none do.
    """

    def __init__(self, owner: AgentInterventions, acting: Sequence[tuple[BoolArray, Choose, bool]], advice: Advice | None) -> None:
        self._owner, self._acting, self._worst = owner, acting, advice
        decisions, copies = owner.shape
        self.replaced: BoolArray = np.zeros((decisions, copies), dtype=np.bool_)
        travels = advice is not None and any(mask.any() for mask in (*advice.by_me.values(), *advice.to_me.values()))
        self.advice: WorstActionExchange | None = self if travels else None
        self.deviations: Deviations | None = None if advice is None else advice.deviations
        self._choices: NDArray[np.uint8] = np.zeros(copies, dtype=np.uint8)

    def play(
        self, step: int, actions: NDArray[Any], states: Sequence[NDArray[Any]], mask: BoolArray | None, near: BoolArray | None
    ) -> NDArray[Any]:
        """(B, ...) the actions that are executed, given those of the policy."""
        free = np.ones(self.replaced.shape[1], dtype=np.bool_)
        for struck, choose, remembers in self._acting:
            here = struck[step] & free
            if here.any() or remembers:
                actions = _where(here, choose(step, states, mask, near), actions)
                free &= ~here
        if self.advice is not None and self._choices.any():
            here = free & (self._choices > 0)
            worst = self._owner.candidates()[np.maximum(self._choices, 1) - 1]
            if mask is not None and mask.size:
                here &= mask[np.arange(len(worst)), worst.astype(np.int64)]
            actions = _where(here, worst, actions)
            free &= ~here
            self._choices = np.zeros_like(self._choices)
        self.replaced[step] = ~free
        return actions

    def advise(self, step: int, states: Sequence[NDArray[Any]]) -> list[tuple[int, WorstAction]]:
        """Receivers and messages of a step, from the states of the policy's window."""
        assert self._worst is not None, "asked where worst actions travel"
        here = {j: mask[step] for j, mask in self._worst.by_me.items() if mask[step].any()}
        critic = self._owner.critic
        if not here or critic is None:
            return []
        choices, harm = {}, {}
        for j, where in here.items():
            values = critic.values(j, [each[where] for each in states])
            harm[j] = values.min(axis=1)
            choices[j] = np.where(np.isfinite(harm[j]), values.argmin(axis=1) + 1, 0).astype(np.uint8)
        if self._owner.strongest_only:
            strongest = np.stack(list(harm.values())).argmin(axis=0)
            choices = {j: np.where(strongest == place, choices[j], 0).astype(np.uint8) for place, j in enumerate(choices)}
        return [(j, WorstAction(each)) for j, each in choices.items()]

    def advisers(self, step: int) -> tuple[int, ...]:
        """Who tells this agent something at a step, ascending."""
        assert self._worst is not None, "asked where worst actions travel"
        return tuple(i for i, mask in self._worst.to_me.items() if mask[step].any())

    def take(self, step: int, messages: Sequence[WorstAction]) -> None:
        """Take in what :meth:`advisers` have sent.

        Raises:
            ProtocolError: it is not about the copies that the lottery has drawn, or names an action that there is not.
        """
        assert self._worst is not None, "asked where worst actions travel"
        most = len(self._owner.candidates())
        self._choices = np.zeros(self.replaced.shape[1], dtype=np.uint8)
        for teller, (choices,) in zip(self.advisers(step), messages, strict=True):
            where = self._worst.to_me[teller][step]
            if len(choices) != np.count_nonzero(where) or choices.max(initial=0) > most:
                raise ProtocolError(f"worst_action of step {step} does not fit this run's lottery", where=node_name(teller))
            self._choices[where] = choices


def _where(here: BoolArray, instead: NDArray[Any], actions: NDArray[Any]) -> NDArray[Any]:
    """(B, ...) the one where ``here``, the other elsewhere, in the dtype in which they travel."""
    where = here.reshape(-1, *(1,) * (actions.ndim - 1))
    return np.where(where, instead, actions).astype(actions.dtype)


def _faults(agent: NetworkedAgent) -> list[ReplacementSettings]:
    """The agent's scheduled faults as interventions."""
    faults = agent.setup.experiment.faults_of(agent.index)
    return [
        RandomIntervention(agents=(agent.index,), start=fault.start, until=fault.until)
        for fault in faults
        if isinstance(fault, RandomActionsFault)
    ]

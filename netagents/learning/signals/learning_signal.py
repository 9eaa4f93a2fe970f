"""The learning signal of one agent: task reward, shadow reward and the further terms of the experiment, each with its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.experiment import Experiment
from netagents.experiment.signal_settings import OWN_SIGNALS, TermSettings
from netagents.foreign.part_values import check_array, check_number
from netagents.learning.protocol.agent_checkpoint import below
from netagents.learning.protocol.agent_metrics import ordered_union
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.local_objective import ShadowSignal
from netagents.learning.signals.shadow_reward import ShadowRewardTerm
from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm, TaskKnowledge
from netagents.learning.signals.task_reward import TaskReward


class WeightedTerm(NamedTuple):
    """A term of one agent beside task and shadow reward, with its settings."""

    settings: TermSettings
    term: SignalTerm

    @property
    def name(self) -> str:
        """In metrics and checkpoints."""
        return self.settings.label

    @property
    def is_learned(self) -> bool:
        """Whether it ever has a weight; without one it is measured only."""
        return self.settings.factor != 0.0


class SignalValues(NamedTuple):
    """One iteration's signal, all (T, B).

    Attributes:
        own: w r_i + rho_i + sum of weight * x over the shared terms: what the agent's critic learns, and neighbours learn from.
        realized: the same without the shadow reward, which tables tell in another way where neighbours share rewards.
        private: of each term that the agent keeps to itself, in order, its values without the weight.
        weights: of each of these, its weight at this iteration.
    """

    own: FloatArray
    realized: FloatArray
    private: tuple[FloatArray, ...]
    weights: tuple[float, ...]

    def part(self, first: int, last: int) -> SignalValues:
        """The steps ``first`` to ``last`` - 1."""
        steps = slice(first, last)
        return SignalValues(self.own[steps], self.realized[steps], tuple(each[steps] for each in self.private), self.weights)


class LearningSignal:
    """The terms of one agent.

    Args:
        agent: i.
        setup: what all agents share.

    Attributes:
        private_terms: terms that the agent learns from by a critic of each, and its neighbours do not.
    """

    def __init__(self, agent: int, setup: Setup) -> None:
        self.agent, self.setup = agent, setup
        self.task = TaskReward(agent, setup)
        self.shadow = ShadowRewardTerm(agent, setup)
        self.terms = make_terms(agent, setup)
        self.private_terms = tuple(each for each in self.terms if each.is_learned and not each.settings.shared)
        self._metrics: dict[str, float] = {}

    @property
    def is_task_alone(self) -> bool:
        """Whether neighbours hear of nothing but the task reward, at its full weight."""
        shared = any(each.is_learned and each.settings.shared for each in self.terms)
        own = self.agent not in self.setup.pay
        return own and self.setup.agents[self.agent].learning.task_weight == 1.0 and self.shadow.objective.is_zero and not shared

    def begin(self, task: TaskKnowledge) -> None:
        """Show the terms what the agent will know of its task; once, when the agent has been made."""
        for each in self.terms:
            each.term.begin(task)

    def observe(self, sampled: Rollout) -> ShadowSignal:
        """Take in the steps that returns and occupancies count; once per iteration, before :meth:`values`."""
        return self.shadow.observe(sampled)

    def values(self, batch: SignalBatch) -> SignalValues:
        """The signal along all steps of the iteration; metrics count those that returns count, the first H.

        Raises:
            ForeignCodeError, NumericalError: a term of somebody else's gave something else than finite numbers of shape (T, B).
        """
        realized = self.setup.agents[self.agent].learning.task_weight * self.task.values(batch)
        own = realized + self.shadow.values(batch)
        private, weights = [], []
        self._metrics = {}
        if self.setup.pay:
            self._metrics["paid"] = float((batch.paid * batch.rollout.alive)[: self.setup.horizon].sum() / batch.shape[1])
        for settings, term in self.terms:
            values = check_array(term.values(batch), batch.shape, term.values)
            weight = settings.weight_at(batch.iteration)
            if not settings.shared and settings.factor != 0.0:
                private.append(values)
                weights.append(weight)
            elif weight != 0.0:
                realized, own = realized + weight * values, own + weight * values
            discounts = batch.rollout.discounted(batch.discount)
            self._metrics[metric_name(settings, "sum")] = float((discounts * values)[: self.setup.horizon].sum() / batch.shape[1])
            self._metrics[metric_name(settings, "weight")] = weight
            numbers = term.numbers()
            self._metrics |= {metric_name(settings, name): _number(term, numbers[name]) for name in type(term).metrics if name in numbers}
        return SignalValues(own, realized, tuple(private), tuple(weights))

    def numbers(self) -> dict[str, float]:
        """Metrics of the last iteration's terms."""
        names = self.setup.metric_names
        return {name: value for name, value in self.shadow.numbers().items() if name in names} | self._metrics

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the terms remember: ``objective.`` of the shadow reward, ``signal.NAME.`` of all others."""
        named = {f"objective.{name}": array for name, array in self.shadow.arrays().items()}
        for each in self.terms:
            named |= {f"signal.{each.name}.{name}": np.asarray(array) for name, array in each.term.arrays().items()}
        return named

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.shadow.restore(below("objective.", arrays))
        for each in self.terms:
            each.term.restore(below(f"signal.{each.name}.", arrays))


def weighted_sum(weights: Sequence[float], values: Sequence[FloatArray]) -> FloatArray | None:
    """Of what the kept terms' critics say, the sum with the terms' weights; None where there are none."""
    return None if not values else np.sum([weight * each for weight, each in zip(weights, values, strict=True)], axis=0)


def make_terms(agent: int, setup: Setup) -> tuple[WeightedTerm, ...]:
    """The terms of one agent beside task and shadow reward, in the order of the file.

    Raises:
        ExperimentError: a class cannot be found or called.
    """
    made = []
    for where, settings in setup.agents[agent].signals.items():
        arguments = {"agent": agent, "setup": setup}
        term = OWN_SIGNALS.make(settings.kind, SignalTerm, arguments, settings.arguments, where)  # type: ignore[type-abstract]
        made.append(WeightedTerm(settings, term))
    return tuple(made)


def signal_metrics(experiment: Experiment, *, imports: bool) -> tuple[str, ...]:
    """The metrics of all terms beside task and shadow reward.

    Args:
        experiment: the settings.
        imports: whether code that they name may be imported here; where not, what classes state of themselves is left out.

    Raises:
        ExperimentError: a class cannot be found, or is no term's.
    """
    names: list[str] = []
    listed = {f"signals[{k}]": term for k, term in enumerate(experiment.signals)}
    listed |= {f"agents[{g}].signals[{k}]": term for g, group in enumerate(experiment.agents) for k, term in enumerate(group.signals or ())}
    for where, settings in listed.items():
        own: Sequence[str] = ()
        if imports or settings.kind in OWN_SIGNALS.own:
            own = OWN_SIGNALS.find_class(settings.kind, SignalTerm, f"{where}.kind").metrics  # type: ignore[type-abstract]
        names += [metric_name(settings, name) for name in ("sum", "weight", *own)]
    return ordered_union(names)


def metric_name(settings: TermSettings, name: str) -> str:
    """``switching_penalty_sum``: the name of a term's metric in records."""
    return f"{settings.label}_{name}"


def _number(term: SignalTerm, value: Any) -> float:
    """A metric, which may be NaN where a term does not know."""
    number = np.asarray(value, dtype=np.float64) if isinstance(value, (float, int, np.floating, np.integer)) else None
    return float(number) if number is not None and np.isnan(number) else check_number(value, term.numbers)

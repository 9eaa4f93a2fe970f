"""How claims are checked: each function gives one number from an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netagents.exact import decay_rate, exact_experiment
from netagents.experiment import Experiment, load_experiment
from netagents.launchers.in_process import InProcessNetwork
from netagents.learning.prepare import Prepared, prepare
from netagents.studies.cost import predict
from netagents.studies.crash import play_frozen

Source = str | Mapping[str, Any]


def untrained_return(source: Source, overrides: Sequence[str], copies: int = 4096, discounted: bool = False) -> float:
    """Return per agent of policies that choose every action equally often."""
    prepared = _prepare(source, overrides)
    policies = [prepared.setup.policy(agent) for agent in range(prepared.setup.n)]
    returns = play_frozen(prepared.setup, prepared.environment, policies, copies)
    return float((returns.discounted if discounted else returns.plain).mean())


def trained_return(source: Source, overrides: Sequence[str], last: int = 5, discounted: bool = False) -> float:
    """Return per agent after training: mean over the last iterations."""
    return _final(_prepare(source, overrides), last, discounted)


def lowest_trained_return(source: Source, overrides: Sequence[str], seeds: int = 5, last: int = 5) -> float:
    """The same for several seeds: the worst of them."""
    base = load_experiment(source, overrides).experiment
    return min(_final(prepare(load_experiment(base, {"seed": seed}).experiment), last, False) for seed in range(seeds))


def gain_of_radius(
    source: Source, overrides: Sequence[str], small: int, large: int, seeds: int = 3, last: int = 5, radius: str = "kappa"
) -> float:
    """How much more a larger radius brings after training, mean over seeds that both share; ``radius`` may be one of the three."""
    base = load_experiment(source, overrides).experiment
    differences = []
    for seed in range(seeds):
        final = [_final(prepare(load_experiment(base, {radius: kappa, "seed": seed}).experiment), last, False) for kappa in (small, large)]
        differences.append(final[1] - final[0])
    return float(np.mean(differences))


def price_of_age(source: Source, overrides: Sequence[str], seeds: int = 3, last: int = 5) -> float:
    """Return per agent that is lost when policies read states as many steps old as they are hops away, mean over shared seeds."""
    base = load_experiment(source, overrides)
    lost = []
    for seed in range(seeds):
        runs = [load_experiment(base.experiment, {"information": age, "seed": seed}).experiment for age in ("fresh", "aged")]
        final = [_final(prepare(experiment, base.base), last, False) for experiment in runs]
        lost.append(final[0] - final[1])
    return float(np.mean(lost))


def relayed_share(source: Source, overrides: Sequence[str], of: str = "direct") -> float:
    """Payload that relay routing puts on links, over that of links to everyone or, with ``of: hops``, of each message hop by hop."""
    cost = predict(_prepare(source, overrides).setup)
    return cost.relay.payload / cost.between_agents(hop_weighted=of == "hops").payload


def gradient_error(source: Source, overrides: Sequence[str], kappa: int, credit: str = "shared_q", reading: str = "fixed_point") -> float:
    """Relative error of the truncated gradient of one radius with perfect critics, at untrained policies."""
    table = _exact(source, overrides, [kappa])["gradient"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return float(next(row["relative_error"] for row in rows if row["credit"] == credit and row["reading"] == reading))


def truncation_decay(source: Source, overrides: Sequence[str], largest: int) -> float:
    """Factor per hop of the exact truncation error of untrained policies, over the discount: 1 is as fast as gamma^kappa."""
    experiment = load_experiment(source, overrides).experiment
    tables = _exact(source, overrides, list(range(largest + 1)))
    errors = [float(cell) for cell in tables["truncation"].column("supremum")]
    discount = prepare(experiment).setup.discount
    return decay_rate(range(largest + 1), errors) / discount


def muted_difference(source: Source, overrides: Sequence[str]) -> float:
    """Largest difference in any logit between muting every message and a radius of zero."""
    base = load_experiment(source, overrides).experiment
    muted = _logits(load_experiment(base, {"mute": ["state", "trace", "shadow_reward", "truncated_q"]}).experiment)
    radii = {"kappa": 0, "kappa_policy": None, "kappa_critic": None, "kappa_gradient": None}
    alone = _logits(load_experiment(base, radii).experiment)
    return max(float(np.abs(mine - theirs).max()) for mine, theirs in zip(muted, alone, strict=True))


def predicted_bytes_difference(source: Source, overrides: Sequence[str]) -> float:
    """Payload bytes of the ledger minus those predicted, over a whole run."""
    prepared = _prepare(source, overrides)
    iterations = prepared.experiment.learning.iterations
    network = InProcessNetwork(prepared.setup, prepared.environment)
    sent = sum(int(record.ledger[:, 5].sum()) for record in network.run(0, iterations))
    return float(sent - sum(flow.payload for flow in predict(prepared.setup).total(iterations).values()))


CHECKS: dict[str, Callable[..., float]] = {
    check.__name__: check
    for check in (
        untrained_return,
        trained_return,
        lowest_trained_return,
        gain_of_radius,
        price_of_age,
        relayed_share,
        gradient_error,
        truncation_decay,
        muted_difference,
        predicted_bytes_difference,
    )
}
"""By name, as ``docs/claims.yaml`` uses them."""


def _prepare(source: Source, overrides: Sequence[str]) -> Prepared:
    loaded = load_experiment(source, overrides)
    return prepare(loaded.experiment, loaded.base)


def _exact(source: Source, overrides: Sequence[str], kappas: list[int]) -> Any:
    loaded = load_experiment(source, overrides)
    return exact_experiment(loaded.experiment, loaded.base, kappas=kappas)


def _final(prepared: Prepared, last: int, discounted: bool) -> float:
    network = InProcessNetwork(prepared.setup, prepared.environment)
    records = list(network.run(0, prepared.experiment.learning.iterations))[-last:]
    return float(np.mean([record.discounted_return if discounted else record.team_return for record in records]))


def _logits(experiment: Experiment) -> list[Any]:
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    for _ in network.run(0, experiment.learning.iterations):
        pass
    return [agent.policy.logits for agent in network.tabular_agents]

"""Claims that must be able to fail: each is put to a wrong artefact, function or experiment, and its verdict changes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from claim_mutants import (
    Mutant,
    OneByteMore,
    allocations,
    artefact,
    blind_gradient,
    both,
    branched,
    budgeted,
    changed,
    failing,
    garbage_gradient,
    level_decay,
    priced,
    realized_leaf,
    relay_counts,
    replaced,
    same_error_at_every_radius,
    shifted,
    studied,
    trained,
)

from netagents.exact import oracle_tables as exact_tables_module
from netagents.intervals import Interval
from netagents.measures.information import leave_one_out_values
from netagents.studies import (
    claim_checks,
    derivative,
    exact_power_claims,
    influence_claims,
    information_claims,
    power_claims,
    regularization_claims,
    robustness_claims,
)
from netagents.studies.claims import find_claim, read_claims, registry_path, reproduce
from netagents.studies.robustness_claims import ExactReturns

CLAIMS = read_claims(registry_path())


MUTANTS: dict[str, list[Mutant]] = {
    "line-msg-untrained": [changed("environment.coupling=0.5"), changed("topology.n=9")],
    "wireless-spdac-untrained": [changed("environment.success=0.75"), changed("topology.columns=4")],
    "wireless-qu-lin-untrained": [changed(discounted=False), changed("environment.success_seed=3")],
    "whole-radius-exact-gradient": [replaced(derivative, "truncated_gradient", garbage_gradient), changed(kappa=2)],
    "gradient-error-falls": [
        replaced(derivative, "truncated_gradient", garbage_gradient),
        replaced(derivative, "truncated_gradient", blind_gradient),
    ],
    "truncation-decay": [replaced(exact_tables_module, "compare_radii", same_error_at_every_radius)],
    "muting-is-kappa-0": [
        changed(mute=["trace"]),
        changed(mute=["state", "trace", "shadow_reward"]),
        changed("learning.step_size=1e-12"),
    ],
    "predicted-bytes": [replaced(claim_checks, "predict", OneByteMore)],
    "line-msg-learns": [changed("learning.iterations=1"), trained(lambda _: 10.7)],
    "line-msg-radius-gains-little": [trained(lambda experiment: 23.0 + 0.3 * experiment.radius("gradient"))],
    "relay-sends-no-more": [relay_counts(1.001), relay_counts(0.999)],
    "relay-half-of-one-by-one": [relay_counts(0.9)],
    "aged-information-costs": [trained(lambda experiment: -1.2 - 0.4 * (experiment.information == "aged"))],
    "line-msg-policy-radius-helps": [trained(lambda _: 23.0)],
    "neural-wireless-short": [changed("learning.iterations=1"), changed("learning.algorithm.policy_rate=1e-9")],
    "spdac-wireless-kappa-1": [artefact("wireless-constrained-kappa-0")],
    "spdac-wireless-kappa-1-violation": [trained(lambda _: 3.05), artefact("wireless-ppo-kappa-1")],
    "spdac-wireless-kappa-0": [artefact("wireless-ppo-kappa-0"), artefact("wireless-constrained-kappa-1")],
    "spdac-wireless-kappa-0-violation": [artefact("wireless-constrained-kappa-1")],
    "neural-wireless-kappa-1": [artefact("wireless-constrained-kappa-1"), artefact("wireless-ppo-kappa-0")],
    "neural-wireless-hop": [artefact("wireless-ppo-kappa-1")],
    "neural-line-msg": [artefact("wireless-ppo-kappa-1"), changed("learning.iterations=1")],
    "influence-one-way": [changed("kappa_policy=1")],
    "influence-falls-per-hop": [replaced(influence_claims, "hop_decay", level_decay)],
    "influence-foretells-gain": [allocations(correlation=0.99)],
    "influence-allocation-rank": [allocations(percentile=0.9)],
    "influence-selection-moves-rank": [allocations(selected=0.1)],
    "population-gain": [allocations(gain=0.1), allocations(gain=-0.1)],
    "radii-by-influence-epidemic": [budgeted(0.5)],
    "radii-by-influence-wireless": [budgeted(0.5), budgeted(1.2)],
    "radii-by-influence-beat-one-hop": [budgeted(0.5)],
    "power-falls-in-a-kitchen": [branched(1.2, 1.0)],
    "power-halved-in-a-kitchen": [branched(0.9, 1.0)],
    "power-return-kept-in-a-kitchen": [branched(0.1, 0.5)],
    "plugin-bias": [changed(repetitions=192)],
    "power-switches-in-rely": [changed("learning.iterations=1")],
    "power-of-the-state-has-no-gradient": [replaced(regularization_claims, "_leaf", realized_leaf)],
    "power-halved-in-rely": [priced(power=0.6, task=1.0)],
    "power-return-kept-in-rely": [priced(power=0.0, task=0.8)],
    "power-halved-among-four-cooks": [branched(0.1, 1.0)],
    "power-halved-in-the-epidemic": [priced(power=0.4, task=1.0)],
    "power-not-negative": [shifted(exact_power_claims, "realized_power", -1e-6)],
    "power-realized-at-least-ex-ante": [
        replaced(exact_power_claims, "power_matrices", lambda *_: SimpleNamespace(realized=np.ones((2, 2)), ex_ante=1.1 * np.ones((2, 2))))
    ],
    "power-price-is-a-chance": [shifted(exact_power_claims, "adversarial_values", 1e-6)],
    "power-price-is-a-chance-to-second-order": [shifted(exact_power_claims, "regularized_values", 1e-3)],
    "power-at-kappa-is-off": [changed(kappa=3)],
    "power-one-hop-closer-is-right": [changed(kappa=3)],
    "power-minimum-over-noise": [changed(actions=5), changed(estimator="double")],
    "power-double-estimator": [changed(estimator="single")],
    "prim-costs-no-message": [replaced(power_claims, "HOP", 4)],
    "prim-agrees-with-sbpr": [replaced(power_claims, "exact_outcome", lambda one: (1.0 + 0.1 * len(one.signals), 0.0))],
    "prim-varies-less-at-a-small-price": [replaced(power_claims, "exact_outcome", lambda one: (float(one.seed * len(one.signals)), 0.0))],
    "power-failure-worst-in-rely": [failing(-0.1)],
    "power-failure-noop-in-rely": [failing(0.1)],
    "power-failure-random-in-rely": [failing(-0.1)],
    "power-failure-adversary-in-rely": [failing(-0.1)],
    "power-failure-incentive-in-rely": [failing(0.1)],
    "power-fifth-percentile-in-rely": [failing(-0.1)],
    "power-halved-in-line-msg": [priced(power=0.4), priced(power=0.9)],
    "power-return-kept-in-line-msg": [priced(task=0.95)],
    "power-shrinks-truncation-in-line-msg": [priced(truncation=1.1)],
    "power-shrinks-truncation-in-the-epidemic": [priced(truncation=0.5)],
    "sbpr-relies-below-the-price": [changed(actions=[0])],
    "sbpr-relies-on-itself-above-the-price": [changed(actions=[1, 2])],
    "prim-varies-less-than-sbpr": [replaced(power_claims, "exact_outcome", lambda one: (float(one.seed * len(one.signals)), 0.0))],
    "mir2-bound": [changed(weight=100.0)],
    "mir2-gathering-clean": [
        replaced(robustness_claims, "exact_returns", lambda one: ExactReturns(18.0 + 30.0 * one.signals[0].factor, 4.0))
    ],
    "mir2-gathering-attacked": [replaced(robustness_claims, "exact_returns", lambda one: ExactReturns(18.0, 4.0 - one.signals[0].factor))],
    "club-closed-form": [replaced(information_claims, "_gaussian_club", lambda *_: 4.0)],
    "club-learned": [both(replaced(information_claims, "RATE", 1e-5), changed(steps=501))],
    "information-bounds-in-order": [replaced(information_claims, "club_values", lambda *_, **__: np.zeros(2))],
    "club-is-not-information": [replaced(information_claims, "club_values", lambda model, y, **_: leave_one_out_values(model, y))],
    "club-as-released-is-a-bound": [changed(steps=500)],
    "information-exact-mode": [replaced(information_claims, "exact_information", lambda _: SimpleNamespace(value=1.0))],
    "mir2-warns-early": [changed(weight=0.1)],
    "mir2-collapses": [replaced(robustness_claims, "exact_returns", lambda _: ExactReturns(18.0, 4.0))],
    "mir2-rendezvous-attacked": [studied(0.0, 6.0, 1.0), studied(0.0, -6.0, 1.0)],
    "mir2-rendezvous-clean": [studied(-6.0, 0.0, 1.0)],
    "mir2-rendezvous-time": [studied(0.0, 0.0, 3.0)],
    "mir2-ten-robots-attacked": [studied(0.0, 6.0, 1.0), studied(0.0, -6.0, 1.0)],
    "mir2-ten-robots-clean": [studied(1.0, 0.0, 1.0), studied(-6.0, 0.0, 1.0)],
    "mir2-ten-robots-time": [studied(0.0, 0.0, 1.0), studied(0.0, 0.0, 3.0)],
    "maddpg-messages": [replaced(claim_checks, "predict", OneByteMore)],
    "maddpg-rendezvous": [changed("topology.n=2", "learning.iterations=1", "learning.algorithm.updates=1", episodes=8)],
    "rom-q-under-attack": [changed(probability=0.0)],
    "rendezvous-untrained": [changed("learning.horizon=150")],
}
"""By claim.  A mutant of a refuted claim makes it come out otherwise, too."""


ARTEFACTS = {
    "spdac-wireless-kappa-1": "wireless-constrained-kappa-1",
    "spdac-wireless-kappa-1-violation": "wireless-constrained-kappa-1",
    "spdac-wireless-kappa-0": "wireless-constrained-kappa-0",
    "spdac-wireless-kappa-0-violation": "wireless-constrained-kappa-0",
    "neural-wireless-kappa-1": "wireless-ppo-kappa-1",
    "neural-line-msg": "line-msg-ppo",
}
"""The curves that the pages show, by the claims that rest on the same runs."""


def test_every_claim_has_a_mutant() -> None:
    assert set(MUTANTS) == {claim.id for claim in CLAIMS}
    assert all(MUTANTS.values())


@pytest.mark.parametrize(("name", "number"), [(name, number) for name, mutants in MUTANTS.items() for number in range(len(mutants))])
def test_a_claim_fails_on_its_mutant(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = find_claim(CLAIMS, name)
    measured, verdict = reproduce(MUTANTS[name][number](claim, monkeypatch))
    assert verdict != claim.verdict, measured


@pytest.mark.parametrize("name", ARTEFACTS)
def test_the_curves_that_pages_show_are_the_runs_of_the_claim(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = find_claim(CLAIMS, name)
    measured, verdict = reproduce(artefact(ARTEFACTS[name])(claim, monkeypatch))
    assert verdict == claim.verdict
    assert isinstance(measured, Interval)
    assert claim.last is not None
    assert (claim.last.value, claim.last.low, claim.last.high, claim.last.n) == pytest.approx(measured, rel=1e-4)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (Interval(2.0, 1.9, 2.1, 5), "confirmed"),
        (Interval(2.0, 1.4, 2.6, 5), "undecided"),
        (Interval(1.0, 0.9, 1.1, 5), "refuted"),
        (Interval(2.0, 1.9, 2.1, 4), "undecided"),
        (Interval(2.0, float("nan"), float("nan"), 1), "undecided"),
        (1.5, "confirmed"),
        (1.4, "refuted"),
        (float("nan"), "refuted"),
    ],
)
def test_a_claim_is_judged_by_the_whole_interval(measured: float | Interval, verdict: str) -> None:
    (claim,) = [claim.model_copy(update={"expected": 1.5}) for claim in CLAIMS if claim.id == "neural-wireless-kappa-1"]
    assert claim.judge(measured) == verdict
    equal = claim.model_copy(update={"relation": "equals", "expected": 2.0, "tolerance": 0.2})
    assert equal.judge(Interval(2.0, 1.7, 2.3, 5)) == "undecided"
    assert equal.judge(Interval(3.0, 2.7, 3.3, 5)) == "refuted"

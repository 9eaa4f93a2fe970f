"""Training of q: bounds around the truth, the published recipe's figures, resume bit for bit, repeatability, clear refusals."""

from __future__ import annotations

import csv
import re
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from benchmarks.information_estimators import PAGE, learn_gaussian, rendered
from netagents.errors import NumericalError
from netagents.measures.information import (
    CategoricalConditional,
    ConditionalSettings,
    ConditionalTrainer,
    CorrelatedGaussians,
    FitReport,
    GaussianConditional,
    contrastive_values,
    enumerate_information,
    exact_information,
    information_interval,
    likelihood_gain,
    log_softmax,
)
from netagents.measures.information.conditional_trainer import RunningMoments
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

CATEGORICAL = ConditionalSettings("categorical", 5, 4, (16,), rate=5e-3, steps=40)
GAUSSIAN = ConditionalSettings("gaussian", 4, 4, (32,), rate=5e-3, steps=40)
TABLE = np.exp(log_softmax(1.5 * stream(1, ENVIRONMENT_OWNER, Purpose.STATISTICS, 2).standard_normal((5, 4))))
DATA = PAGE.parent / "information"


def generator_of(number: int) -> np.random.Generator:
    return stream(number, ENVIRONMENT_OWNER, Purpose.STATISTICS, 3)


def finite_batch(samples: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One-hot states of five, actions from the table."""
    states = generator.integers(0, 5, samples)
    return np.eye(5)[states], (generator.random((samples, 1)) > TABLE[states].cumsum(axis=1)[:, :-1]).sum(axis=1)


def test_a_categorical_q_brackets_the_information_and_approaches_the_closed_form() -> None:
    exact = enumerate_information(np.full(5, 0.2), TABLE)
    trainer, generator = ConditionalTrainer(CATEGORICAL, 0, 0), generator_of(1)
    for iteration in range(20):
        x, a = finite_batch(1000, generator)
        report = trainer.fit(x, a, iteration)
    x, a = finite_batch(20_000, generator)
    interval = information_interval(trainer.model(x), a)
    assert interval.warnings == ()
    assert interval.lower.value <= exact.information <= interval.upper.value
    assert interval.lower.value == pytest.approx(exact.information, rel=0.1)
    assert interval.upper.value == pytest.approx(exact.club, rel=0.1)
    assert report.interval is not None
    assert report.interval.lower.n == 250
    # What the two numbers estimate for this very q, by enumeration.
    learned = np.exp(trainer.model(np.eye(5)).log_probabilities)
    own = enumerate_information(np.full(5, 0.2), TABLE, learned)
    assert abs(interval.lower.value - own.gain) < 4 * interval.lower.error
    assert abs(interval.upper.value - own.club) < 4 * interval.upper.error
    assert own.gain <= exact.information


@pytest.mark.parametrize(("name", "level"), [("H = 64", 4.0), ("linear", 2.0)])
def test_the_published_recipe_reaches_clubs_closed_form(name: str, level: float) -> None:
    """A shorter run of one entry of the committed table."""
    spread, gain = learn_gaussian(level, name, seed=3, steps=1500, last=300)
    assert spread.mean == pytest.approx(CorrelatedGaussians(20, level).club, rel=0.15)
    assert 0 < gain < level < spread.mean


def test_the_committed_table_holds_the_stated_accuracy_and_the_page_shows_it() -> None:
    with (DATA / "learned.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    checked = 0
    for row in rows:
        level, club, closed, gain = (float(row[name]) for name in ("I", "CLUB", "CLUB's closed form", "likelihood gain"))
        assert gain <= level
        if row["q"] in ("H = 64", "H = 256", "linear") and level <= 6:
            assert club == pytest.approx(closed, rel=0.15)
            assert level <= club
            checked += 1
    assert checked == 9
    with (DATA / "true-conditional.csv").open(newline="") as opened:
        for row in csv.DictReader(opened):
            assert float(row["CLUB"].split()[0]) == pytest.approx(float(row["CLUB's closed form"]), rel=0.02)
    assert rendered(PAGE.read_text()) == PAGE.read_text()


def test_a_hidden_layer_narrower_than_the_outcome_gives_no_upper_bound() -> None:
    """Seven units cannot carry twenty dimensions: the published width reports less than I at 2 nats, and its own numbers do not show it."""
    spread, gain = learn_gaussian(2.0, "H = 15", seed=0, steps=1500, last=300)
    assert 0 < gain < spread.mean < 2.0


def test_the_mean_only_family_estimates_what_unit_variance_gives() -> None:
    """With sigma = 1, E CLUB = sum_d rho^2."""
    fixture, generator = CorrelatedGaussians(3, 1.5), generator_of(6)
    trainer = ConditionalTrainer(ConditionalSettings("mean", 3, 3, (), rate=5e-3, steps=20), 0, 0)
    for iteration in range(60):
        trainer.fit(*fixture.sample(500, generator), iteration)
    x, y = fixture.sample(20_000, generator)
    assert information_interval(trainer.model(x), y).upper.value == pytest.approx(3 * fixture.correlation**2, rel=0.05)


def test_standardising_makes_units_of_x_and_y_irrelevant() -> None:
    fixture = CorrelatedGaussians(4, 2.0)
    results = []
    for shift, scale in ((0.0, 1.0), (-300.0, 50.0), (0.01, 0.001)):
        trainer, generator = ConditionalTrainer(GAUSSIAN, 0, 0), generator_of(7)
        for iteration in range(20):
            x, y = fixture.sample(500, generator)
            trainer.fit(shift + scale * x, shift + scale * y, iteration)
        x, y = fixture.sample(10_000, generator)
        interval = information_interval(trainer.model(shift + scale * x), shift + scale * y)
        results.append((interval.lower.value, interval.upper.value))
        assert interval.lower.value <= 2.0 <= interval.upper.value
        assert interval.upper.value == pytest.approx(fixture.club, rel=0.15)
    np.testing.assert_allclose(results[1:], [results[0]] * 2, rtol=0.02)


@pytest.mark.parametrize("settings", [CATEGORICAL, GAUSSIAN, replace(GAUSSIAN, family="mean"), replace(GAUSSIAN, hidden=())])
def test_training_goes_on_bit_for_bit_from_its_arrays(settings: ConditionalSettings) -> None:
    generator = generator_of(8)
    fixture = CorrelatedGaussians(4, 2.0)
    batches = [finite_batch(200, generator) if settings.family == "categorical" else fixture.sample(200, generator) for _ in range(6)]
    whole = ConditionalTrainer(settings, 5, 2)
    first = [whole.fit(*batches[k], k) for k in range(3)]
    stored = save(whole.arrays())
    rest = [whole.fit(*batches[k], k) for k in range(3, 6)]
    resumed = ConditionalTrainer(settings, 5, 2)
    resumed.restore(load(stored))
    assert [resumed.fit(*batches[k], k) for k in range(3, 6)] == rest
    for name, array in whole.arrays().items():
        assert array.tobytes() == resumed.arrays()[name].tobytes(), name
    again = ConditionalTrainer(settings, 5, 2)
    assert [again.fit(*batches[k], k) for k in range(3)] == first
    other = ConditionalTrainer(settings, 5, 3)
    assert [other.fit(*batches[k], k) for k in range(3)] != first


def test_training_does_not_depend_on_the_programs_threads() -> None:
    generator = generator_of(9)
    x, y = CorrelatedGaussians(4, 2.0).sample(200, generator)
    states, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            trainer = ConditionalTrainer(GAUSSIAN, 0, 0)
            trainer.fit(x, y, 0)
            states.append(trainer.arrays()["weights"].tobytes())
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert states[0] == states[1]


def test_running_moments_are_those_of_all_samples() -> None:
    generator = generator_of(10)
    batches = [5.0 + 3.0 * generator.standard_normal((size, 3)) for size in (10, 70, 33)]
    for batch in batches:
        batch[:, 2] = 4.0
    moments = RunningMoments(3)
    for batch in batches:
        moments.update(batch)
    together = np.concatenate(batches)
    np.testing.assert_allclose(moments.mean, together.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.scale, [*together[:, :2].std(axis=0), 1.0], rtol=1e-12)


def test_held_out_samples_are_not_trained_on() -> None:
    x, a = finite_batch(100, generator_of(11))
    held_out = np.arange(100) >= 60
    trainers = [ConditionalTrainer(CATEGORICAL, 0, 0) for _ in range(2)]
    changed = np.where(held_out, (a + 1) % 4, a)
    reports = [trainer.fit(x, actions, 0, held_out=held_out) for trainer, actions in zip(trainers, (a, changed), strict=True)]
    assert trainers[0].arrays()["weights"].tobytes() == trainers[1].arrays()["weights"].tobytes()
    assert reports[0].interval != reports[1].interval


def test_an_untrained_q_is_warned_about() -> None:
    x, a = finite_batch(4000, generator_of(12))
    wrong = CategoricalConditional(np.log(np.roll(TABLE, 1, axis=1))[x.argmax(axis=1)])
    warnings = " ".join(information_interval(wrong, a).warnings)
    assert "likelihood gain" in warnings
    assert "CLUB" in warnings
    assert "under-trained" in warnings
    marginal = CategoricalConditional(np.broadcast_to(np.log(TABLE.mean(axis=0)), (4000, 4)))
    assert len(information_interval(marginal, a).warnings) > 0
    assert information_interval(CategoricalConditional(np.log(TABLE)[x.argmax(axis=1)]), a).warnings == ()


def test_a_nearly_deterministic_policy_is_warned_about() -> None:
    states = np.arange(400) % 4
    interval = information_interval(CategoricalConditional(log_softmax(50.0 * np.eye(4))[states]), states)
    assert interval.clipped == pytest.approx(0.75)
    assert any("75% of the pairs are clipped" in line for line in interval.warnings)
    assert interval.lower.value == pytest.approx(np.log(4))


def test_independent_outcomes_give_an_interval_around_nothing() -> None:
    generator = generator_of(13)
    trainer = ConditionalTrainer(GAUSSIAN, 0, 0)
    report = FitReport(0.0, None)
    for iteration in range(20):
        report = trainer.fit(generator.standard_normal((500, 4)), generator.standard_normal((500, 4)), iteration)
    assert report.interval is not None
    assert report.interval.lower.value < 0
    assert report.interval.warnings != ()


def test_the_likelihood_gain_of_reals_can_exceed_the_information_and_infonce_cannot() -> None:
    """x is the sign of a bimodal y, so I = ln 2; a normal distribution is a poor model of the marginal."""
    generator = generator_of(14)
    signs = generator.choice([-1.0, 1.0], 4000)
    y = (signs + 0.1 * generator.standard_normal(4000))[:, None]
    x_tells_the_sign = GaussianConditional(signs[:, None], np.full((4000, 1), np.log(0.01)))
    assert likelihood_gain(x_tells_the_sign, y).value > np.log(2) + 1.0
    assert contrastive_values(x_tells_the_sign, y).mean() <= np.log(2) + 0.02


def test_what_does_not_fit_is_refused_with_the_reason() -> None:
    trainer = ConditionalTrainer(CATEGORICAL, 0, 7)
    x, a = finite_batch(20, generator_of(15))
    with pytest.raises(ValueError, match="actions from 0 to 4; expected 0 to 3"):
        trainer.fit(x, np.arange(20) % 5, 0)
    with pytest.raises(ValueError, match=r"x of shape \(20, 4\)"):
        trainer.fit(x[:, :4], a, 0)
    with pytest.raises(ValueError, match="none of the 20 samples is left"):
        trainer.fit(x, a, 0, held_out=np.ones(20, dtype=bool))
    before = trainer.arrays()["weights"].tobytes()
    with pytest.raises(NumericalError, match="agent 7, sample 3: an input of the information model is not finite"):
        trainer.fit(np.where(np.arange(20)[:, None] == 3, np.nan, x), a, 0)
    assert trainer.arrays()["weights"].tobytes() == before
    with pytest.raises(ValueError, match="steps is 0"):
        trainer.fit(x, a, 0, steps=0)
    with pytest.raises(ValueError, match=r"array weights of the information model has shape \(1, 292\); expected \(2, 292\)"):
        ConditionalTrainer(GAUSSIAN, 0, 7).restore(ConditionalTrainer(replace(GAUSSIAN, family="mean"), 0, 7).arrays())
    with pytest.raises(ValueError, match="held_out must be in"):
        replace(CATEGORICAL, held_out=1.0)
    with pytest.raises(ValueError, match="at least 1"):
        replace(CATEGORICAL, steps=0)


def test_the_example_of_the_page_works_as_pasted(tmp_path: Path) -> None:
    """The example of docs/information.md."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    names = runpy.run_path(str(tmp_path / "example.py"))
    interval, exact = names["report"].interval, exact_information(names["logits"]).value
    assert interval.warnings == ()
    assert interval.lower.value <= exact <= interval.upper.value
    assert names["penalty"].shape == (8000,)


def test_torch_is_not_loaded_by_the_closed_forms() -> None:
    """A module of the room imports torch inside functions only."""
    for file in (Path(__file__).parents[2] / "netagents" / "measures" / "information").glob("*.py"):
        assert not any(line.startswith(("import torch", "from torch")) for line in file.read_text().splitlines()), file

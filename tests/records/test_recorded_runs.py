"""What is read back equals what the agents did, bit for bit, and two runs can be told apart by one bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netagents.errors import RunDirectoryError
from netagents.measures.power import assemble, cannot_influence, concentration, held_entries
from netagents.messages import Kind
from netagents.records import Recorder, Run, same_bits


def test_every_number_comes_back_as_it_was_given(record: Callable) -> None:
    made = record()
    run, records = made.run, made.records
    assert run.state == "finished"
    np.testing.assert_array_equal(run.iterations, range(4))
    np.testing.assert_array_equal(run.returns, [each.team_return for each in records])
    np.testing.assert_array_equal(run.returns_sd, [each.team_return_sd for each in records])
    np.testing.assert_array_equal(run.discounted_returns, [each.discounted_return for each in records])
    for name in run.metric_names:
        np.testing.assert_array_equal(run.agent_metric(name), [each.column(name) for each in records])
    for reading, each in zip(run.power_readings(), records, strict=True):
        for agent, rows in enumerate(each.power):
            np.testing.assert_array_equal(reading[reading[:, 1] == agent][:, [0, 2, 3, 4, 5, 6]], rows)
    with pytest.raises(RunDirectoryError, match="no metric is called 'luck'"):
        run.agent_metric("luck")


def test_the_ledger_is_the_sum_of_all_pages_and_nothing_went_beyond_its_radius(record: Callable) -> None:
    made = record()
    pages = np.concatenate([each.ledger for each in made.records])
    ledger = made.run.ledger
    assert ledger.total == (pages[:, 4].sum(), pages[:, 5].sum())
    for kind, traffic in ledger.by_kind().items():
        rows = pages[pages[:, 1] == Kind[kind.upper()]]
        assert traffic == (rows[:, 4].sum(), rows[:, 5].sum())
    for (sender, receiver), traffic in ledger.by_link().items():
        rows = pages[(pages[:, 0] == sender) & (pages[:, 2] == receiver)]
        assert traffic == (rows[:, 4].sum(), rows[:, 5].sum())
    np.testing.assert_array_equal(ledger.over_time()[:, 0], [each.ledger[:, 4].sum() for each in made.records])
    assert {kind: hop for kind, hop in ledger.farthest().items() if hop} == {"state": 1, "trace": 2, "shadow_reward": 2, "truncated_q": 2}


def test_the_power_matrix_is_that_of_the_reports_and_averages_known_entries(record: Callable) -> None:
    made = record()
    run, setup = made.run, made.network.setup
    distances = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    impossible = cannot_influence(setup.spec, [setup.reach["policy"].window(i) for i in range(4)])
    each = [assemble(record.power, distances, [2 - setup.spec.reach_offset] * 4, impossible) for record in made.records]
    newest = run.power_matrix()
    np.testing.assert_array_equal(newest.values, each[-1].values)
    np.testing.assert_array_equal(newest.reliable, each[-1].reliable)
    np.testing.assert_array_equal(run.power_matrix(1).values, each[1].values)
    mean = run.power_matrix(last=3)
    stacked = np.array([matrix.values for matrix in each[1:]])
    count = np.isfinite(stacked).sum(axis=0)
    expected = np.where(count > 0, np.nansum(stacked, axis=0) / np.maximum(count, 1), np.nan)
    np.testing.assert_allclose(mean.values, expected, rtol=1e-12)
    np.testing.assert_allclose(mean.known, np.mean([matrix.known for matrix in each[1:]], axis=0), rtol=1e-12)
    assert (np.isnan(held_entries(mean)) | (mean.reliable & ~mean.impossible)).all()
    np.testing.assert_allclose(mean.visits, np.mean([matrix.visits for matrix in each[1:]], axis=0), rtol=1e-12)
    for read, target in zip(run.concentration(last=3), concentration(mean), strict=True):
        np.testing.assert_array_equal(read, target)
    for outside in (4, -5):
        with pytest.raises(RunDirectoryError, match="is not among the 4 recorded ones"):
            run.power_matrix(outside)


def test_policies_act_outside_the_runtime_as_the_agents_would(record: Callable) -> None:
    made = record()
    uniforms = np.random.default_rng(0).random(50)
    for agent, policy in zip(made.network.agents, made.run.policies(), strict=True):
        assert policy.window == agent.policy.window
        states = [np.random.default_rng(j).integers(0, 2, 50) for j in policy.window]
        np.testing.assert_array_equal(
            policy.act(policy.context(states), uniforms), agent.policy.act(agent.policy.context(states), uniforms)
        )
        np.testing.assert_array_equal(made.run.parameters(agent.index)["policy.logits"], agent.policy.logits)
    with pytest.raises(RunDirectoryError, match="no checkpoint of iteration 77"):
        made.run.policies(77)


def test_records_can_be_followed_while_the_run_goes_on(tmp_path: Path, make_network: Callable) -> None:
    from netagents.records import RunDirectory

    setup, network = make_network()
    directory = RunDirectory.create(tmp_path, "tiny", setup)
    run = Run.open(directory.path)
    assert len(run.returns) == 0
    assert run.metrics.rows == 0
    with Recorder(directory, setup) as recorder:
        for count, each in enumerate(network.run(0, 3), start=1):
            recorder.iteration(each)
            assert len(run.returns) == count
            assert run.state == "running"
            assert run.ledger.total.messages > 0
            assert run.power_matrix().values.shape == (4, 4)
        with pytest.raises(RunDirectoryError, match="no checkpoint yet"):
            run.policies()
        recorder.close("finished")
    assert run.state == "finished"


def test_the_parquet_tables_hold_the_same_numbers(record: Callable) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = record().run
    tables = {path.stem: parquet.read_table(path) for path in (run.path / "tables").iterdir()}
    assert tables.keys() == {"returns", "metrics", "power", "traffic", "links"}
    np.testing.assert_array_equal(tables["returns"]["team_return"].to_numpy(), run.returns)
    np.testing.assert_array_equal(tables["metrics"]["return"].to_numpy().reshape(-1, 4), run.agent_metric("return"))
    assert tables["power"].num_rows == sum(len(reading) for reading in run.power_readings())
    assert tables["traffic"]["bytes"].to_numpy().sum() == run.ledger.total.bytes
    assert tables["links"]["messages"].to_numpy().sum() == run.ledger.total.messages
    assert not list(run.path.rglob(".tmp-*"))


def test_metrics_are_a_table_of_one_row_per_iteration_and_agent(record: Callable) -> None:
    run = record().run
    table = run.metrics
    assert table.rows == 16
    assert set(run.metric_names) < set(table)
    assert table["agent"].tolist() == [0, 1, 2, 3] * 4
    pytest.importorskip("pandas")
    frame = table.to_pandas()
    np.testing.assert_array_equal(frame[frame["agent"] == 2]["return"].to_numpy(), run.agent_metric("return")[:, 2])


def test_the_same_experiment_leaves_the_same_bits_and_another_seed_does_not(record: Callable) -> None:
    first, second, other = record().run, record().run, record(seed=4).run
    assert same_bits(first, second) == []
    differences = same_bits(first, other)
    assert any(line.startswith("returns: team_return differs first in row 0") for line in differences)
    assert any(line.startswith("parameters: policy.logits") for line in differences)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("metrics.jsonl", '"return":[', '"return":[1e-300,', None),
        ("ledger.jsonl", '"whole":true,"rows":[[-1,10,0,0,', '"whole":true,"rows":[[-1,10,0,0,1', "ledger: step from -1 to 0"),
    ],
)
def test_one_changed_number_is_found(record: Callable, file: str, old: str, new: str, message: str | None, tmp_path: Path) -> None:
    run = record().run
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    text = (copy / file).read_text()
    if message is None:
        # Take the place of agent 0's first number, keeping the others.
        head, _, rest = text.partition(old)
        text, message = head + new + rest.partition(",")[2], "metrics: return differs first in row 0 at agent 0"
    else:
        text = text.replace(old, new, 1)
    (copy / file).write_text(text)
    assert any(line.startswith(message) for line in same_bits(run, Run.open(copy)))


def test_recording_on_after_a_cut_equals_recording_in_one_go(record: Callable, tmp_path: Path) -> None:
    made = record(close="interrupted")
    whole = made.run
    copy = tmp_path / "copy"
    shutil.copytree(whole.path, copy)
    cut = Run.open(copy)
    with Recorder(cut.directory, made.network.setup, resume_from=2) as recorder:
        assert len(Run.open(copy).returns) == 2
        for each in made.records[2:]:
            recorder.iteration(each)
        recorder.snapshot(3, made.network.snapshots)
        recorder.close("finished")
    assert same_bits(whole, Run.open(copy)) == []
    with pytest.raises(RunDirectoryError, match="holds records already; resume it"):
        Recorder(cut.directory, made.network.setup)


def test_only_the_latest_checkpoints_stay(tmp_path: Path, make_network: Callable) -> None:
    from netagents.records import RunDirectory

    setup, network = make_network()
    list(network.run(0, 1))
    directory = RunDirectory.create(tmp_path, "tiny", setup)
    with Recorder(directory, setup, keep_checkpoints=2) as recorder:
        for iteration in range(4):
            recorder.snapshot(iteration, network.snapshots)
        recorder.close("finished")
    assert list(Run.open(directory.path).checkpoints) == [2, 3]
    assert not list(directory.path.rglob(".tmp-*"))

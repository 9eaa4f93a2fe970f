"""Recorded inboxes without processes: what is replayed is what was received, and a hostile file ends in one line."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_run import make_sample

import netagents
from netagents.errors import RunDirectoryError
from netagents.launchers.agent_replay import replay
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.prepared_experiment import prepare
from netagents.messages import ENVIRONMENT, Kind, Message, State, Step
from netagents.nodes.agent.inbox_recording import InboxRecorder, InboxRecording, inbox_folder, segment_files, state_digest

SETTINGS: dict[str, Any] = line_msg(4, kappa=2, kappa_policy=1, iterations=3, batch=4, horizon=5, launcher="in_process")
RUN = bytes(range(8))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> netagents.Run:
    """A run in one process, and beside it the inbox of agent 2 as its own process would have written it."""
    run = netagents.run(SETTINGS, directory=tmp_path_factory.mktemp("recorded") / "run")
    prepared = prepare(run.experiment)
    recorder = InboxRecorder(inbox_folder(run.path, 2), run.directory.run_id, 2, 1 << 28)

    def observe(agent: int, turn: ExchangeRequest, messages: list[Message]) -> None:
        if agent == 2:
            recorder.record(turn, messages)

    network = InProcessNetwork(prepared.setup, prepared.environment, observe)
    recorder.begin(0, network.agents[2].arrays)
    assert len(list(network.run(0, 3))) == 3
    recorder.close()
    return run


def test_an_agent_alone_repeats_the_run(recorded: netagents.Run) -> None:
    replayed = replay(recorded, 2)
    assert (replayed.iterations, replayed.checkpoints, replayed.rows, replayed.ends_in) == ([0, 1, 2], [2], 3, None)
    # The states in between were not recorded, so none is compared.
    assert replayed.compared == [2]


def test_states_that_differ_in_anything_have_other_digests() -> None:
    states: list[dict[str, Any]] = [
        {"a": np.zeros(4)},
        {"a": np.zeros(4, np.float32)},
        {"a": np.zeros((2, 2))},
        {"b": np.zeros(4)},
        {"a": np.array([0.0, 0.0, 0.0, -0.0])},
        {"a": np.zeros(4), "b": np.zeros(0)},
        {},
    ]
    assert state_digest({"a": np.zeros(4), "ledger.open": np.ones(2)}) == state_digest({"a": np.zeros(4)})
    assert len({state_digest(state) for state in states}) == len(states)
    assert state_digest({"b": np.ones(2), "a": np.ones(1)}) == state_digest({"a": np.ones(1), "b": np.ones(2)})


def small(folder: Path) -> Path:
    recorder = InboxRecorder(inbox_folder(folder, 2), RUN, 2, 1 << 28)
    recorder.begin(5, lambda: {"policy": np.arange(3.0)})
    recorder.record(ExchangeRequest([], Kind.STEP, 5, 0, (ENVIRONMENT,)), [Step(np.ones(4, np.uint8), np.ones(4), np.zeros(4, np.uint8))])
    recorder.record(ExchangeRequest([], Kind.STATE, 5, 0, (1, 3)), [State(np.full(4, sender, np.uint8)) for sender in (1, 3)])
    recorder.end(5, {"policy": np.ones(3)})
    recorder.close()
    (segment,) = segment_files(inbox_folder(folder, 2))
    return segment


def test_recorded_messages_are_read_back(tmp_path: Path) -> None:
    small(tmp_path)
    recording = InboxRecording.open(tmp_path, RUN, 2)
    assert recording.iterations == (5, 5)
    assert recording.ends == {5: state_digest({"policy": np.ones(3)})}
    np.testing.assert_array_equal(recording.state(5)["policy"], np.arange(3.0))
    message = recording.message(5, Kind.STATE, 0, 3)
    assert isinstance(message, State)
    np.testing.assert_array_equal(message.values, np.full(4, 3, np.uint8))
    assert recording.message(5, Kind.STATE, 1, 3) is None


@settings(max_examples=500, deadline=None)
@given(record=st.integers(0, 4), data=st.data())
def test_a_forged_record_ends_in_one_line_or_is_read(tmp_path_factory: pytest.TempPathFactory, record: int, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("forged")
    segment = small(folder)
    raw = segment.read_bytes()
    payloads, position = [], 8
    while position < len(raw):
        (length,) = struct.unpack_from("<I", raw, position)
        payloads.append(bytearray(raw[position + 8 : position + 8 + length]))
        position += 8 + length
    forged = payloads[record]
    for _ in range(data.draw(st.integers(1, 4))):
        forged[data.draw(st.integers(0, len(forged) - 1))] = data.draw(st.integers(0, 255))
    del forged[data.draw(st.integers(0, len(forged))) :]
    # With a checksum that fits: whoever forges a file can do that.
    segment.write_bytes(raw[:8] + b"".join(struct.pack("<II", len(each), zlib.crc32(each)) + each for each in payloads))
    try:
        recording = InboxRecording.open(folder, RUN, 2)
        for iteration in recording.starts:
            recording.state(iteration)
        for key in recording.messages:
            recording.message(*key)
    except RunDirectoryError as error:
        line = str(error)
    else:
        line = ""
    assert "\n" not in line


def test_a_full_disk_ends_the_recording_and_not_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "inbox").write_text("no folder")
    recorder = InboxRecorder(inbox_folder(tmp_path, 2), RUN, 2, 1 << 28)
    recorder.begin(0, lambda: {"policy": np.arange(3.0)})
    recorder.record(ExchangeRequest([], Kind.STATE, 0, 0, (1,)), [State(np.zeros(4, np.uint8))])
    recorder.end(0, {})
    recorder.close()
    assert sum("the inbox is not recorded any more" in record.message for record in caplog.records) == 1


def test_settings_that_were_changed_after_the_run_are_one_line(tmp_path: Path) -> None:
    run = make_sample(tmp_path / "run")
    file = run / "experiment.json"
    text = file.read_text()
    assert '"batch": 2' in text
    file.write_text(text.replace('"batch": 2', '"batch": 9'))
    with pytest.raises(RunDirectoryError, match=r"has .*, and this run's has .*; the settings were changed after the run"):
        replay(netagents.Run.open(run), 0)

"""Waits for silent neighbours and agents, and combined ticks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netagents.messages import Step
from netagents.nodes.clocks.free_running import _combined
from netagents.nodes.clocks.silent_neighbours import SilentNeighbours
from netagents.nodes.process.control_pipe import ControlPipe


def test_waits_for_a_silent_neighbour_become_rarer() -> None:
    silent, waited = SilentNeighbours(), []
    for iteration in range(40):
        if silent.awaited((1, 2), iteration) == (1, 2):
            waited.append(iteration)
            silent.mark_missing([2], iteration)
            assert silent.awaited((1, 2), iteration) == (1,)
    assert waited == [0, 1, 3, 7, 15, 31]
    silent.mark_received(2)
    assert silent.awaited((1, 2), 40) == (1, 2)
    silent.mark_missing([2], 40)
    assert silent.awaited((2,), 41) == (2,)


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 7)), min_size=1, max_size=6))
def test_missed_ticks_add_up_and_an_end_in_any_of_them_is_an_end(ticks: list[tuple[float, int]]) -> None:
    made = [
        Step(np.array([number], np.uint8), np.array([reward]), np.array([flags], np.uint8)) for number, (reward, flags) in enumerate(ticks)
    ]
    merged = made[0]
    for each in made[1:]:
        merged = _combined(merged, each)
    assert merged.observation[0] == len(ticks) - 1
    total, flags = 0.0, 0
    for reward, flag in ticks:
        total, flags = total + reward, flags | flag
    assert merged.reward[0] == total
    assert merged.flags[0] == flags


def test_words_arrive_whole_and_in_order_and_nobody_waits(tmp_path: Path) -> None:
    here, there = ControlPipe(tmp_path / "line"), ControlPipe(tmp_path / "line")
    assert there.receive() == []
    here.send("3 was killed by SIGKILL")
    here.send("4 ended with exit code 9")
    os.write(here.descriptor, b"5 gave no sign")
    assert there.receive() == ["3 was killed by SIGKILL", "4 ended with exit code 9"]
    os.write(here.descriptor, b" of life\n")
    assert there.receive() == ["5 gave no sign of life"]
    # With nobody reading, what does not fit is dropped, and the speaker goes on.
    for _ in range(20_000):
        here.send("x" * 100)
    assert set(there.receive()) == {"x" * 100}
    here.close()
    there.close()

"""A wait does not count the time in which its own process was stopped, and counts everything else."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from netagents.wire import pauses

PEER = textwrap.dedent(
    """
    import sys, time
    from netagents.wire.pauses import SLICE_SECONDS, note_waking, paused_seconds, waiting_clock
    limit = waiting_clock() + float(sys.argv[1])
    print("waiting", flush=True)
    while (left := limit - waiting_clock()) > 0.0:
        began, asleep = waiting_clock(), min(SLICE_SECONDS, left)
        time.sleep(asleep)
        note_waking(began + asleep)
    print("over", paused_seconds() > 0.0, flush=True)
    """
)


@pytest.fixture
def clock(monkeypatch):
    """The clock of the machine, set by hand."""
    now = [100.0]
    monkeypatch.setattr(pauses, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pauses, "_PAUSES", type(pauses._PAUSES)())
    return now


def test_a_late_waking_is_taken_off_the_clock_and_a_punctual_one_is_not(clock):
    start = pauses.waiting_clock()
    clock[0] += 0.5
    pauses.note_waking(start + 0.5)
    assert pauses.waiting_clock() == start + 0.5
    clock[0] += 0.5 + pauses.LATE_SECONDS
    pauses.note_waking(start + 1.0)
    assert pauses.paused_seconds() == 0.0
    clock[0] += 40.0
    pauses.note_waking(start + 1.0 + pauses.LATE_SECONDS)
    assert pauses.paused_seconds() == 40.0
    assert pauses.waiting_clock() == start + 1.0 + pauses.LATE_SECONDS


def test_what_an_inner_wait_has_noted_is_not_noted_again(clock):
    start = pauses.waiting_clock()
    clock[0] += 60.0
    pauses.note_waking(start + 0.5)
    pauses.note_waking(start + 0.5)
    assert pauses.waiting_clock() == start + 0.5


@pytest.mark.system
def test_a_stopped_process_has_the_rest_of_its_wait_when_it_goes_on():
    peer = subprocess.Popen([sys.executable, "-c", PEER, "3.0"], stdout=subprocess.PIPE, text=True)
    try:
        assert peer.stdout.readline() == "waiting\n"
        time.sleep(0.5)
        os.kill(peer.pid, signal.SIGSTOP)
        time.sleep(5.0)
        os.kill(peer.pid, signal.SIGCONT)
        assert peer.stdout.readline() == "over True\n"
    finally:
        peer.kill()
        peer.communicate()

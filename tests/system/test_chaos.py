"""Random kills at random moments: the run ends at once, names who was killed, and leaves nothing but its records.

Twenty moments are part of the usual tests, two hundred of ``make chaos``.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_run import LINE, SLOW, WIRELESS, merged, wait_until

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

ROLES = ("agent_0", "agent_3", "agent_5", "environment", "forkserver", "launcher", "monitor")
USUAL, ALL = 20, 200


@pytest.mark.parametrize("kill", [*range(USUAL), *(pytest.param(kill, marks=pytest.mark.chaos) for kill in range(USUAL, ALL))])
def test_whoever_is_killed_whenever_the_run_ends_and_says_so(kill: int, start: Starter) -> None:
    chance = np.random.default_rng(kill)
    role = ROLES[kill % len(ROLES)]
    run = start(merged(WIRELESS if kill % 3 == 0 else LINE, SLOW))
    # From the birth of the process on: joining, linking, sampling, sharing, recording.
    owner = "environment" if role in ("forkserver", "launcher") else role
    log = run.path / "logs" / f"{owner}.jsonl"
    wait_until(lambda: log.exists() and "started, process" in log.read_text(), f"the birth of {owner}")
    time.sleep(chance.uniform(0.0, 1.5))
    pid = run.pid(role)
    run.send(role, signal.SIGKILL)
    if role == "monitor":
        time.sleep(0.2)
        early = run.process.poll() is not None
        # Dying before it is part of the run, it is missed at the start, as any other node is.
        if not early:
            run.send("launcher", signal.SIGTERM)
    ended = run.ended(4.0)
    run.assert_nothing_left()
    if role == "launcher":
        assert ended.code == -signal.SIGKILL
    elif role == "monitor":
        assert ended.code in (143, 10), ended.err
    else:
        assert ended.code == 10, ended.err
        assert ended.last_line.startswith(f"netagents: error: {role}: killed by SIGKILL (process {pid})"), ended.last_line

"""A signal that comes as soon as there is a run directory: the run says that it was interrupted, not that it never began."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from live_run import LINE, merged

import netagents
from netagents.errors import InterruptedRunError
from netagents.records.run_directory import RunDirectory
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]


@pytest.mark.parametrize("launcher", ["local", "in_process"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_is_started_interrupts_the_run(
    launcher: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = RunDirectory.create

    def interrupted(*arguments: Any, **named: Any) -> RunDirectory:
        directory = create(*arguments, **named)
        signal.raise_signal(number)
        return directory

    before = signal.getsignal(number)
    settings = merged(LINE, {"runtime": {"launcher": launcher}})
    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, "create", interrupted)
        with pytest.raises(InterruptedRunError) as caught:
            netagents.run(settings, directory=tmp_path / "run")
    assert caught.value.code == 128 + number
    assert signal.getsignal(number) == before
    assert netagents.Run.open(tmp_path / "run").state == "interrupted"
    resumed = netagents.resume(tmp_path / "run")
    assert resumed.state == "finished"
    whole = netagents.run(merged(LINE, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "whole")
    assert same_bits(whole, resumed) == []

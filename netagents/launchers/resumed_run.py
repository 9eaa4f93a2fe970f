"""Goes on with a run that ended, from its newest checkpoint, to the bits that it would have reached undisturbed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netagents.experiment.named_code import Trust
from netagents.foreign.containment import contained
from netagents.launchers.capacity import check_processes, check_replay
from netagents.launchers.display import Display, SilentDisplay
from netagents.launchers.iteration_callback import IterationCallback, OnIteration, calling
from netagents.launchers.launch import carry_out
from netagents.launchers.launcher import make_launcher
from netagents.records.reopened_run import complete, reopen
from netagents.records.run_directory import RunDirectory
from netagents.records.run_reader import Run


def resume(
    path: str | Path,
    /,
    *overrides: str,
    progress: bool = False,
    trust: Trust = False,
    on_iteration: OnIteration | None = None,
    **settings: Any,
) -> Run:
    """Go on with a run and return its records.

    Args:
        path: the run directory.
        overrides: words such as ``"learning.iterations=200"``; only settings that leave the bits as they are.
        progress: show progress on standard error.
        trust: whether code that the run directory names may run: all of it, or a set of names; see docs/security.md.
        on_iteration: as :func:`netagents.run` has it; called for the iterations that are trained now.
        settings: overrides as keywords: ``learning={"iterations": 200}``.

    Raises:
        RunDirectoryError: it still goes on, has nothing left to do, or its checkpoint is damaged.
        ExperimentError: a change would make it another run.
        SecurityError: its settings name code to run, and ``trust`` does not let it.
        NetagentsError: whatever else goes wrong, in one line.
    """
    from netagents.launchers.display import make_display

    with calling(on_iteration) as callback:
        return resume_run(RunDirectory.open(Path(path), trust), [*overrides], settings, make_display(progress), callback)


def resume_run(
    directory: RunDirectory,
    overrides: list[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    display: Display | None = None,
    callback: IterationCallback | None = None,
) -> Run:
    """The same, for an open directory; the display is closed at the end."""
    absolute_directory = replace(directory, path=directory.path.absolute())
    with contained():
        prepared, first = reopen(absolute_directory, overrides or [], settings)
        try:
            if first >= prepared.experiment.learning.iterations:
                complete(absolute_directory, prepared)
                if display is not None:
                    display.close()
            else:
                check_processes(prepared.experiment, prepared.topology)
                check_replay(prepared.setup)
                with contextlib.closing(make_launcher(prepared.experiment)) as launcher:
                    launcher.check(prepared, SilentDisplay() if display is None else display)
                    carry_out(prepared, absolute_directory, display, first, callback=callback, launcher=launcher)
        finally:
            absolute_directory.lock.release()
    return Run(directory)

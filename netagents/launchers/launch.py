"""Runs an experiment: checks it, makes its run directory, carries it out under the launcher it asks for, and reads it back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from netagents.errors import UsageError
from netagents.experiment.load import LoadedExperiment, load_experiment
from netagents.experiment.named_code import Trust
from netagents.foreign.containment import contained
from netagents.launchers.capacity import check_messages, check_processes, check_replay
from netagents.launchers.display import Display, SilentDisplay
from netagents.launchers.facts_process import prepare_apart
from netagents.launchers.iteration_callback import IterationCallback, OnIteration, calling, watched_by
from netagents.launchers.launcher import LaunchedRun, Launcher, make_launcher
from netagents.launchers.signs_of_life import signs_of_life
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.learning.prepared_experiment import Prepared, prepare
from netagents.learning.protocol.setup import Setup
from netagents.monitoring.sinks.sink_host import check_sinks
from netagents.nodes.agent.inbox_recording import check_recorded_agents
from netagents.records.atomic_files import write_atomically
from netagents.records.frozen_policies import check_frozen_policies
from netagents.records.radii_models import RADII, RadiiFacts
from netagents.records.run_creation import check_free, check_path
from netagents.records.run_directory import RunDirectory
from netagents.records.run_reader import Run


def run(
    source: str | Path | Mapping[str, Any],
    /,
    *overrides: str,
    progress: bool = False,
    directory: str | Path | None = None,
    trust: Trust = False,
    on_iteration: OnIteration | None = None,
    **settings: Any,
) -> Run:
    """Run an experiment and return its records.

    Args:
        source: a YAML file, the name of one that comes with netagents, or a mapping of settings.
        overrides: words such as ``"learning.iterations=50"``.
        progress: show progress on standard error.
        directory: exact run directory; must not exist.
        trust: whether code may run that a file in a run directory names; what any other file names runs.
        on_iteration: called with a :class:`~netagents.launchers.iteration_callback.RecordedIteration` after every iteration, in order;
            returning False ends the run well: its records are complete up to there, and its state is ``interrupted``.  With processes the
            run does not wait for the call, and may be some iterations ahead.
        settings: overrides as keywords: ``kappa=2``, ``learning={"iterations": 50}``.

    Raises:
        ForeignCodeError: ``on_iteration`` raised an error, which ended the run.
        NetagentsError: whatever is wrong, in one line.
    """
    from netagents.launchers.display import make_display

    loaded = (
        load_experiment(load_experiment(source, overrides, trust=trust).experiment, settings)
        if settings and overrides
        else load_experiment(source, settings or overrides, trust=trust)
    )
    with calling(on_iteration) as callback:
        return launch(loaded, make_display(progress), Path(directory) if directory is not None else None, callback)


def launch(
    loaded: LoadedExperiment,
    display: Display | None = None,
    path: Path | None = None,
    callback: IterationCallback | None = None,
    *,
    created: Callable[[Path], None] | None = None,
    require: Callable[[Setup], None] | None = None,
    detached: bool = False,
) -> Run:
    """Run a loaded experiment.

    Args:
        loaded: what :func:`netagents.experiment.load.load_experiment` gave.
        display: shows progress.
        path: exact run directory; by default a fresh one below ``runtime.directory``.
        callback: called after every iteration.
        created: called with the run directory as soon as it is there.
        require: called with what the experiment came to, before anything is written; raises what refuses the run.
        detached: return once the run has been handed over to the engine that carries it out.

    Raises:
        UsageError: ``detached``, and its launcher ends with the command that started it.
        NetagentsError: nothing has been written if the experiment was wrong; otherwise the records tell how far it came.
    """
    experiment = loaded.experiment
    launcher = make_launcher(experiment)
    if detached and not launcher.capabilities.detaches:
        raise UsageError(
            f"a run of launcher {experiment.runtime.launcher} ends with its command",
            where="--detach",
            fix="leave it out, or use --launcher slurm",
        )
    # Other people's code may go elsewhere while it is imported, made or stepped; the records stay where they were asked for.
    parent = Path(experiment.runtime.directory)
    home, relative = Path.cwd(), not (parent if path is None else path).is_absolute()
    exact = None if path is None else home / path
    if exact is not None:
        check_path(exact)
        check_free(exact)
    active_display = SilentDisplay() if display is None else display
    loaded, facts = _with_radii(loaded, active_display)
    with contained(), contextlib.closing(launcher):
        prepared = _prepared(loaded, launcher, active_display)
        try:
            if require is not None:
                require(prepared.setup)
            # From the moment on at which there is a directory a signal ends the run in good order.
            interruptions = Interruptions()
            try:
                directory = RunDirectory.create(home / parent, experiment.name, prepared.setup, path=exact)
                try:
                    if facts is not None:
                        write_atomically(directory.path / RADII, facts.model_dump_json(indent=1).encode())
                    if created is not None:
                        created(directory.path)
                    carry_out(prepared, directory, active_display, None, interruptions, callback, launcher=launcher, detached=detached)
                finally:
                    directory.lock.release()
            finally:
                interruptions.close()
        finally:
            prepared.environment.close()
    return Run(replace(directory, path=directory.path.relative_to(home)) if relative and directory.path.is_relative_to(home) else directory)


def _with_radii(loaded: LoadedExperiment, display: Display) -> tuple[LoadedExperiment, RadiiFacts | None]:
    """The experiment with all radii, which a calibration chooses where it asks for that; the display is closed where that fails."""
    if not loaded.experiment.chooses_radii:
        return loaded, None
    from netagents.launchers.radius_calibration import with_chosen_radii

    try:
        with signs_of_life(loaded.experiment.name, "choosing radii", display.note) as stage:
            return with_chosen_radii(loaded, display.note, stage)
    except BaseException:
        display.close()
        raise


def _prepared(loaded: LoadedExperiment, launcher: Launcher, display: Display) -> Prepared:
    """Everything that is checked before there is a directory; the display is closed where something is wrong."""
    experiment = loaded.experiment
    build = prepare_apart if launcher.capabilities.processes else partial(prepare, keep=True)
    try:
        with signs_of_life(experiment.name, "reading the graph", display.note) as stage:
            prepared = build(experiment, loaded.base, check=partial(check_processes, experiment), stage=stage)
            try:
                stage("checking what is to carry out the run")
                check_sinks(experiment)
                check_frozen_policies(prepared.setup)
                check_recorded_agents(prepared.setup)
                check_messages(prepared.setup)
                check_replay(prepared.setup)
                launcher.check(prepared, display)
            except BaseException:
                prepared.environment.close()
                raise
        for note in (*prepared.topology.notes, *prepared.environment.notes):
            display.note(f"note: {note}")
    except BaseException:
        # It may have taken the terminal already.
        display.close()
        raise
    return prepared


def carry_out(
    prepared: Prepared,
    directory: RunDirectory,
    display: Display | None = None,
    first: int | None = None,
    interruptions: Interruptions | None = None,
    callback: IterationCallback | None = None,
    *,
    launcher: Launcher | None = None,
    detached: bool = False,
) -> Run:
    """Train in a run directory that is there.

    Args:
        prepared: what the directory's settings describe.
        directory: of the run.
        display: shows progress; closed at the end.
        first: the iteration to go on with, after the checkpoint of the one before; None for a new run.
        interruptions: signals caught since before the directory was made; stays open.
        callback: called after every iteration; it may end the run.
        launcher: that has been checked; a fresh one of the experiment's kind if None.
        detached: as :func:`launch` has it.
    """
    caught = Interruptions() if interruptions is None else interruptions
    active_display = SilentDisplay() if display is None else display
    try:
        active_launcher = make_launcher(prepared.experiment) if launcher is None else launcher
        with watched_by(callback, directory, prepared.experiment.learning.iterations, first) as watch:
            active_launcher.carry_out(LaunchedRun(prepared, directory, active_display, caught, first, watch, detached))
    finally:
        active_display.close()
        if interruptions is None:
            caught.close()
    return Run(directory)

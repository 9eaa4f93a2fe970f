"""Carries out the runs of a study: as many at a time as there are cores, each finished run once, whatever happens in between."""

from __future__ import annotations

import os
import select
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netagents.errors import InterruptedRunError, NodeFailedError
from netagents.experiment.load import resolved
from netagents.launchers.supervision.interruptions import Interruptions
from netagents.launchers.worker_process import WorkerProcess
from netagents.studies.study_directory import StudyDirectory
from netagents.studies.study_specification import Study, StudySetting

Say = Callable[[str], None]


@dataclass
class StudyProgress:
    """Where a study stands.

    Attributes:
        total: runs in all.  finished: of them, those found finished included.  finished_before: finished before this began.
        working: labels of the runs under way.
        seconds_left: estimate from finished runs of the same setting, or from iterations of any; None before the first one.
        failures: name and last line of the runs that failed.
    """

    total: int
    finished: int = 0
    finished_before: int = 0
    working: tuple[str, ...] = ()
    seconds_left: float | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)

    def line(self) -> str:
        """All of it in one line."""
        remaining = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        finished = f" ({self.finished_before} found finished)" if self.finished_before else ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{self.finished}/{self.total} runs{finished}, {len(self.working)} working{failed}{remaining}"


@dataclass
class _Job:
    name: str
    setting: StudySetting
    process: WorkerProcess
    started: float


def carry_out(
    study: Study,
    directory: StudyDirectory,
    *,
    jobs: int | None = None,
    copies: int = 256,
    show: Callable[[StudyProgress], None] | None = None,
    report: Say | None = None,
) -> StudyProgress:
    """Make every run that is not finished yet.

    Args:
        jobs: runs at a time (default: the cores this process may use).
        copies: episodes for the evaluation of the trained policies; 0 skips it.
        show: called when something has changed, and every second.
        report: called with one line about an interrupted run that is made again.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; finished runs stay, and the same command goes on.
        NodeFailedError: some runs failed; all others are finished.
        RunDirectoryError: somebody else is at it.
    """
    with directory.locked():
        return _Executor(study, directory, jobs or len(os.sched_getaffinity(0)), copies, show, report).run()


class _Executor:
    def __init__(
        self,
        study: Study,
        directory: StudyDirectory,
        jobs: int,
        copies: int,
        show: Callable[[StudyProgress], None] | None,
        report: Say | None,
    ) -> None:
        self._study, self._directory, self._jobs, self._copies = study, directory, jobs, copies
        self._show, self._report = show, report
        self._took: dict[str, list[float]] = defaultdict(list)
        self._working: list[_Job] = []
        self._idle: list[WorkerProcess] = []

    def run(self) -> StudyProgress:
        # Settings whose bits are the same share their runs.
        runs = list({run[0]: run for run in self._study.runs()}.values())
        progress = StudyProgress(total=len(runs))
        waiting = []
        for name, setting, seed in runs:
            result = self._directory.result(name)
            if result is not None:
                progress.finished += 1
                self._took[setting.label].append(float(result["wall_seconds"]))
            else:
                state = self._directory.sweep(name)
                if state is not None and self._report is not None:
                    self._report(f"{name}: was {state}; it is made again")
                waiting.append((name, setting, seed))
        progress.finished_before = progress.finished
        interruptions = Interruptions()
        try:
            while waiting or self._working:
                while waiting and len(self._working) < self._jobs:
                    self._start(*waiting.pop(0))
                self._update(progress, [setting for _, setting, _ in waiting])
                select.select([interruptions.descriptor], [], [], 0.05 if progress.finished == progress.finished_before else 0.2)
                if interruptions.first is not None:
                    raise InterruptedRunError(
                        f"{progress.finished} of {progress.total} runs are finished",
                        signal_number=interruptions.first,
                        where=str(self._directory.path),
                        fix="the same command goes on from there",
                    )
                self._collect(progress)
        finally:
            self._end()
            interruptions.close()
        self._update(progress, [])
        if progress.failures:
            name, line = progress.failures[0]
            raise NodeFailedError(
                f"{len(progress.failures)} of {progress.total} runs failed, first: {line}",
                where=str(self._directory.run_path(name)),
                fix="all others are finished; the same command tries these again",
            )
        return progress

    def _start(self, name: str, setting: StudySetting, seed: int) -> None:
        job = {"experiment": resolved(setting.at(seed)), "path": str(self._directory.run_path(name)), "copies": self._copies}
        process = self._worker(job)
        self._working.append(_Job(name, setting, process, time.perf_counter()))

    def _worker(self, job: dict[str, Any]) -> WorkerProcess:
        """A worker with this job: one that has done another before, where there is one."""
        while self._idle:
            process = self._idle.pop()
            try:
                process.give(job)
            except BrokenPipeError:
                process.close()
            else:
                return process
        return WorkerProcess("netagents.studies.study_worker", job)

    def _collect(self, progress: StudyProgress) -> None:
        for job in list(self._working):
            code = job.process.poll()
            if code is None:
                continue
            self._working.remove(job)
            if code == 0:
                progress.finished += 1
                self._took[job.setting.label].append(time.perf_counter() - job.started)
                self._idle.append(job.process)
            else:
                progress.failures.append((job.name, job.process.reason() or f"it ended with exit code {code}"))
                job.process.close()

    def _update(self, progress: StudyProgress, waiting: Sequence[StudySetting]) -> None:
        progress.working = tuple(job.setting.label for job in self._working)
        now = time.perf_counter()
        if self._took:
            remaining = sum(self._expected(setting) for setting in waiting)
            remaining += sum(max(0.0, self._expected(job.setting) - (now - job.started)) for job in self._working)
            progress.seconds_left = remaining / self._jobs
        if self._show is not None:
            self._show(progress)

    def _expected(self, setting: StudySetting) -> float:
        """Seconds of a run: those of finished ones of this setting, or of as many iterations of any other."""
        if took := self._took.get(setting.label):
            return sum(took) / len(took)
        length = {each.label: each.experiment.learning.iterations for each in self._study.settings}
        iterations = sum(length[label] * len(each) for label, each in self._took.items())
        return sum(sum(each) for each in self._took.values()) / max(iterations, 1) * length[setting.label]

    def _end(self) -> None:
        for job in self._working:
            job.process.kill()
        for process in (*(job.process for job in self._working), *self._idle):
            process.close()
        self._working.clear()
        self._idle.clear()


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"

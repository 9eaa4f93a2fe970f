"""Slurm launcher: submits a run as one job, shows its progress from the run directory, and ends it when the user does.

The job itself is :mod:`netagents.launchers.slurm.slurm_job`.  The run directory must lie where all hosts of the job see it.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
import time

from netagents.errors import EngineError, InterruptedRunError
from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.display import Display
from netagents.launchers.launcher import LaunchedRun, Launcher
from netagents.launchers.slurm.job_folder import FOLDER, OUTPUT, SCRIPT, JobFollower, clean_job_folder, last_words, read_outcome
from netagents.launchers.slurm.slurm_client import RUNNING, WAITING, WHERE, check_job, check_partition, end_job, job_state, submit
from netagents.learning.prepared_experiment import Prepared
from netagents.records.atomic_files import write_atomically

_LOOK_SECONDS = 0.2
_STATE_SECONDS = 2.0
_OUTCOME_SECONDS = 10.0
_STEPS_SECONDS = 1.0
"""That a job may go on after its outcome is known, where Slurm has no reason to begin it again."""
_STOP_SECONDS = 40.0


class SlurmLauncher(Launcher):
    """Submits a job, and waits for it unless the run is detached."""

    capabilities = CAPABILITIES["slurm"]

    def check(self, prepared: Prepared, display: Display) -> None:  # noqa: ARG002 - nothing takes long
        check_partition(prepared.experiment.runtime.slurm.partition)
        check_job(job_script(prepared, "/dev/null", "true"))

    def carry_out(self, run: LaunchedRun) -> None:
        folder = run.directory.path.absolute() / FOLDER
        clean_job_folder(folder)
        write_atomically(folder / SCRIPT, job_script(run.prepared, str(folder / OUTPUT), _job_command(str(folder.parent))).encode())
        # From here on the job holds the directory.
        run.directory.lock.release()
        job = submit(str(folder / SCRIPT))
        run.display.note(f"job {job} was submitted to Slurm; run directory {run.directory.path}")
        if run.detached:
            return
        _Following(run, job).wait()


class _Following:
    """Waits for a job, and shows it."""

    def __init__(self, run: LaunchedRun, job: int) -> None:
        self.run, self.job = run, job
        self.folder = run.directory.path.absolute() / FOLDER
        self.follower = JobFollower(self.folder, run.display)
        self.state = ""

    def wait(self) -> None:
        """Until the job has ended.

        Raises:
            NetagentsError: the error of the run, or how Slurm ended the job.
        """
        next_state = 0.0
        gone_since: float | None = None
        outcome_since: float | None = None
        asked_at: float | None = None
        while True:
            self.follower.look()
            if self.run.watch is not None:
                try:
                    self.run.watch.look()
                except BaseException:
                    end_job(self.job)
                    raise
            now = time.monotonic()
            if now >= next_state:
                next_state = now + _STATE_SECONDS
                self._note_state()
            ended = self.state not in WAITING and self.state not in RUNNING
            outcome, error = read_outcome(self.folder)
            if outcome and outcome_since is None:
                # What Slurm says of the job from now on is what counts.
                next_state = min(next_state, now + _STEPS_SECONDS / 2)
            # A job that Slurm puts back into the queue was interrupted, too, and is completing before it waits.
            again = isinstance(error, InterruptedRunError) and asked_at is None
            if outcome and (error is None or ended or (self.state == "COMPLETING" and not again)):
                break
            if outcome:
                # Slurm may begin the job again; where it does not, the steps of a lost host may keep the job for long.
                outcome_since = now if outcome_since is None or self.state != "RUNNING" else outcome_since
                if now - outcome_since > (_OUTCOME_SECONDS if again else _STEPS_SECONDS) and self.state == "RUNNING":
                    end_job(self.job, at_once=True)
                    break
            if ended:
                # A shared file system may show the last words a little later.
                gone_since = now if gone_since is None else gone_since
                if now - gone_since > _OUTCOME_SECONDS or self.state in ("CANCELLED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY"):
                    break
            signals = self.run.interruptions
            if signals.first is not None and (asked_at is None or signals.urgent or now - asked_at > _STOP_SECONDS):
                urgent = asked_at is not None
                asked_at = now
                self.run.display.note(f"job {self.job} is being {'cancelled' if urgent else 'ended'}")
                end_job(self.job, at_once=urgent)
                next_state = 0.0
            time.sleep(_LOOK_SECONDS)
        self.follower.look()
        if self.run.watch is not None and error is None:
            self.run.watch.look()
        if self.run.interruptions.first is not None and (error is not None or not outcome):
            raise InterruptedRunError("the run was interrupted", signal_number=self.run.interruptions.first)
        if error is not None:
            raise error
        if not outcome and self.run.directory.ending()[0] != "finished":
            raise self._lost()

    def _note_state(self) -> None:
        state, reason = job_state(self.job)
        if state != self.state and state in WAITING:
            self.run.display.note(f"job {self.job} waits: {reason.lower() or 'in the queue'}")
        self.state = state

    def _lost(self) -> EngineError:
        """The error of a job that ended without a word."""
        has_started = any(event["event"] == "started" for event in self.run.directory.events())
        output = self.folder / OUTPUT
        words = last_words(output)
        if has_started:
            fix = f"`netagents resume {self.run.directory.path}` goes on with it"
        elif not output.exists():
            fix = f"do the hosts of the job see {self.run.directory.path}? Name a directory of a shared file system with --out"
        else:
            fix = f"see {output}"
        detail = f": {words[0][:200]}" if words else ""
        return EngineError(f"job {self.job} ended as {self.state}{detail}", where=WHERE, fix=fix)


def job_script(prepared: Prepared, output: str, command: str) -> str:
    """The script of a job.

    Args:
        prepared: the experiment. output: file of what the job prints. command: what it runs.
    """
    experiment = prepared.experiment
    slurm, limits = experiment.runtime.slurm, experiment.runtime.containers
    each = math.ceil(prepared.setup.n / slurm.nodes) + 2
    options = [
        f"--job-name={experiment.name}",
        *([f"--partition={slurm.partition}"] if slurm.partition is not None else []),
        *([f"--account={slurm.account}"] if slurm.account is not None else []),
        *([f"--time={slurm.time}"] if slurm.time is not None else []),
        f"--nodes={slurm.nodes}",
        f"--ntasks-per-node={each}",
        "--cpus-per-task=1",
        f"--mem={limits.server_memory + (each - 1) * limits.memory}M",
        # A lost host is the failure policy's business, and a lost first host begins the job again.
        "--no-kill",
        "--requeue",
        "--open-mode=append",
        f"--output={output}",
        *slurm.options,
    ]
    return "\n".join(["#!/bin/bash", *(f"#SBATCH {option}" for option in options), command, ""])


def _job_command(path: str) -> str:
    threads = " ".join(f"{name}=1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"))
    own = tuple(f"{os.path.realpath(folder)}/" for folder in (sys.prefix, sys.base_prefix))
    added = [entry for entry in dict.fromkeys(sys.path) if entry and not os.path.realpath(entry).startswith(own)]
    folders = os.pathsep.join(added)
    words = [sys.executable, "-P", "-m", "netagents.launchers.slurm.slurm_job", path]
    return f"export {threads} PYTHONPATH={shlex.quote(folders)}\nexec {shlex.join(words)}"

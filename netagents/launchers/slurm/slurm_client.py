"""Client of Slurm, used through its commands; every answer has a deadline, every failure one line with Slurm's own words."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from netagents.errors import EngineError

ANSWER_SECONDS = 30.0
"""Timeout in seconds for commands of Slurm."""

WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "SUSPENDED"})
"""States of a job that has not begun, or that begins again."""

RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING"})
"""States of a job that goes on, or that is being ended."""

WHERE = "launcher slurm"


def command(*words: str, text: str | None = None) -> str:
    """The output of a command of Slurm.

    Args:
        words: of the command. text: for its standard input.

    Raises:
        EngineError: it is not installed, fails, or does not answer in time.
    """
    if shutil.which(words[0]) is None:
        raise EngineError(f"no command '{words[0]}'", where=WHERE, fix="call it on a host from which jobs are submitted")
    try:
        result = subprocess.run(
            words, input=text, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False, errors="replace", start_new_session=True
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer within {ANSWER_SECONDS:g} s to {words[0]}", where=WHERE) from None
    if result.returncode != 0:
        raise EngineError(
            _first_words(result.stderr or result.stdout) or f"{words[0]} ended with exit code {result.returncode}", where=WHERE
        )
    # `sbatch --test-only` answers on standard error.
    return result.stdout or result.stderr


def _first_words(output: str) -> str:
    lines = [re.sub(r"^\w+: (error: )?", "", line.strip()) for line in output.splitlines() if line.strip()]
    return "; ".join(lines[:2])[:300]


def check_partition(partition: str | None) -> None:
    """Find out whether Slurm answers and has the partition.

    Raises:
        EngineError: the controller does not answer, or there is no such partition; lists those that there are.
    """
    there = sorted({line.strip().rstrip("*") for line in command("sinfo", "--noheader", "--format=%P").splitlines() if line.strip()})
    missing = [name for name in (partition or "").split(",") if name and name not in there]
    if missing:
        raise EngineError(f"no partition is called '{missing[0]}'", where=WHERE, fix=f"there are {', '.join(there) or 'none'}")


def check_job(script: str) -> None:
    """Ask Slurm whether it would take a job, without submitting it.

    Raises:
        EngineError: it would not; its own words.
    """
    command("sbatch", "--test-only", text=script)


def submit(path: str) -> int:
    """Submit a script; gives the number of the job."""
    answer = command("sbatch", "--parsable", path).strip().partition(";")[0]
    if not answer.isdecimal():
        raise EngineError(f"sbatch answered {answer[:100]!r}", where=WHERE)
    return int(answer)


def job_state(job: int) -> tuple[str, str]:
    """State and reason of a job, such as ``PENDING`` and ``Resources``; ``GONE`` once Slurm no longer knows it."""
    try:
        answer = command("scontrol", "--oneliner", "show", "job", str(job))
    except EngineError as error:
        if "Invalid job id" in error.what:
            return "GONE", ""
        raise
    fields = {key: match[1] for key in ("JobState", "Reason") if (match := re.search(rf"\b{key}=(\S+)", answer))}
    return fields.get("JobState", "GONE"), fields.get("Reason", "")


def end_job(job: int, *, at_once: bool = False) -> None:
    """Ask a job to end well: its launcher gets SIGTERM; ``at_once``, or before it runs: cancel it."""
    if at_once or job_state(job)[0] not in RUNNING:
        command("scancel", "--quiet", str(job))
    else:
        command("scancel", "--quiet", "--batch", "--signal=TERM", str(job))


def allocated_hosts(nodelist: str) -> list[tuple[str, str]]:
    """Name and address of each host of an allocation, in its order."""
    names = command("scontrol", "show", "hostnames", nodelist).split()
    addresses = {}
    for facts in command("scontrol", "--oneliner", "show", "node", nodelist).splitlines():
        name, address = (re.search(rf"\b{key}=(\S+)", facts) for key in ("NodeName", "NodeAddr"))
        if name and address:
            addresses[name[1]] = address[1]
    return [(name, addresses.get(name, name)) for name in names]


def step(host: str, name: str, words: Sequence[str], *, memory: int | None) -> tuple[str, ...]:
    """The command of a step on one host.

    Args:
        host: of the allocation. name: of the step.
        words: what it runs; its standard streams are those of the command.
        memory: MiB; None shares all that the job has there.
    """
    options = ["--nodes=1", "--ntasks=1", f"--nodelist={host}", f"--job-name={name}", "--kill-on-bad-exit=0", "--wait=0"]
    own = ["--exact", "--cpus-per-task=1", f"--mem={memory}M"] if memory is not None else ["--overlap", "--mem=0"]
    return ("srun", *options, *own, *words)

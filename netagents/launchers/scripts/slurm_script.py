"""Batch script of a run under Slurm: one allocation, one step per role.

A step per role gives each role its own exit code, its own log and its own signal.  Roles find each other through a folder that all hosts of
the job see: the keys are made there, and the server announces its address there.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from netagents.errors import UsageError, printable
from netagents.experiment.load import LoadedExperiment
from netagents.launchers.node_commands import member_options, node_names
from netagents.learning.prepared_experiment import Prepared

SCRIPT_NAME = "job.sbatch"
"""Name of the script in the folder of ``--out``."""

_PARTITION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,-]{0,199}")
_FOLDER = re.compile(r"/[A-Za-z0-9._/@+=-]{0,900}")

_BODY = """\
set -u -o pipefail
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

netagents=${NETAGENTS:-netagents}
fail() { echo "netagents: $1" >&2; exit "$2"; }
command -v "$netagents" >/dev/null || fail "no command '$netagents' on $(hostname); activate its environment, or set NETAGENTS" 2

# The folder of this job: keys, address, logs, records.  All hosts must see it, and only its owner may enter it.
mkdir -p "${folder%/*}" && mkdir -m 0700 "$folder" && mkdir "$folder/logs" || fail "$folder cannot be made" 2
trap 'rm -rf "$folder/keys" "$folder/address"' EXIT
"$netagents" keys "$experiment" ${settings[@]+"${settings[@]}"} --out "$folder/keys" >/dev/null || exit

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
declare -A address
for host in "${hosts[@]}"; do
  address[$host]=$(scontrol show node "$host" | sed -n 's/.*NodeAddr=\\([^ ]*\\).*/\\1/p')
  srun --overlap --nodes=1 --ntasks=1 --nodelist="$host" --mem=0 test -r "$folder/keys/environment/public.json" \\
    || fail "$host does not see $folder; name a folder of a shared file system with --out" 2
done

count=0
# next_host: takes the hosts of the allocation in turn.
next_host() { host=${hosts[count % ${#hosts[@]}]}; count=$((count + 1)); }
# step HOST ROLE MEBIBYTES OPTION...: one role, until it ends.
step() {
  local host=$1 role=$2 memory=$3; shift 3
  srun --exact -n1 -N1 -w "$host" --mem="${memory}M" --job-name="$role" --open-mode=append --output="$folder/logs/$role.log" \\
    "$netagents" node "$role" --listen tcp://0.0.0.0:0 --advertise "${address[$host]}" --keys "$folder/keys/$role" "$@"
}
# member HOST ROLE RESTARTS: a role that joins the server, started again after a failure while the server runs.
member() {
  local host=$1 role=$2 restarts=$3 code; shift 3
  while true; do
    step "$host" "$role" "$memory" --join "file://$folder/address" "$@"; code=$?
    [ $code = 0 ] || echo "netagents: $role ended with exit code $code; see $folder/logs/$role.log" >&2
    if [ $code = 0 ] || [ $restarts = 0 ] || ! kill -0 "$server" 2>/dev/null; then return $code; fi
    restarts=$((restarts - 1)); sleep "$delay"
  done
}
"""

_END = """\

wait "$server"; code=$?
echo "netagents: the server ended with exit code $code; records: $folder/run"
# The others end with the server; a step that has not ended after 30 s is ended by Slurm with the job.
for _ in $(seq 300); do [ -n "$(jobs -pr)" ] || break; sleep 0.1; done
exit $code
"""


def slurm_script(
    loaded: LoadedExperiment,
    prepared: Prepared,
    source: str,
    overrides: Sequence[str],
    *,
    partition: str | None = None,
    hosts: int = 1,
    folder: Path | None = None,
) -> str:
    """The file for ``sbatch`` that runs an experiment.

    Args:
        loaded: the experiment. prepared: the same, prepared.
        source: its file or name, as the user wrote it; the job reads it again.
        overrides: settings that the user changed, as words.
        partition: of the cluster; None is Slurm's default.
        hosts: number of hosts (nodes, in Slurm's words) over which the roles are spread evenly.
        folder: on the shared file system; below it the job makes a folder of its own.  None is the folder in which ``sbatch`` is called.

    Raises:
        UsageError: partition, number of hosts, folder or the name of the file cannot be.
    """
    experiment, roles = prepared.experiment, node_names(prepared)
    if partition is not None and not _PARTITION.fullmatch(partition):
        raise UsageError(f"{partition[:100]!r} is not the name of a partition", where="--partition", fix="`sinfo` lists the partitions")
    if hosts > len(roles):
        raise UsageError(f"{hosts} nodes for {len(roles)} roles", where="--nodes", fix=f"ask for at most {len(roles)}")
    if folder is not None and not _FOLDER.fullmatch(str(folder)):
        fix = "use letters, digits and . _ / @ + = - only, which Slurm takes as they are"
        raise UsageError(f"{str(folder)[:200]!r} cannot stand in a batch script", where="--out", fix=fix)
    agent, server = experiment.runtime.containers.memory, experiment.runtime.containers.server_memory
    each = math.ceil(len(roles) / hosts)
    options = [
        f"--job-name={experiment.name}",
        *([f"--partition={partition}"] if partition is not None else []),
        f"--nodes={hosts}",
        f"--ntasks-per-node={each}",
        "--cpus-per-task=1",
        f"--mem={server + (each - 1) * agent}M",
        "--no-requeue",
        *([f"--output={folder}/slurm-%j.out"] if folder is not None else []),
    ]
    place = shlex.quote(str(folder)) if folder is not None else '"${SLURM_SUBMIT_DIR:-$PWD}"'
    named = str(loaded.path.resolve()) if loaded.path is not None and Path(source).exists() else source
    for word in (named, *overrides):
        if not word.isprintable():
            fix = "give the file a name of letters and digits"
            raise UsageError(f"'{printable(word)[:200]}' cannot stand in a batch script", where="FILE", fix=fix)
    restarts = experiment.failures.restarts if experiment.failures.agent == "restart" else 0
    common = member_options(experiment)
    of_agents = [*common, *(["--replace"] if restarts else [])]
    start = [
        'next_host; step "$host" environment "$server_memory" --experiment "$experiment" ${settings[@]+"${settings[@]}"} \\',
        '  --announce "$folder/address" --out "$folder/run" &',
        "server=$!",
        *(['next_host; member "$host" monitor 0 ' + shlex.join([*common, "--progress"]) + " &"] if "monitor" in roles else []),
        f"for agent in $(seq 0 {prepared.setup.n - 1}); do",
        f'  next_host; member "$host" "agent-$agent" {restarts}{_words(of_agents)}'
        + (' --replay "$folder/replay" &' if prepared.setup.replays else " &"),
        "done",
    ]
    head = [
        "#!/bin/bash",
        f"# Trains the {prepared.setup.n} agents of {experiment.name} under Slurm, one step per role.  Submit it with `sbatch`.",
        "# Written by `netagents script slurm`; docs/clusters.md of netagents explains it.",
        *(f"#SBATCH {option}" for option in options),
        "",
        f"experiment={shlex.quote(named)}",
        f"settings=({shlex.join(overrides)})",
        f"folder={place}/{experiment.name}-$SLURM_JOB_ID",
        f"memory={agent} server_memory={server}  # MiB: of an agent or the monitor, and of the server",
        f"delay={experiment.failures.delay:g}  # seconds before a failed agent is started again",
    ]
    return "\n".join(head) + "\n" + _BODY + "\n" + "\n".join(start) + "\n" + _END


def write_script(text: str, folder: Path) -> Path:
    """Write the script into a folder, which is made where it is missing; an earlier script is kept.

    Raises:
        UsageError: it is there already, or cannot be written.
    """
    path = folder / SCRIPT_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError("it is there already", where=str(path if path.exists() else folder), fix="name another folder") from error
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path), fix="name another folder") from error
    return path


def _words(options: Sequence[str]) -> str:
    return f" {shlex.join(options)}" if options else ""

"""Mutations of the record files of a run, and every command that reads one, each mutation in a process with bounded time and memory.

Started as ``python record_mutations.py SCENE FAMILY FILE FIRST COUNT``: damages FILE (or each of ``all``) in a copy of the family's folder
as the seeds FIRST, FIRST + 1, ... say, and calls the commands.  Prints one JSON object per command that did anything but give a result or
one line, and a summary per file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from page_visit import visit
from record_damage import damage, hostile
from record_scene import FAMILIES, PAGE, files_of

WALL_SECONDS = 240
"""For each command; whoever waits for a pipe or a lock waits for ever."""


CPU_SECONDS = 60
"""For all commands of one mutation."""


MEMORY = 1 << 30
"""Bytes of address space beyond what the warm process has."""


DOCUMENTED = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16})
"""Exit codes that a damaged run directory may end in; 1 is a fault of netagents."""


def call(words: list[str]) -> str | None:
    """Call a command, or visit the page; gives what is wrong with how it ended, None if nothing is."""
    from netagents.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        if words[0] == PAGE:
            visit(Path(words[1]))
            code = 0
        else:
            code = main(words)
    error_text = err.getvalue()
    if code not in DOCUMENTED:
        return f"exit code {code}: {error_text[-600:]}"
    if code and sum(line.startswith("netagents: error: ") for line in error_text.splitlines()) != 1:
        return f"not one line: {error_text[-600:]}"
    if "Traceback" in error_text or "Warning" in error_text:
        return f"a traceback or warning: {error_text[-600:]}"
    if hostile(error_text) or hostile(out.getvalue()):
        return f"control characters: {(error_text + out.getvalue())[-600:]!r}"
    return None


def in_child(work: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What ``work`` gives in a process of its own, or one entry that says how that ended."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(receive)
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            with os.fdopen(send, "wb") as pipe:
                pipe.write(json.dumps(work()).encode())
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(3)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(data) if data and status == 0 else [{"wrong": f"the process ended with status {status:#x}"}]


@dataclass
class Mutator:
    """Damages the record files of one family of a scene, and calls the commands that read it.

    Attributes:
        scene: the folder of :func:`record_scene.make_scene`.
        name: of the family.
        reads: for each command the files of the family that it looks at, as long as none is damaged; none are skipped without it.
        states: states of files that have been tried.
        calls, skipped, repeated: how many commands were called, were not because they do not look at the file, and how many mutations left
            a state that had been tried.
    """

    scene: Path
    name: str
    reads: list[set[str]] | None = None
    states: set[bytes] = field(default_factory=set)
    calls: int = 0
    skipped: int = 0
    repeated: int = 0

    @contextlib.contextmanager
    def copy(self) -> Iterator[tuple[Path, Path, list[list[str]]]]:
        """A copy of the family's folder, a file for notes, and the commands."""
        folder = Path(tempfile.mkdtemp(prefix="netagents-mutated-"))
        try:
            copy = folder / "runs" / "copy"
            shutil.copytree(self.scene / self.name, copy)
            (folder / "out").mkdir()
            yield copy, folder / "at", FAMILIES[self.name].commands(copy, self.scene, folder / "out")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def warm(self) -> None:
        """Load what the commands load, once, and note which files each of them looks at.

        A command does the same until it comes to a file that was damaged, so one that looks at a file nowhere ends as it did before.
        """
        with self.copy() as (copy, _, words):
            for each in words:
                wrong = call(each)
                if wrong is not None:
                    raise SystemExit(f"the undamaged {self.name}: {each[0]}: {wrong}")
        with self.copy() as (copy, _, words):
            self.reads = [{each["path"] for each in in_child(lambda each=each: traced(each, copy))} for each in words]  # type: ignore[misc]

    def mutate(self, name: str, seed: int, positions: list[int] | None = None) -> list[dict[str, Any]]:
        """Damage one file of a copy, call the commands (of those, only the ``positions`` ones), and give what went wrong."""
        with self.copy() as (copy, progress, words):
            how = damage(copy / name, seed)
            state = fingerprint(copy / name)
            if state in self.states:
                self.repeated += 1
                return []
            self.states.add(state)
            readers = [at for at in range(len(words)) if self.reads is None or name in self.reads[at]]
            at_all = [at for at in readers if positions is None or at in positions]
            self.calls += len(at_all)
            self.skipped += len(words) - len(readers)

            def work() -> list[dict[str, Any]]:
                results = []
                # What is printed from within would mix with the results.
                for at in at_all:
                    progress.write_text(words[at][0])
                    signal.alarm(WALL_SECONDS)
                    wrong = call(words[at])
                    if wrong is not None:
                        results.append({"command": " ".join(words[at][:2]), "wrong": wrong})
                return results

            result = in_child(work) if at_all else []
            at = progress.read_text() if progress.exists() else ""
            return [{"family": self.name, "file": name, "seed": seed, "how": how, "command": at, **each} for each in result]


def fingerprint(file: Path) -> bytes:
    """The state of a damaged file: what stands there, and what is in it."""
    try:
        status = file.lstat()
    except OSError:
        return f"{file.name} missing".encode()
    inside = b""
    if stat.S_ISREG(status.st_mode):
        inside = b"large" if status.st_size > 1 << 30 else file.read_bytes()
    elif stat.S_ISLNK(status.st_mode):
        inside = os.fsencode(file.readlink().name)
    return hashlib.sha256(f"{file.name} {stat.S_IFMT(status.st_mode)} ".encode() + inside).digest()


def traced(words: list[str], root: Path) -> list[dict[str, Any]]:
    """The files below ``root`` that a command opens, or asks the system about."""
    result: set[str] = set()

    def note(path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - without following links
            if whole.startswith(f"{root}/"):
                result.add(whole[len(str(root)) + 1 :])

    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        def ask(path: Any, *arguments: Any, **named: Any) -> Any:
            note(path)
            return original(path, *arguments, **named)

        return ask

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "shutil.copyfile", "os.rename", "os.remove"):
            for each in arguments:
                note(each)

    for name in ("stat", "lstat", "access"):
        setattr(os, name, noting(getattr(os, name)))
    sys.addaudithook(hook)
    call(words)
    return [{"path": each} for each in sorted(result)]


def main() -> None:
    """``RECORD_MUTATIONS SCENE FAMILY FILE FIRST COUNT``: prints what went wrong, and a summary."""
    scene, name, file, first, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    mutator = Mutator(scene, name)
    mutator.warm()
    for each in files_of(scene, name) if file == "all" else (file,):
        _one_file(mutator, each, first, count)


def _one_file(mutator: Mutator, file: str, first: int, count: int) -> None:
    start, cpu, failures, calls, repeated = time.monotonic(), time.process_time(), 0, mutator.calls, mutator.repeated
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for seed in range(first, first + count):
        for each in mutator.mutate(file, seed):
            failures += 1
            print(json.dumps(each), flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = {
        "family": mutator.name,
        "file": file,
        "mutations": count,
        "failures": failures,
        "calls": mutator.calls - calls,
        "repeated": mutator.repeated - repeated,
        "seconds": round(time.monotonic() - start),
        "cpu_seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime + time.process_time() - cpu),
        "peak_kib": used.ru_maxrss,
    }
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()

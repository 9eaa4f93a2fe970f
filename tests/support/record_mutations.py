"""Mutations of the record files of a run, and every command that reads one, each mutation in a process with bounded time and memory.

Started as ``python record_mutations.py RUN OTHER FILE FIRST COUNT``: copies RUN, damages FILE in it as the seeds FIRST, FIRST + 1, ... say,
and calls the commands.  Prints one JSON object per command that did anything but give a result or one line, and a summary at the end.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WALL_SECONDS = 240
CPU_SECONDS = 60
MEMORY = 1 << 30
"""Bytes of address space beyond what the warm process has."""

DOCUMENTED = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16})
"""Exit codes that a damaged run directory may end in; 1 is a fault of netagents."""

NASTY: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    -1e308,
    1e308,
    10**9,
    2**31,
    2**53,
    2**63,
    -(2**62),
    10**30,
    "",
    "inf",
    "NaN",
    "\x1b]0;owned\x07\x9b31m\u202e",
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "x" * 100_000,
    "../../../etc/passwd",
    [],
    {},
    [[]],
    [1] * 50_000,
    {"size": 10**9},
)


def json_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand in a JSON document; of long lists the first entries only."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from json_paths(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:4]):
            yield from json_paths(inner, (*path, at))


def changed_json(value: Any, rng: random.Random) -> Any:
    """A document with one value removed, retyped, made huge, negative, deep or many."""
    path = rng.choice([path for path in json_paths(value) if path] or [()])
    if not path:
        return rng.choice(NASTY)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    last = path[-1]
    what = rng.randrange(10)
    if what == 0:
        del holder[last]
    elif what == 1:
        holder[last] = "DEEP"
    elif what == 2 and isinstance(holder[last], int | float):
        holder[last] = -holder[last] * rng.choice((1, 10**6, 10**12))
    elif what == 3 and isinstance(holder, list):
        holder.extend([holder[last]] * rng.choice((1, 1000)))
    elif what == 4 and isinstance(holder, dict):
        holder["\x1b[2J"] = holder[last]
    else:
        holder[last] = rng.choice(NASTY)
    return value


def dumped(value: Any, rng: random.Random) -> bytes:
    depth = rng.choice((150, 100_000))
    return json.dumps(value, separators=(",", ":")).replace('"DEEP"', "[" * depth + "]" * depth).encode()


def damage(file: Path, seed: int) -> str:
    """Damage a file as its seed says; gives what was done."""
    rng = random.Random(f"{file.name} {seed}")
    how = rng.randrange(20)
    data = file.read_bytes()
    whole: dict[int, Callable[[], Any]] = {
        0: lambda: None,
        1: lambda: os.mkfifo(file),
        2: lambda: file.mkdir(),
        3: lambda: file.symlink_to(rng.choice(("/etc/passwd", "/dev/zero", "/dev/tty", str(file), "/proc/self/environ"))),
        4: lambda: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 1 << 33),
        5: lambda: file.write_bytes(rng.choice((b"", b"\n", b"{}", b"{}\n", b"[]\n", b"null\n", b"\xff\xfe\n", b"[" * 100_000))),
    }
    if how in whole:
        file.unlink()
        whole[how]()
        return ("removed", "fifo", "folder", "link", "sparse", "junk")[how]
    binary = file.suffix in (".safetensors", ".inbox")
    if how in (6, 7) or binary:
        changed = bytearray(data)
        for _ in range(rng.choice((1, 3, 50))):
            if changed:
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        file.write_bytes(bytes(changed[: rng.choice((len(changed), len(changed) // 2, len(changed) + 1))]))
        return "bytes"
    if file.suffix == ".json":
        file.write_bytes(dumped(changed_json(json.loads(data), rng), rng))
        return "value"
    rows = data.splitlines(keepends=True)
    at = rng.randrange(len(rows))
    if how == 8:
        del rows[at]
    elif how == 9:
        rows.insert(at, rows[at])
    elif how == 10:
        rng.shuffle(rows)
    else:
        rows[at] = dumped(changed_json(json.loads(rows[at]), rng), rng) + b"\n"
    file.write_bytes(b"".join(rows))
    return "row"


def commands(run: Path, other: Path, out: Path) -> list[list[str]]:
    """Every command that reads a run; those that change it come last."""
    experiment = str(run / "experiment.json")
    return [
        ["runs", str(run)],
        ["runs", str(run.parent), "--json"],
        ["logs", str(run)],
        ["logs", str(run), "--json"],
        ["report", str(run), "--out", str(out / "report.html")],
        ["compare", str(run), str(other), "--out", str(out / "compare.html")],
        ["evaluate", str(run), "-n", "2", "--json"],
        ["replay", str(run)],
        ["topology", "show", str(run)],
        ["topology", "draw", str(run), "--out", str(out / "graph.svg")],
        ["exact", str(other / "experiment.json"), "--run", str(run), "--power-steps", "1"],
        ["config", "show", experiment],
        ["plan", experiment],
        ["doctor", experiment],
        ["keys", experiment, "--out", str(out / "keys")],
        ["compose", experiment],
        ["resume", str(run), "learning.iterations=5", "-q"],
        ["clean", str(run)],
    ]


def hostile(text: str) -> bool:
    """Whether a text holds what a terminal would obey."""
    return any(not each.isprintable() and each not in "\n\t" for each in text)


def call(words: list[str]) -> str | None:
    """Call a command; gives what is wrong with how it ended, None if nothing is."""
    from netagents.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    said = err.getvalue()
    if code not in DOCUMENTED:
        return f"exit code {code}: {said[-600:]}"
    if code and sum(line.startswith("netagents: error: ") for line in said.splitlines()) != 1:
        return f"not one line: {said[-600:]}"
    if "Traceback" in said or "Warning" in said:
        return f"a traceback or warning: {said[-600:]}"
    if hostile(said) or hostile(out.getvalue()):
        return f"control characters: {(said + out.getvalue())[-600:]!r}"
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
            signal.alarm(WALL_SECONDS)
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


def mutate(run: Path, other: Path, name: str, seed: int, chosen: list[int] | None = None) -> list[dict[str, Any]]:
    """Damage one file of a copy, call the commands, and give what went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="netagents-mutated-"))
    progress = folder / "at"
    try:
        copy = folder / "runs" / "copy"
        shutil.copytree(run, copy)
        (folder / "out").mkdir()
        how = damage(copy / name, seed)

        def work() -> list[dict[str, Any]]:
            found = []
            # What is printed from within would mix with the results.
            for at, words in enumerate(commands(copy, other, folder / "out")):
                if chosen is not None and at not in chosen:
                    continue
                progress.write_text(words[0])
                wrong = call(words)
                if wrong is not None:
                    found.append({"command": words[0], "wrong": wrong})
            return found

        found = in_child(work)
        at = progress.read_text() if progress.exists() else ""
        return [{"file": name, "seed": seed, "how": how, "command": at, **each} for each in found]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm(run: Path, other: Path) -> None:
    """Load what the commands load, once."""
    folder = Path(tempfile.mkdtemp(prefix="netagents-warm-"))
    try:
        copy = folder / "runs" / "copy"
        shutil.copytree(run, copy)
        (folder / "out").mkdir()
        for words in commands(copy, other, folder / "out"):
            wrong = call(words)
            if wrong is not None and words[0] != "replay":
                raise SystemExit(f"the undamaged run: {words[0]}: {wrong}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    run, other, name, first, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    chosen = [int(each) for each in sys.argv[6].split(",")] if len(sys.argv) > 6 else None
    warm(run, other)
    began, failures = time.monotonic(), 0
    for seed in range(first, first + count):
        for each in mutate(run, other, name, seed, chosen):
            failures += 1
            print(json.dumps(each), flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(
        json.dumps({"file": name, "mutations": count, "failures": failures, "seconds": round(time.monotonic() - began), "peak_kib": peak})
    )


if __name__ == "__main__":
    main()

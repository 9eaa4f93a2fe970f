"""Damage to record files: bytes, lines and JSON values changed by seeded draws, and the texts that must reach no terminal."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
    binary = file.suffix in (".safetensors", ".inbox", ".parquet")
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


def hostile(text: str) -> bool:
    """Whether a text holds what a terminal would obey."""
    return any(not each.isprintable() and each not in "\n\t" for each in text)

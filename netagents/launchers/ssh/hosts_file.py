"""File of hosts: a line per host with its name, the number of agents that it takes, and options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from netagents.errors import EngineError

LARGEST_BYTES = 1 << 20
"""Of a file of hosts."""

_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}@)?[A-Za-z0-9_:\[][A-Za-z0-9_.:\[\]-]{0,252}")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]{2,45}")


@dataclass(frozen=True)
class ListedHost:
    """A line of the file: ``name``, ``slots``, and the options ``port`` (of ssh) and ``address`` (numeric, for links)."""

    name: str
    slots: int
    port: int | None = None
    address: str | None = None


def read_hosts(path: Path) -> list[ListedHost]:
    """The hosts of a file; ``#`` begins a comment.

    Raises:
        EngineError: the file cannot be read, has no host, or a line is none; names the line.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise EngineError(f"has more than {LARGEST_BYTES:,} bytes", where=str(path), fix="name a file of hosts")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(f"cannot be read: {error.strerror}", where=str(path), fix="name a file of hosts with --hosts") from error
    except UnicodeDecodeError as error:
        raise EngineError("is not text", where=str(path), fix="name a file of hosts with --hosts") from error
    hosts = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            hosts.append(_host(words, f"{path}:{number}"))
    if not hosts:
        raise EngineError("names no host", where=str(path), fix="write a line per host: NAME SLOTS")
    names = [host.name for host in hosts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EngineError(f"{twice} stands there twice", where=str(path), fix="write one line with all its slots")
    return hosts


def _host(words: list[str], where: str) -> ListedHost:
    fix = "write NAME SLOTS [port=PORT] [address=ADDRESS], such as: node1 8"
    name, *rest = words
    if not _NAME.fullmatch(name):
        raise EngineError(f"{name[:100]!r} is not the name of a host", where=where, fix=fix)
    if not rest or not rest[0].isdecimal() or not 1 <= int(rest[0]) <= 100_000:
        raise EngineError(f"no number of agents for {name}", where=where, fix=fix)
    options = {}
    for word in rest[1:]:
        key, equals, value = word.partition("=")
        good = (key == "port" and value.isdecimal() and 0 < int(value) < 65_536) or (key == "address" and _ADDRESS.fullmatch(value))
        if not equals or not good:
            raise EngineError(f"{word[:100]!r} is not understood", where=where, fix=fix)
        options[key] = value
    port = options.get("port")
    return ListedHost(name, int(rest[0]), int(port) if port is not None else None, options.get("address"))

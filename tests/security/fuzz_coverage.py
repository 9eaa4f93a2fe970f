"""A coverage-guided fuzzer of the decoder: ``pip install atheris``, then ``python tests/security/fuzz_coverage.py -max_total_time=300``.

The first byte of an input says how the rest is cut into frames; everything but the documented error is a finding.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["netagents.wire", "netagents.messages"]):
    from netagents.errors import DecodeError
    from netagents.wire.codec import Codec

CODEC = Codec()


def cut(data: bytes) -> list[bytes]:
    """Frames of an input: up to seven, of which all but the first are 16 bytes."""
    if not data:
        return []
    rest, frames = data[1:], []
    for _ in range(data[0] & 7):
        frames.append(rest[-16:])
        rest = rest[:-16]
    return [rest, *frames]


def one_input(data: bytes) -> None:
    """Decodes one input, and encodes again what was let in."""
    try:
        envelope = CODEC.decode(cut(data))
    except DecodeError:
        return
    CODEC.encode(envelope)


def main() -> None:
    """Write the well-formed messages into the corpus folder, if one is named, and fuzz."""
    sys.path.insert(0, str(Path(__file__).parent))
    from mutator import seeds

    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for number, frames in enumerate(seeds()):
        if folders and len(frames) == 1:
            (folders[0] / f"seed-{number}").write_bytes(b"\0" + frames[0])
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

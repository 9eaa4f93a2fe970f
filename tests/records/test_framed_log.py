"""Files of framed records: what was written is read back; a cut tail is passed over, damage is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import RunDirectoryError
from netagents.records.framed_log import FramedWriter, read_framed

MAGIC = b"TESTING\x01"
HEAD = 8


def written(path: Path, payloads: list[bytes]) -> Path:
    path.unlink(missing_ok=True)
    writer = FramedWriter(path, MAGIC)
    for payload in payloads:
        writer.append([payload[:2], memoryview(payload)[2:]])
    assert writer.size == path.stat().st_size
    writer.close()
    writer.close()
    return path


def read(path: Path, most: int = 1000) -> list[bytes]:
    result = list(read_framed(path, MAGIC, most))
    data = path.read_bytes()
    assert all(data[position : position + len(payload)] == payload for position, payload in result)
    return [payload for _, payload in result]


@settings(max_examples=200, deadline=None)
@given(payloads=st.lists(st.binary(max_size=60), max_size=6), data=st.data())
def test_every_cut_leaves_the_records_before_it(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "cut", payloads)
    assert read(path) == payloads
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [len(MAGIC) + sum(HEAD + len(payload) for payload in payloads[: count + 1]) for count in range(len(payloads))]
    assert read(path) == payloads[: sum(end <= cut for end in ends)]


@settings(max_examples=200, deadline=None)
@given(payloads=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), data=st.data())
def test_no_changed_byte_is_read_as_if_it_had_been_written(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "changed", payloads)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    result, damage = [], ""
    try:
        result = read(path)
    except RunDirectoryError as error:
        damage = str(error)
    if damage:
        assert str(path) in damage
        assert place < len(MAGIC) or "is damaged at byte" in damage
    else:
        # A length that leads beyond the end looks like a cut.
        assert result == payloads[: len(result)]
        assert len(result) < len(payloads)


def test_a_record_larger_than_allowed_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "large", [b"x" * 10, b"y" * 2000])
    with pytest.raises(RunDirectoryError, match=r"is damaged at byte 26: a record of 2000 bytes"):
        read(path)


def test_links_and_files_that_are_there_are_not_touched(tmp_path: Path) -> None:
    path = written(tmp_path / "file", [b"one"])
    with pytest.raises(FileExistsError):
        FramedWriter(path, MAGIC)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(RunDirectoryError, match="is a link to somewhere else"):
        read(tmp_path / "link")
    with pytest.raises(RunDirectoryError, match="cannot be read: No such file"):
        read(tmp_path / "nothing")

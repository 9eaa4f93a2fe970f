"""Rows survive torn writes, keep every bit, and can be read while they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import RunDirectoryError
from netagents.records.jsonl import JsonLinesReader, JsonLinesWriter, encode_row, floats_from_json, json_floats, keep_rows_before


def test_a_torn_last_line_is_left_for_later_and_read_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"iteration":0}\n{"itera')
    reader = JsonLinesReader(file)
    assert reader.new_rows() == [{"iteration": 0}]
    assert reader.new_rows() == []
    with file.open("ab") as handle:
        handle.write(b'tion":1}\n')
    assert reader.new_rows() == [{"iteration": 1}]


def test_a_new_writer_cuts_the_torn_line_of_a_killed_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"iteration":0}\n' + b'{"x":"' + b"y" * 200_000)
    writer = JsonLinesWriter(file)
    writer.write({"iteration": 1})
    writer.close()
    assert JsonLinesReader(file).new_rows() == [{"iteration": 0}, {"iteration": 1}]


def test_a_file_with_nothing_but_a_torn_line_becomes_empty(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"iter')
    JsonLinesWriter(file).close()
    assert file.read_bytes() == b""


def test_a_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert JsonLinesReader(tmp_path / "none.jsonl").new_rows() == []


@pytest.mark.parametrize("damaged", [b"nonsense\n", b"[1]\n", b"\xff\xfe\n"])
def test_a_damaged_line_is_named_with_its_number(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"iteration":0}\n' + damaged + b'{"iteration":1}\n')
    with pytest.raises(RunDirectoryError, match=r"rows\.jsonl:2: this line is not a JSON object"):
        JsonLinesReader(file).new_rows()


def test_rows_are_cut_off_from_an_iteration_on(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"".join(encode_row({"iteration": k}) for k in range(5)) + b'{"iter')
    keep_rows_before(file, 3)
    assert [row["iteration"] for row in JsonLinesReader(file).new_rows()] == [0, 1, 2]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=20))
def test_floats_come_back_to_the_last_bit(values: list[float]) -> None:
    array = np.array(values, dtype=np.float64)
    line = encode_row({"values": json_floats(array)})
    assert b"NaN" not in line
    assert b"Infinity" not in line
    import json

    back = floats_from_json(json.loads(line)["values"])
    np.testing.assert_array_equal(back, array)
    assert np.array_equal(np.signbit(back[~np.isnan(back)]), np.signbit(array[~np.isnan(array)]))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="cannot be written") as caught:
        JsonLinesWriter(tmp_path / "missing" / "rows.jsonl")
    assert "\n" not in str(caught.value)

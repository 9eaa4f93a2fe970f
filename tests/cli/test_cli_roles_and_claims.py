"""Flags of another role to ``node``, and registries that are none to ``reproduce``: one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from netagents.cli.main import main

SERVER = ["node", "environment", "--listen", "tcp://127.0.0.1:0", "--experiment", "launch/quickstart.yaml"]
MEMBER = ["node", "agent-0", "--join", "tcp://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        *((SERVER, words) for words in (["--join", "tcp://127.0.0.1:1"], ["--view", "tcp://127.0.0.1:1"], ["--progress"])),
        *((SERVER, words) for words in (["--allow-imports"], ["--replace"])),
        *((MEMBER, words) for words in (["--announce", "a"], ["--out", "b"], ["--lines", "c"], ["--report"])),
    ],
    ids=lambda words: words[-1],
)
def test_flags_of_another_role_are_refused(command: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, *words]) == 2
    role, option = command[1], words[0]
    assert capsys.readouterr().err == f"netagents: error: netagents node {role}: {option} is not for this role; leave out {option}\n"


@pytest.mark.parametrize("content", [b"\xff\x00\x9c", b"a: [1", b"", b"- 1", b"name: x", b"- {id: x}"])
def test_a_registry_that_is_none_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "claims.yaml"
    file.write_bytes(content)
    assert main(["reproduce", "--registry", str(file)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"netagents: error: {file}: ")
    assert output.err.endswith("; docs/claims.yaml shows how\n")
    assert output.err.count("\n") == 1

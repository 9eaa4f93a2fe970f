"""Other people's code in this process moves no directory, spoils no output and ends nothing; its modules are found and named."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netagents.errors import ExperimentError, ForeignCodeError, ForeignExitError
from netagents.foreign import part_modules
from netagents.foreign.containment import contained
from netagents.foreign.part_faults import definition, foreign_faults, place_of, register_module


def test_the_working_directory_comes_back(tmp_path: Path) -> None:
    before = Path.cwd()
    with contained():
        os.chdir(tmp_path)
        with contained():
            assert Path.cwd() == tmp_path.resolve()  # only the outermost puts back
        assert Path.cwd() == tmp_path.resolve()
    assert Path.cwd() == before


def test_nothing_that_is_printed_inside_reaches_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with contained():
        print("inside")
        ctypes.CDLL(None).puts(b"from C")
        subprocess.run(["echo", "from a child"], check=True)
    print("after")
    out, err = capfd.readouterr()
    assert out.split("\n") == ["before", "after", ""]
    assert sorted(err.split("\n")) == ["", "from C", "from a child", "inside"]


def test_an_exit_inside_is_an_error_and_outside_it_is_as_before() -> None:
    real = os._exit
    with pytest.raises(ForeignExitError, match=r"os\._exit\(3\)"), contained():
        os._exit(3)
    assert os._exit is real
    with contained():
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_faults_name_file_line_and_function_of_registered_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_part.py").write_text("def inner(x):\n    return 1 / x\n\ndef outer(x):\n    return inner(x)\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    import their_part

    with pytest.raises(ZeroDivisionError), foreign_faults():
        their_part.outer(0)
    register_module("their_part")
    line = rf"{tmp_path}/their_part.py:2 in inner: ZeroDivisionError: division by zero"
    with pytest.raises(ForeignCodeError, match=line) as caught, foreign_faults():
        their_part.outer(0)
    assert caught.value.exit_code == 5
    assert place_of(caught.value.__cause__) == f"{tmp_path}/their_part.py:2 in inner"
    assert definition(their_part.outer) == f"{tmp_path}/their_part.py:4 in outer"
    assert definition(len) is None


@pytest.fixture
def fresh_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_modules, "_FOLDERS", [])
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("fresh_search")
def test_modules_are_found_beside_the_experiment_and_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder, names in ((beside, ("part_one", "part_two")), (here, ("part_two", "part_three"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.py").write_text(f"where = {folder.name!r}\n")
    monkeypatch.chdir(here)
    with pytest.raises(ModuleNotFoundError):
        part_modules.import_module("part_one")
    part_modules.search_folder(beside)
    assert [part_modules.import_module(f"part_{name}").where for name in ("one", "two", "three")] == ["beside", "beside", "here"]
    for name in ("one", "two", "three"):
        del sys.modules[f"part_{name}"]


@pytest.mark.usefixtures("fresh_search")
def test_a_module_that_loses_to_the_standard_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queue.py").write_text("Queue = 1\n")
    monkeypatch.chdir(tmp_path)
    part_modules.import_module("queue")
    with pytest.raises(ExperimentError, match=r"queue.py cannot be imported: module 'queue' is Python's own; give your module another"):
        part_modules.refuse_shadowed("queue", "Queue", "environment.make")

"""Every code block of README and docs/ is executed, here in short form or by a test that its mark names, or its mark says why not.

Whatever is not executed is checked as far as it goes: commands are parsed by the command line, settings are validated, Python is compiled.
:mod:`page_blocks` says what marks there are.  Training is shortened to :data:`SHORT`; where a page needs more, its mark says so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from command_words import parsed, unknown_words, validate_settings
from page_blocks import PAGES, ROOT, Block, Command, inline_commands, read_blocks

import netagents
from netagents.cli.main import main
from netagents.experiment import Experiment, load_experiment

SHORT = ("runtime.launcher=in_process", "learning.iterations=2", "learning.batch=4", "learning.horizon=6")
"""Settings of runs that are executed here, unless a mark says otherwise."""
BASE = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 6}}
"""What settings stand in that are no experiment by themselves."""
LANGUAGES = {"console", "sh", "python", "yaml", "toml", "text"}
TRAINS = ("run", "study")


@pytest.fixture(scope="module")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two short runs, of which pages take for granted that the reader has them."""
    settings: dict[str, Any] = {**BASE, "learning": {"iterations": 2, "batch": 4}, "runtime": {"launcher": "in_process"}}
    folder = tmp_path_factory.mktemp("given")
    return [netagents.run({**settings, "seed": seed}, directory=folder / str(seed)).path for seed in range(2)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A reader's folder: with the experiments of the project, and modules of the reader's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("launch", "topologies"):
        (tmp_path / name).symlink_to(ROOT / name)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.filterwarnings("ignore::netagents.testing.environment_conformance.EnvironmentWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_executed_or_says_why_not(page: Path, folder: Path, finished_runs: list[Path]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in read_blocks(page):
        assert block.language in LANGUAGES, f"{block}: say what it is: {', '.join(sorted(LANGUAGES))}"
        _check_marks(block)
        if block.name is not None:
            (folder / block.name).write_text(block.text, encoding="utf-8")
        match block.language:
            case "console" | "sh":
                for command in block.commands():
                    _command(block, command, finished_runs)
            case "yaml":
                _settings(block)
            case "python":
                code = compile(block.text, str(block), "exec")
                if block.name is not None and not block.left_out():
                    importlib.import_module(block.name.removesuffix(".py"))
                elif not block.left_out():
                    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
                        if block.extra():
                            patch.setattr(netagents, "run", functools.partial(_run_with, block.extra(), netagents.run))
                        exec(code, names)  # noqa: S102 - the page is ours, and running it is the test
            case "toml":
                tomllib.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_within_sentences_exist(page: Path) -> None:
    wrong = [f"netagents {' '.join(words)}: {unknown}" for words in inline_commands(page) if (unknown := unknown_words(words))]
    assert [each for each in wrong if "COMMAND" not in each] == []


def _check_marks(block: Block) -> None:
    """Marks are of a known form, name a test that there is, and lines that there are."""
    known = re.compile(r"executed by tests/\S+\.py|executed with \S.*|not executed(?: \[.+?\])?: \S.{7,}", re.DOTALL)
    assert [mark for mark in block.marks if not known.fullmatch(mark)] == [], str(block)
    if (runner := block.runner()) is not None:
        assert (ROOT / runner).is_file(), f"{block}: there is no {runner}"
        assert block.page.name in (ROOT / runner).read_text(encoding="utf-8"), f"{block}: {runner} does not name the page"
    for word, reason in block.reasons():
        assert word in block.text, f"{block}: no line has '{word}'"
        missing = [name for name in re.findall(r"(?:tests|docs)/[\w/]+\.\w+", reason) if not (ROOT / name).is_file()]
        assert missing == [], f"{block}: there is no {missing}"


def _command(block: Block, command: Command, finished_runs: list[Path]) -> None:
    """Parse and validate every call of netagents in a line, then execute the line unless a mark is against it."""
    calls = list(command.calls())
    for words in calls:
        _take_for_granted(words, finished_runs)
        try:
            meaning = parsed(_filled(words))
        except (typer.TyperException, netagents.errors.NetagentsError) as error:
            pytest.fail(f"{block}: {command.line}: {error.format_message() if isinstance(error, typer.TyperException) else error}")
        if not command.output[:1] or not command.output[0].startswith("netagents: error:"):
            file = meaning.get("file")
            if isinstance(file, str) and (not file.endswith(".yaml") or Path(file).exists()) and "RUN" not in file:
                validate_settings(meaning)
            else:
                assert block.left_out(command.line) or file is None, f"{block}: there is no {file}"
    words = command.words()
    _check_other_programs(block, words)
    if block.left_out(command.line):
        return
    plain = [word for word in words if word != ">"]
    runnable = len(calls) == 1 and plain[:1] == ["netagents"] and len(words) - len(plain) <= 1
    assert runnable, f"{block}: only `netagents ...` and `netagents ... > FILE` are executed here; mark the block: {command.line}"
    target = words[words.index(">") + 1] if ">" in words else None
    _execute(block, command, _filled(calls[0]), target)


def _execute(block: Block, command: Command, words: list[str], target: str | None) -> None:
    out, err = io.StringIO(), io.StringIO()
    expected_code = 0 if not any(line.startswith("netagents: error:") for line in command.output) else None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(_shortened(words, block.extra()) if expected_code == 0 else words)
    assert expected_code is None or code == expected_code, f"{block}: {command.line}: {err.getvalue()[-2000:]}"
    if target is not None:
        Path(target).write_text(out.getvalue(), encoding="utf-8")
    output = out.getvalue() + err.getvalue()
    assert [line for line in command.output if line not in output] == [], f"{block}: {command.line} prints {output}"


def _shortened(words: list[str], extra: list[str]) -> list[str]:
    """Words of a command that trains, with settings that make it short; those of the mark come first."""
    settings = [word for word in extra if "=" in word and not word.startswith("-")]
    if words[0] in TRAINS and "failures" not in words[:2] and "--launcher" not in words:
        settings += [word for word in SHORT if _key(word) not in map(_key, settings)]
    options = [word for word in extra if "=" not in word or word.startswith("-")]
    remaining = [word for word in words if word.startswith("-") or "=" not in word or _key(word) not in map(_key, settings)]
    return [*remaining, *settings, *options, *(["-q"] if words[0] == "run" else [])]


def _run_with(words: list[str], run: Callable[..., Any], source: Any, **changes: Any) -> Any:
    """netagents.run with the words of a mark."""
    return run(source, *[f"{key}={value}" for key, value in changes.items()], *words)


def _key(word: str) -> str:
    return word.partition("=")[0]


def _filled(words: list[str]) -> list[str]:
    """Words with a run in the place of RUN."""
    return ["runs/RUN" if word == "RUN" else word for word in words]


def _take_for_granted(words: list[str], finished_runs: list[Path]) -> None:
    """Runs that a command reads, and that the page did not make, are there; one in any case."""
    read = [word for word, before in zip(_filled(words), ["", *words], strict=False) if before != "--out"]
    for word in ["runs/earlier", *read]:
        if re.fullmatch(r"runs/[\w-]+", word) and not Path(word).exists():
            there = len(list(Path("runs").iterdir())) if Path("runs").exists() else 0
            shutil.copytree(finished_runs[there % 2], word)


def _check_other_programs(block: Block, words: list[str]) -> None:
    """What can be checked of pip, make and python: the extra, the target, the module."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in (name for word in words for names in re.findall(r"netagents\[(.+?)\]", word) for name in names.split(",")):
        assert extra in project["optional-dependencies"], f"{block}: there is no extra '{extra}'"
    if words[:1] == ["make"]:
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), f"{block}: make {words[1]}"
    if words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None, f"{block}: there is no module {words[2]}"


def _settings(block: Block) -> None:
    """Settings are valid, alone or inside :data:`BASE`; other YAML is parsed."""
    values = yaml.safe_load(block.text)
    if not set(values) <= set(Experiment.model_fields):
        # A file of another kind is read by the settings below it that name it.
        assert block.name or block.left_out(), f"{block}: these are no settings: say why nobody checks them"
        return
    if block.runner() is None and not any(block.reasons()):
        load_experiment({**BASE, **values}, block.extra(), trust=True)

"""Code blocks of README and docs/, and the comments above them that say who runs them.

A block is executed by ``tests/house/test_page_blocks.py`` unless a comment right above it says otherwise:

- ``<!-- executed by tests/x/test_y.py -->``: that test runs it, and names the page;
- ``<!-- executed with learning.iterations=9 -->``: it is executed with these words behind its commands, or these settings beside its own;
- ``<!-- not executed: REASON -->``: nobody runs it, and why; ``<!-- not executed [WORD]: REASON -->`` is about its lines with this word.

Whoever runs a block, its commands are parsed by the command line itself, and its settings and those of its commands are validated.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = re.compile(r"<!--\s*((?:not )?executed\b.*?)\s*-->", re.DOTALL)
SHELL = {"&", "&&", ";", "|", "||", ">", ">>", "<", "(", ")", "do"}


@dataclass(frozen=True)
class Command:
    """One line of a terminal, with the output that the page shows below it."""

    line: str
    output: tuple[str, ...]

    def words(self) -> list[str]:
        """The words without the remark behind ``#``; signs of the shell are words of their own."""
        lexer = shlex.shlex(self.line, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words: list[str] = []
        for word in lexer:
            if word.startswith("#"):
                break
            words.append(word)
        return words

    def calls(self) -> Iterator[list[str]]:
        """The words of each call of ``netagents`` in the line."""
        call: list[str] = []
        for word in [*self.words(), ";"]:
            if word in SHELL:
                if call[:1] == ["netagents"]:
                    yield call[1:]
                call = []
            else:
                call.append(word)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the number of its first line, its language, and the marks above it."""

    page: Path
    line: int
    language: str
    text: str
    marks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def name(self) -> str | None:
        """The file that the block is, if its first line says so: ``# mine.yaml``."""
        first = re.match(r"# ([\w-]+\.(?:py|yaml|txt))\n", self.text)
        return first[1] if first else None

    def commands(self) -> Iterator[Command]:
        """Its commands: all lines or, where lines begin with ``$``, those; the others are output then."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if not any(line.startswith("$ ") for line in lines):
            yield from (Command(line, ()) for line in lines if line.strip() and not line.startswith("#"))
            return
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield Command(lines[start][2:], tuple(line for line in lines[start + 1 : end] if line.strip()))

    def runner(self) -> str | None:
        """The test that runs the block, if it is another one."""
        return next((mark.removeprefix("executed by ") for mark in self.marks if mark.startswith("executed by ")), None)

    def extra(self) -> list[str]:
        """Words with which it is executed."""
        return [
            word for mark in self.marks if mark.startswith("executed with ") for word in shlex.split(mark.removeprefix("executed with "))
        ]

    def reasons(self) -> Iterator[tuple[str, str]]:
        """The word of the lines that nobody runs, empty for all lines, and why."""
        for mark in self.marks:
            match = re.fullmatch(r"not executed(?: \[(.+?)\])?: (.+)", " ".join(mark.split()))
            if match:
                yield match[1] or "", match[2]

    def left_out(self, line: str = "") -> bool:
        """Whether a mark says of the block, or of a line of it, that nobody runs it here."""
        return self.runner() is not None or any(not word or word in line for word, _ in self.reasons())


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order, without directives of the site such as ``{toctree}``."""
    blocks: list[Block] = []
    marks: tuple[str, ...] = ()
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            marks = (*marks, *MARK.findall(token.content))
        elif token.type in ("fence", "code_block"):
            assert token.map is not None
            if not token.info.startswith("{"):
                blocks.append(Block(page, token.map[0] + 1, token.info.strip() or token.type, token.content, marks))
            marks = ()
        elif token.type not in ("list_item_open", "bullet_list_open", "ordered_list_open"):
            marks = ()
    return blocks


def inline_commands(page: Path) -> Iterator[list[str]]:
    """Commands within sentences that are whole: ``netagents runs``, but not ``netagents run ...``."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for text in re.findall(r"`netagents ([^`\n]+)`", prose):
        if "..." not in text and "&lt;" not in text:
            yield from Command(f"netagents {text}", ()).calls()

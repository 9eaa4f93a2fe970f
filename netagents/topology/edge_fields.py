"""Fields of one line of an edge list or adjacency list: names and data, with the quotes, brackets and delimiters of other tools.

A field in double quotes may hold the delimiter, and a quote as ``""``, as CSV has it.  A word that begins with a bracket goes on to
the closing one, so that ``(0, 1)`` is a name and ``{'weight': 1.5}`` is one field, as networkx writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

COMMENT_BEGINNINGS = ("#", "%", "//", ";")
"""What a line of comment begins with; ``#`` also ends any other line."""

_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=[\s,;#]|$)')
_PLAIN_END = re.compile(r"[\s,;#]|$")
_SPECIAL = re.compile(r'["#(\[{;]')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class _Word(NamedTuple):
    start: int
    end: int
    text: str


def content_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither empty nor comments, with their numbers from 1, stripped."""
    # Not splitlines, which also breaks at characters that editors do not count as line ends.  Old spreadsheets end lines with CR alone.
    lines = text.split("\n") if "\n" in text else text.split("\r")
    for number, line in enumerate(lines, start=1):
        content = line.strip()
        if content and not content.startswith(COMMENT_BEGINNINGS):
            yield number, content


def split_fields(content: str, semicolons: bool = False) -> list[str]:
    """The fields of a line without its comment.

    Commas separate fields where there are any, else tabs where that leaves no more than two names with blanks, else blanks.

    Args:
        content: one stripped line.
        semicolons: semicolons separate the fields of this file, whatever else stands in it.
    """
    if _SPECIAL.search(content) is None:
        if "," in content:
            return [field.strip() for field in content.split(",")]
        words = content.split()
        return words if len(words) <= 2 or "\t" not in content else _by_tabs(content, words)
    words_found, end = _words(content)
    separators = _separators(content, words_found, end)
    if semicolons:
        return _grouped(content, words_found, separators, ";")
    if any("," in each for each in separators):
        return _grouped(content, words_found, separators, ",")
    words = [word.text for word in words_found]
    if ";" not in content and len(words) > 2 and any("\t" in each for each in separators) and not all(is_data(word) for word in words):
        return _grouped(content, words_found, separators, "\t")
    if any(";" in each for each in separators):
        return content[:end].split()
    return words


def is_data(field: str) -> bool:
    """Whether a field behind the two names is a weight or a mapping of attributes, or empty."""
    return not field or field.startswith("{") or _NUMBER.fullmatch(field) is not None


def _by_tabs(content: str, words: list[str]) -> list[str]:
    if all(is_data(word) for word in words):
        return words
    return [field.strip() for field in content.split("\t")]


def _words(content: str) -> tuple[list[_Word], int]:
    """The words, and where the line's comment begins."""
    words: list[_Word] = []
    place, length = 0, len(content)
    while place < length:
        character = content[place]
        if character == "#":
            return words, place
        if character.isspace() or character in ",;":
            place += 1
            continue
        quoted = _QUOTED.match(content, place) if character == '"' else None
        if quoted is not None:
            words.append(_Word(place, quoted.end(), quoted[1].replace('""', '"')))
            place = quoted.end()
            continue
        begin = place
        if character in _CLOSING:
            place = _closing(content, place)
        stop = _PLAIN_END.search(content, place)
        place = length if stop is None else stop.start()
        words.append(_Word(begin, place, content[begin:place]))
    return words, length


def _closing(content: str, place: int) -> int:
    """The place behind the bracket that closes the one at ``place``; ``place`` itself if none does."""
    stack: list[str] = []
    quote = ""
    index = place
    while index < len(content):
        character = content[index]
        if quote:
            if character == "\\":
                index += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in _CLOSING:
            stack.append(_CLOSING[character])
        elif stack and character == stack[-1]:
            stack.pop()
            if not stack:
                return index + 1
        index += 1
    return place


def _separators(content: str, words: list[_Word], end: int) -> list[str]:
    """What stands before the first word, between words, and behind the last."""
    edges = [0, *(place for word in words for place in (word.start, word.end)), end]
    return [content[edges[index] : edges[index + 1]] for index in range(0, len(edges), 2)]


def _grouped(content: str, words: list[_Word], separators: list[str], delimiter: str) -> list[str]:
    groups: list[list[_Word]] = [[]]
    for index, separator in enumerate(separators):
        groups.extend([] for _ in range(separator.count(delimiter)))
        if index < len(words):
            groups[-1].append(words[index])
    return [
        ""
        if not group
        else group[0].text
        if len(group) == 1 and content[group[0].start] == '"'
        else content[group[0].start : group[-1].end].strip()
        for group in groups
    ]

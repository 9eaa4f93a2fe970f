"""Option values of ``netagents study``: words of the command line as lists, radii, axes and measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netagents.studies.study_specification import Measure


def seeds_of(file: str, overrides: list[str] | None, count: int) -> list[int]:
    """The seeds of a study: as many as asked for, from the experiment's own on."""
    from netagents.cli.experiment_source import load_with_notes

    first = load_with_notes(file, overrides).experiment.seed
    return list(range(first, first + count))


def parse_prices(text: str) -> list[float]:
    """Numbers from a list with commas.

    Raises:
        UsageError: it is something else.
    """
    from netagents.errors import UsageError

    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"'{text}' is no list of numbers", where="--lambda", fix="write --lambda 0.1,0.3,1") from None


def parse_levels(text: str) -> list[float]:
    """Shares above 0 and at most 1.

    Raises:
        UsageError: it is something else.
    """
    from netagents.errors import UsageError

    try:
        levels = [float(word) for word in text.split(",")]
    except ValueError:
        levels = []
    if not levels or not all(0 < level <= 1 for level in levels):
        raise UsageError(f"'{text}' is no list of shares above 0 and at most 1", where="--epsilon", fix="write 0.3,0.1,0.03,0.01")
    return levels


def one_or_both(word: str | None, option: str, first: str, second: str) -> tuple[str, ...] | None:
    """One of two words, or both of them; None where nothing was said.

    Raises:
        UsageError: it is something else.
    """
    from netagents.errors import UsageError

    if word not in (None, first, second, "both"):
        raise UsageError(f"there is no '{word}'", where=option, fix=f"choose {first}, {second} or both")
    return None if word is None else (first, second) if word == "both" else (word,)


def parse_hold(words: list[str]) -> dict[str, int | None]:
    """Radii that are held, by name; None releases one.

    Raises:
        UsageError: it is something else.
    """
    from netagents.errors import UsageError

    held: dict[str, int | None] = {}
    for word in words:
        name, _, value = word.partition("=")
        if value != "free" and not value.isdecimal():
            raise UsageError(f"'{word}' holds nothing", where="--hold", fix="write policy=0, critic=2 or policy=free")
        if name in held:
            raise UsageError(f"'{name}' is given twice", where="--hold", fix="hold each radius once")
        held[name] = None if value == "free" else int(value)
    return held


def parse_axes(words: list[str]) -> tuple[dict[str, list[Any]], list[str]]:
    """What is swept, and what is set for all runs.

    Raises:
        UsageError: it is something else.
    """
    from netagents.errors import ExperimentError, UsageError
    from netagents.experiment.yaml_document import parse

    axes: dict[str, list[Any]] = {}
    fixed = []
    seen: set[str] = set()
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError("not something to sweep", where=f"'{word}'", fix="write key=a,b,c such as learning.batch=32,64,128")
        try:
            values = parse(f"[{text}]", word).values
        except ExperimentError as error:
            raise UsageError(f"the values are {error.what}", where=f"'{word}'", fix="quote them for the shell and for YAML") from None
        if key in seen:
            raise UsageError(f"{key} is given twice", where=f"'{word}'", fix=f"write all its values once, {key}=A,B,C")
        seen.add(key)
        if isinstance(values, list) and len(values) > 1:
            if key == "seed":
                raise UsageError("seeds are not swept", where=f"'{word}'", fix=f"write --seeds {len(values)}, and seed={values[0]}")
            axes[key] = values
        else:
            fixed.append(word)
    return axes, fixed


def parse_measure(word: str | None) -> Measure | None:
    """The measure, or None.

    Raises:
        UsageError: it is something else.
    """
    from netagents.errors import UsageError

    if word is None or word in ("return", "discounted_return", "objective"):
        return word  # type: ignore[return-value]
    raise UsageError(f"there is no measure '{word}'", where="--measure", fix="choose return, discounted_return or objective")

"""``netagents logs``: what every process of a run wrote, as one stream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)

FOLLOW_INTERVAL = 0.2
"""Seconds between looks at growing logs."""


@app.command()
def logs(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="RUN|ROLE", help="Run directory (default: the newest in runs/), then whose logs.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    last: Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only so many of the last entries.")] = None,
    level: Annotated[str, typer.Option("--level", help="The lowest level to show: debug, info, warning or error.")] = "debug",
    as_json: Annotated[bool, typer.Option("--json", help="Print the entries as they are, one JSON object per line.")] = False,
) -> None:
    """Show the logs of all processes of a run as one stream, in the order of time; roles are environment, monitor, agent_3, ..."""
    import sys
    import time

    from netagents.cli.locate import find_run
    from netagents.records.log_stream import LEVELS, LogStream

    if level not in LEVELS:
        from netagents.errors import UsageError

        raise UsageError(f"--level {level}", fix=f"choose one of {', '.join(LEVELS)}")
    path, roles = _sort_words(words or [])
    run = find_run(path)
    stream = LogStream(run.directory, roles, level)
    entries = stream.new()
    printer = _printer(as_json, stream.width)
    for entry in entries if last is None else entries[-last:]:
        printer(entry)
    while follow:
        alive = run.directory.has_writer()
        for entry in stream.new():
            printer(entry)
        sys.stdout.flush()
        if not alive:
            break
        time.sleep(FOLLOW_INTERVAL)


def _sort_words(words: list[str]) -> tuple[Path | None, list[str]]:
    """The run, if the first word is one, and the roles: ``agent_3``, ``agent-3`` and ``3`` are the same."""
    path: Path | None = None
    if words and not _is_role(words[0]):
        path, words = Path(words[0]), words[1:]
    return path, [f"agent_{word}" if word.isdecimal() else word.replace("-", "_").replace(" ", "_") for word in words]


def _is_role(word: str) -> bool:
    import re

    return re.fullmatch(r"environment|monitor|launcher|forkserver|(agent[-_ ])?\d+", word) is not None and not Path(word).is_dir()


def _printer(as_json: bool, width: int) -> Any:
    import json
    import sys
    import time

    from netagents.records.jsonl import printable_json

    if as_json:
        return lambda entry: typer.echo(printable_json(json.dumps(entry, ensure_ascii=False)))
    from rich.console import Console
    from rich.text import Text

    from netagents.errors import printable

    console = Console(soft_wrap=True)
    colored = sys.stdout.isatty()

    def show(entry: dict[str, Any]) -> None:
        moment = entry.get("time")
        clock = (
            f"{time.strftime('%H:%M:%S', time.localtime(moment))}.{int(moment % 1 * 1000):03}" if isinstance(moment, float) else "-" * 12
        )
        role, level = printable(str(entry.get("role", ""))), printable(str(entry.get("level", "")))
        phase = printable(f" [{entry['phase']}]") if entry.get("phase") else ""
        texts = [*str(entry.get("message", "")).splitlines(), *(f"    {line}" for line in str(entry.get("traceback", "")).splitlines())]
        lines = [printable(line, keep="\t") for line in texts]
        if not colored:
            typer.echo("\n".join([f"{clock} {role:<{width}} {level:<7}{phase} {lines[0] if lines else ''}", *lines[1:]]))
            return
        text = Text(f"{clock} ", style="dim")
        text.append(f"{role:<{width}} ", style=_role_style(role))
        text.append(f"{level:<7}", style=_LEVEL_STYLES.get(level, ""))
        text.append(phase, style="dim")
        text.append(f" {lines[0] if lines else ''}", style="bold red" if level == "error" else "")
        for line in lines[1:]:
            text.append(f"\n{line}", style="dim")
        console.print(text)

    return show


_LEVEL_STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red", "output": "dim", "debug": "dim"}
_AGENT_STYLES = ("cyan", "green", "blue", "bright_cyan", "bright_green", "bright_blue")


def _role_style(role: str) -> str:
    if role.startswith("agent_") and role[6:].isdecimal():
        return _AGENT_STYLES[int(role[6:]) % len(_AGENT_STYLES)]
    return {"environment": "magenta", "monitor": "yellow"}.get(role, "bold")

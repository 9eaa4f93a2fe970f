"""The ``netagents`` command: finds the module of a command, and turns every error into one line and a documented exit code.

Nothing heavy is imported before a command needs it: modules of commands import numpy, pydantic and the like inside their
functions, so that every ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from netagents import __version__
from netagents.cli.commands import COMMANDS
from netagents.cli.output_streams import ReaderGoneError, abandon, usable_streams
from netagents.cli.setting_options import translate_settings
from netagents.errors import NetagentsError, exit_code_of, printable
from netagents.launchers.supervision.interruptions import CtrlC

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(import_module(module).app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in self.list_commands(ctx):
            from difflib import get_close_matches

            from netagents.errors import UsageError

            close = get_close_matches(word, self.list_commands(ctx), n=1)
            fix = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(self.list_commands(ctx))}"
            raise UsageError(f"no command is called '{word}'", fix=fix)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup, add_completion=False, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback()
def root(ctx: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    """Networked multi-agent reinforcement learning, one process per agent."""
    if version:
        typer.echo(f"netagents {__version__}")
        raise typer.Exit()
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and gives its exit code.

    Errors are one line on standard error, ``netagents: error: ...``; with ``NETAGENTS_DEBUG=1`` their traceback is shown
    as well.
    """
    if arguments is not None:
        with usable_streams():
            return _run(arguments)
    from netagents.foreign.containment import as_command, exit_at_once, flush_output, lingering_threads

    with usable_streams(), as_command():
        code = _run(sys.argv[1:])
    if lingering_threads():
        # Threads of an environment that was not closed, or does not heed it, must not hold up the end.
        flush_output()
        exit_at_once(code)
    return code


def _run(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    try:
        try:
            with CtrlC().handling():
                arguments_after_command = translate_settings(command, typer.Context(command, info_name="netagents"), list(arguments))
                with command.make_context("netagents", arguments_after_command) as ctx:
                    command.invoke(ctx)
        finally:
            # A reader that has gone away is noticed here, not at the interpreter's end.
            sys.stdout.flush()
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _print_error("interrupted")
        return EXIT_INTERRUPTED
    except (ReaderGoneError, BrokenPipeError):
        # Whatever is still buffered has nowhere to go; the interpreter must not complain about it at its end.
        abandon(sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except NetagentsError as error:
        return _failed(error, str(error), exit_code_of(error))
    except typer.TyperException as error:
        return _failed(error, _usage(error), error.exit_code)
    except Exception as error:
        line = f"{type(error).__name__}: {error}; this is a fault of netagents, NETAGENTS_DEBUG=1 shows where"
        return _failed(error, line, exit_code_of(error))
    return 0


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "netagents"
    return f"{error.format_message().rstrip('.')}; see {path} --help"


def _failed(error: BaseException, line: str, code: int) -> int:
    if os.environ.get("NETAGENTS_DEBUG") == "1":
        import traceback

        print(printable("".join(traceback.format_exception(error)), keep="\n\t"), end="", file=sys.stderr)
    one = " ".join(line.split())
    # What a file or an argument holds is shown, but never speaks to the terminal.
    _print_error("error: " + printable(one))
    return code


def _print_error(line: str) -> None:
    print(f"netagents: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

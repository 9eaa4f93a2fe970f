"""``netagents clean``: remove run directories and what killed runs left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def clean(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="Run directories, or a folder of them. Default: runs/.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also remove runs that finished. Default: only killed, failed and empty ones.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
) -> None:
    """Remove run directories; a run that still goes on is never touched, and of a link only the link is removed."""
    from netagents.errors import RunDirectoryError, printable
    from netagents.nodes.process.socket_directory import abandoned_directories
    from netagents.records.run_directory import MANIFEST, RunDirectory, run_directories

    named = paths or [Path("runs")]
    runs: list[tuple[RunDirectory, bool]] = []
    for path in named:
        if (path / MANIFEST).is_file():
            runs.append((RunDirectory.open(path), True))
        elif path.is_dir() and (directories := run_directories(path)):
            runs.extend((run, False) for run in directories)
        elif paths and path.is_dir():
            raise RunDirectoryError("is no run, and there is none in it", where=str(path), fix="name a run directory, or a folder of them")
        elif paths:
            raise RunDirectoryError("no such run directory", where=str(path), fix="name a run directory, or a folder of them")
    removed = 0
    failures: list[RunDirectoryError] = []
    visited: set[Path] = set()
    for run, by_name in runs:
        # Two ways to one directory, but a link is something of its own.
        place = run.path.parent.resolve() / run.path.name
        if place in visited:
            continue
        visited.add(place)
        state = run.state
        name = printable(str(run.path))
        if state == "running" or run.lock.is_held_elsewhere():
            typer.echo(f"kept     {name}  (still running)")
        elif by_name or everything or state in ("killed", "failed", "created"):
            what = f"link to {run.path.readlink()}, which stays" if run.path.is_symlink() else state
            if not dry_run:
                try:
                    # From here on nobody begins to write; whoever did before is running.
                    run.lock.take()
                    if run.has_writer():
                        typer.echo(f"kept     {name}  (still running)")
                        continue
                    _remove(run.path)
                except OSError as error:
                    # The others are removed all the same.
                    reason = f"cannot be removed: {error.strerror or error}"
                    failures.append(RunDirectoryError(reason, where=str(error.filename or run.path)))
                    continue
                finally:
                    run.lock.release()
            typer.echo(f"{'would remove' if dry_run else 'removed '} {name}  ({printable(what)})")
            removed += 1
    for sockets in abandoned_directories():
        typer.echo(f"{'would remove' if dry_run else 'removed '} {sockets.path}  (sockets of a dead run)")
        removed += 1
        if not dry_run:
            sockets.remove()
    if failures:
        for failure in failures[1:]:
            typer.echo(f"netagents: {failure}", err=True)
        raise failures[0]
    if not removed:
        typer.echo("nothing to remove" + ("" if everything else "; --all also removes runs that finished"))


def _remove(path: Path) -> None:
    import shutil

    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)

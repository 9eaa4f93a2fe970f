"""``netagents play``: watch one episode, in the terminal, as a GIF or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from netagents.cli.trust import TrustOption, announce_run, load_trusted

if TYPE_CHECKING:
    from netagents.launchers.watched_episode import WatchedEpisode

app = typer.Typer(add_completion=False)

_UNKNOWN = {
    "power": "no reading of power is reliable; see docs/power.md",
    "influence": "measure it by netagents influence RUN first",
}
"""What to do where halos have nothing to show."""


@app.command()
def play(
    source: Annotated[str, typer.Argument(metavar="FILE|RUN", help="Run directory: trained agents. Experiment file: untrained ones.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings of FILE to change.")] = None,
    gif: Annotated[Path | None, typer.Option("--gif", help="Write an animated GIF to this file instead.")] = None,
    page: Annotated[Path | None, typer.Option("--html", help="Write a page with a slider to this file instead.")] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", "-n", min=1, max=100_000, help="Steps to play at most. Default: the horizon.")
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Play the most probable action instead of drawing one.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Names the episode: the first one of netagents evaluate --seed.")] = 0,
    checkpoint: Annotated[int | None, typer.Option("--checkpoint", help="After which iteration. Default: the newest one saved.")] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=60.0, help="Steps per second.")] = 5.0,
    halo: Annotated[
        Literal["power", "influence"] | None,
        typer.Option("--halo", help="What halos show. Default: power, or influence where no power is known."),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Watch an environment that can draw itself, with the power or influence of agents as halos where the run knows it."""
    from netagents.errors import UsageError
    from netagents.launchers.watched_episode import watch_experiment, watch_run
    from netagents.records.run_reader import Run, is_run

    path = Path(source)
    if is_run(path):
        if overrides:
            raise UsageError(
                f"a run is played as it was made; {overrides[0]} is for files", fix="name its experiment file, or leave it out"
            )
        announce_run(path, trust)
        episode = watch_run(Run.open(path, trust), steps, greedy=greedy, seed=seed, checkpoint=checkpoint, measure=halo)
        if halo is not None and episode.halos is None:
            raise UsageError(f"no {halo} of agents is known of this run", fix=_UNKNOWN[halo])
    else:
        for option, value in (("--checkpoint", checkpoint), ("--halo", halo)):
            if value is not None:
                raise UsageError(f"{option} is for runs; an experiment file has untrained agents", fix="name a run directory")
        episode = watch_experiment(load_trusted(source, overrides, trust), steps, greedy=greedy, seed=seed)
    if gif is None and page is None:
        _show(episode, speed)
    if gif is not None:
        _write(gif, _gif(episode, speed), episode)
    if page is not None:
        _write(page, _page(episode, speed), episode)


def _gif(episode: WatchedEpisode, speed: float) -> bytes:
    from netagents.reports.animation.gif_animation import gif

    return gif(episode.pictures, episode.captions(), speed, _shares(episode))


def _page(episode: WatchedEpisode, speed: float) -> bytes:
    from netagents.reports.animation.html_animation import html_animation

    page = html_animation(episode.title, episode.pictures, episode.captions(), speed, episode.labels, _shares(episode), episode.measure)
    return page.encode("utf-8", "backslashreplace")


def _shares(episode: WatchedEpisode) -> tuple[float, ...] | None:
    return None if episode.halos is None else tuple(episode.halos.tolist())


def _write(path: Path, content: bytes, episode: WatchedEpisode) -> None:
    from netagents.errors import printable
    from netagents.records import write_atomically
    from netagents.reports.summary import byte_size

    write_atomically(path, content)
    typer.echo(f"{printable(str(path))}  ({len(episode.pictures)} pictures, {byte_size(len(content))})")


def _show(episode: WatchedEpisode, speed: float) -> None:
    """In the terminal, in place and in its time; elsewhere all pictures one after the other at once."""
    import time

    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from netagents.reports.animation.terminal_frames import columns_per_cell, terminal_frame

    console = Console(markup=False, highlight=False)
    per_cell = columns_per_cell(episode.pictures[0], console.width, console.height - 3)
    captions, halos = episode.captions(), _shares(episode)

    def group(number: int) -> Group:
        frame = terminal_frame(episode.pictures[number], per_cell, halos, plain=console.color_system is None)
        return Group(Text(episode.title), frame, Text(captions[number]))

    if not console.is_terminal:
        for number in range(len(episode.pictures)):
            console.print(group(number), crop=False, soft_wrap=True)
        return
    with Live(group(0), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for number in range(len(episode.pictures)):
            live.update(group(number), refresh=True)
            time.sleep(1.0 / speed)

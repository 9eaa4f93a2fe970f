"""``netagents play``: the episode that evaluation plays, in the terminal, as a GIF and as a page; and one line for whatever is wrong."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netagents
from netagents.cli.main import main
from netagents.environments import Discrete, EnvironmentSpec, Marker, NetworkedMDP, Picture, Tile, Transition
from netagents.launchers.policy_evaluation import evaluate
from netagents.launchers.watched_episode import WatchedEpisode, watch_experiment, watch_run
from netagents.records import Run
from netagents.reports.animation.gif_animation import HALO_COLOUR, frame, gif
from netagents.reports.animation.html_animation import html_animation
from netagents.reports.animation.terminal_frames import LARGE, SMALL, columns_per_cell, terminal_frame

KITCHEN: dict[str, Any] = {
    "name": "small-kitchen",
    "environment": {"kind": "kitchen", "layout": "cramped_room"},
    "topology": {"kind": "complete", "n": 2},
    "policy": {"kind": "mlp", "hidden": [4]},
    "learning": {
        "iterations": 2,
        "batch": 4,
        "horizon": 12,
        "algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [4], "steps": 1}},
    },
    "runtime": {"launcher": "in_process"},
}
DRAWN = ["cue_recall", "kitchen", "matrix_grid", "rendezvous", "gathering", "predator_prey"]
ENGINES = {
    "traffic_grid": "libsumo",
    "smax": "jaxmarl",
    "foraging": "lbforaging",
    "half_cheetah": "gymnasium_robotics",
    "ant": "gymnasium_robotics",
}
"""Launch files that need a package."""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return netagents.run(KITCHEN, directory=tmp_path_factory.mktemp("runs") / "small").path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def _command(*words: Any) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return _command


def test_it_plays_the_first_episode_of_evaluation(tmp_path: Path) -> None:
    settings = {
        "environment": {"kind": "gathering", "cells": 5, "sight": 1},
        "topology": {"kind": "complete", "n": 3},
        "learning": {"iterations": 2, "batch": 4},
        "runtime": {"launcher": "in_process"},
    }
    run = netagents.run(settings, directory=tmp_path / "run")
    for greedy in (False, True):
        episode = watch_run(run, greedy=greedy, seed=7)
        assert len(episode.pictures) == len(episode.captions()) == 21
        np.testing.assert_allclose(episode.rewards.sum(axis=0), evaluate(run, 3, greedy=greedy, seed=7).returns[0])
    assert not np.array_equal(watch_run(run, seed=8).rewards, watch_run(run, seed=7).rewards)
    np.testing.assert_array_equal(watch_run(run, 5, seed=7).rewards, watch_run(run, seed=7).rewards[:5])
    held = run.concentration().held
    halos = watch_run(run).halos
    assert (halos is None) == (held.max() <= 0.0)


LINES = """\
.........P..........
....................
.O..         1^ .O..
....            ....
.... 0^         ....
....            ....
.....D.......S......
....................
""".splitlines()


def test_a_frame_per_line_of_the_pipe(command: Command, finished: Path) -> None:
    code, out, err = command("play", finished, "--steps", 2)
    assert (code, err) == (0, "")
    assert out.count("small-kitchen after iteration 1\n") == 3
    lines = [line.rstrip() for line in out.split("\n")]
    # Two lines of characters for each of four rows of cells: tiles as dots, cooks with where they look.
    assert lines[1:9] == LINES
    assert lines[9] == "step 0   return 0 each"


def engine(name: str, package: str) -> Any:
    missing = pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"the package {package} is missing: make test-adapters")
    quiet = (pytest.mark.filterwarnings(f"ignore::{category}") for category in ("DeprecationWarning", "FutureWarning"))
    return pytest.param(name, marks=[missing, pytest.mark.timeout(600), *quiet])


@pytest.mark.parametrize("name", [*DRAWN, *(engine(*each) for each in ENGINES.items())])
def test_every_environment_that_can_draw_itself_becomes_a_gif_and_a_page(name: str, command: Command, tmp_path: Path) -> None:
    from PIL import Image

    picture, page = tmp_path / "a.gif", tmp_path / "a.html"
    code, out, err = command("play", name, "--steps", 3, "--gif", picture, "--html", page, "--speed", 10)
    assert code == 0
    assert err == "" or name in ENGINES  # they say things of their own
    assert out.count("(4 pictures, ") == 2 or name in ENGINES
    with Image.open(picture) as animation:
        assert animation.n_frames == 4
        assert animation.info["duration"] == 100
        still = np.asarray(animation.convert("RGB"))
    assert len(np.unique(still.reshape(-1, 3), axis=0)) > 5
    facts = facts_of(page.read_text(encoding="utf-8"))
    assert len(facts["frames"]) == 4
    agents = [marker[7] for marker in facts["frames"][0][1] if marker[7] is not None]
    assert sorted(agents) == list(range(len(facts["labels"])))


def facts_of(page: str) -> dict[str, Any]:
    match = re.search(r'<script id="facts" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    facts: dict[str, Any] = json.loads(match[1])
    return facts


HALVES = Picture(
    4.0, 1.0, [Tile(0.0, 0.0, "#000000")], [Marker(0.5, 0.5, "#ff0000", agent=0, badge="#00ff00"), Marker(2.5, 0.5, "#0000ff", agent=1)]
)


def test_a_halo_is_as_wide_as_the_power_that_an_agent_holds() -> None:
    halo = [int(HALO_COLOUR[at : at + 2], 16) for at in (1, 3, 5)]

    def area(power: tuple[float, float] | None, agent: int) -> int:
        drawn = np.asarray(frame(HALVES, "", power))[:64, 96 * agent : 96 + 160 * agent]
        return int((np.abs(drawn.astype(int) - halo).sum(axis=2) < 30).sum())

    assert area(None, 0) == area(None, 1) == 0
    assert area((1.0, 0.25), 0) > area((1.0, 0.25), 1) > 100
    assert area((1.0, 0.0), 1) == 0
    page = html_animation("t", [HALVES], ["c"], 5.0, ["a", "b"], (1.0, 0.25))
    assert facts_of(page)["halos"] == [1.0, 0.25]
    assert "a halo's width is the power that the agent has over others" in page
    assert "the influence that" in html_animation("t", [HALVES], ["c"], 5.0, ["a", "b"], (1.0, 0.25), "influence")
    spans = terminal_frame(HALVES, LARGE, (1.0, 0.25)).spans
    assert any(getattr(span.style, "underline", False) for span in spans)


def test_halos_show_influence_where_it_was_measured(finished: Path, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    code, _, err = command("play", path, "--steps", 1, "--halo", "influence")
    assert (code, err) == (
        2,
        "netagents: error: no influence of agents is known of this run; measure it by netagents influence RUN first\n",
    )
    for name, checkpoint, first in (("a", 1, 0.75), ("b", 5, 9.0)):
        folder = path / "influence" / name
        folder.mkdir(parents=True)
        # Agent 0 influences agent 1 by `first` and is influenced by 0.25; what is below the null or not significant does not count.
        matrix = {
            "values": [[5.0, first], [0.5, None]],
            "null_mean": [[0.0, 0.25], [0.25, None]],
            "significant": [[False, True], [True, False]],
        }
        (folder / "influence.json").write_text(json.dumps({"plan": {"checkpoint": checkpoint}, "matrix": matrix}))
    run = Run.open(path)
    episode = watch_run(run, 1, measure="influence")
    assert (episode.measure, episode.halos.tolist()) == ("influence", [1.0, 0.5])
    known = run.concentration().held.max() > 0.0
    assert watch_run(run, 1).measure == ("power" if known else "influence")
    page = tmp_path / "a.html"
    assert command("play", path, "--steps", 1, "--halo", "influence", "--html", page)[0] == 0
    assert facts_of(page.read_text(encoding="utf-8"))["halos"] == [1.0, 0.5]


def test_texts_of_an_environment_stay_texts_on_the_page() -> None:
    evil = "</script><script>alert(1)</script>@@SCRIPT@@"
    picture = Picture(1.0, 1.0, [Tile(0.0, 0.0, "#ffffff", evil)])
    page = html_animation(evil, [picture], [evil], 5.0, [evil])
    assert facts_of(page)["frames"][0][2] == evil
    assert page.count("alert(1)") == 1 + 1 + 3
    assert "<script>alert" not in page


def test_the_terminal_shows_arrows_hands_and_what_fits() -> None:
    marker = Marker(0.5, 0.5, "#ff0000", agent=3, heading=np.pi / 2, badge="#00ff00")
    picture = Picture(2.0, 1.0, [Tile(1.0, 0.0, "#222222", "P")], [marker])
    assert terminal_frame(picture, LARGE, plain=True).plain.split("\n") == [" 3v .P..", " ++ ....", ""]
    assert terminal_frame(picture, SMALL, plain=True).plain.split("\n")[0].startswith("3v")
    assert terminal_frame(Picture(1.0, 1.0, [Tile(0.0, 0.0, "#222222", "\x1b[2J")]), LARGE).plain.count("\x1b") == 0
    assert columns_per_cell(picture, 80, 24) == LARGE
    assert columns_per_cell(Picture(30.0, 5.0), 80, 24) == SMALL


def test_gifs_have_hundredths_of_a_second_and_a_pause_at_the_end() -> None:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(gif([HALVES, HALVES], ["a", "b"], 4.0))) as animation:
        assert animation.info["duration"] == 250
        animation.seek(1)
        assert animation.info["duration"] == 1000


class Lamp(NetworkedMDP):
    """An environment of one's own: a lamp per agent, lit by action 1."""

    def __init__(self, topology: Any, colour: str = "#ffff00") -> None:
        self.topology, self.colour = topology, colour
        n = topology.n
        own = tuple((i,) for i in range(n))
        self.spec = EnvironmentSpec("lamp", (Discrete(2),) * n, (Discrete(2),) * n, 4, 0.5, (0,), (0,), 1, own, own)

    def reset(self, noise: Any) -> Any:
        return np.zeros((len(noise), self.spec.n), dtype=np.int64)

    def step(self, state: Any, actions: Any, noise: Any) -> Transition:  # noqa: ARG002 - there is no luck
        after = np.stack(actions, axis=1).astype(np.int64)
        ended = np.full(len(state), fill_value=bool(self.colour == "#00ff00"))
        return Transition(after, after.astype(np.float64), ended, np.zeros_like(ended))

    def observe(self, state: Any) -> Any:
        return list(np.ascontiguousarray(state.T))

    def picture(self, state: Any) -> Picture:
        lamps = [Marker(i + 0.5, 0.5, self.colour if lit else "#222222", agent=i) for i, lit in enumerate(state[0].tolist())]
        return Picture(float(self.spec.n), 1.0, (), lamps, caption=f"{int(state[0].sum())} lit")


def lamps(**parameters: Any) -> Any:
    from netagents.experiment import load_experiment

    environment = {"kind": f"import:{__name__}:Lamp", "parameters": parameters}
    return load_experiment({"name": "lamps", "environment": environment, "topology": {"kind": "line", "n": 3}})


def test_an_environment_of_ones_own_draws_itself_and_may_end() -> None:
    episode = watch_experiment(lamps())
    assert len(episode.pictures) == 5
    assert all(f"{sum(marker.colour == '#ffff00' for marker in each.markers)} lit" == each.caption for each in episode.pictures)
    assert episode.title == "lamps, untrained"
    assert len(watch_experiment(lamps(colour="#00ff00")).pictures) == 2
    from netagents.errors import EnvironmentMismatchError

    with pytest.raises(EnvironmentMismatchError, match="'lamp' breaks rule 'picture': colour 'yellow'; write colours as #rrggbb"):
        watch_experiment(lamps(colour="yellow"))


def test_captions_say_what_was_earned() -> None:
    pictures = [Picture(1.0, 1.0, caption="x"), Picture(1.0, 1.0)]

    def captions(*rewards: float) -> list[str]:
        return WatchedEpisode("t", pictures, np.array([rewards]), ("a",) * len(rewards)).captions()

    assert captions(2.0, 2.0) == ["step 0   return 0 each   x", "step 1   return 2 each"]
    assert captions(1.0) == ["step 0   return 0   x", "step 1   return 1"]
    assert captions(1.0, 2.5)[1] == "step 1   returns 1 2.5"
    assert captions(1.0, 2.0, 3.0, 4.0, 5.0)[1] == "step 1   mean return 3"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("simple_spread",),
            5,
            "netagents: error: environment 'pettingzoo' cannot draw itself; give its class a method picture(state); see docs/",
        ),
        (("gathering", "--checkpoint", "3"), 2, "--checkpoint is for runs; an experiment file has untrained agents; name a run directory"),
        (("gathering", "--halo", "influence"), 2, "--halo is for runs; an experiment file has untrained agents; name a run directory"),
        (("gathering", "--html", "nowhere/a.html"), 6, "cannot be written"),
        (("kitchen", "environment.grid=XXX"), 5, "environment.grid: a kitchen of 1 x 3 cells"),
        (("no_such_file.yaml",), 3, "no_such_file.yaml"),
    ],
)
def test_what_cannot_be_played_is_one_line(
    words: tuple[str, ...], code: int, message: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended, _, err = command("play", *words, "--steps", 1)
    assert message in err
    assert err.count("\n") == 1
    assert ended == code


def test_a_run_is_played_as_it_was_made(command: Command, finished: Path) -> None:
    code, _, err = command("play", finished, "seed=3")
    assert code == 2
    assert "a run is played as it was made; seed=3 is for files" in err
    code, _, err = command("play", finished, "--checkpoint", 9)
    assert code != 0
    assert err.count("\n") == 1
    assert Run.open(finished).state == "finished"

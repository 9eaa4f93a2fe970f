"""Gallery: ``python -m tools.gallery [NAME ...]`` draws each environment into docs/figures/gallery/ and writes docs/gallery.md.

A picture is one moment of an episode under a scripted rule, or under uniformly random actions where there is none.  Environments of extras
that are missing keep the picture they have.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments import Box, NetworkedMDP, build_environment
from netagents.environments.adapters.scripted_battle import shoot_weakest
from netagents.environments.adapters.scripted_foraging import forage
from netagents.environments.adapters.scripted_traffic import max_pressure
from netagents.environments.games import scripted
from netagents.environments.games.scripted_kitchen import cook
from netagents.errors import MissingPackageError
from netagents.experiment import load_experiment
from netagents.reports.animation.gif_animation import frame
from netagents.topology import build_topology

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "figures" / "gallery"

SIDE = 360
"""Pixels of the longer side."""

Rule = Callable[[Any, Sequence[NDArray[Any]], NDArray[np.float64]], list[NDArray[Any]]]


class Exhibit(NamedTuple):
    """A picture of the gallery.

    Attributes:
        settings: a launch file, or environment and topology.
        steps: after how many steps it is taken.
        text: what it shows.
        anchor: of its section in environments.md, or a page.
        rule: who plays; None for uniformly random actions.
        portion: share of the sides, around the middle, that is shown.
    """

    settings: str | tuple[dict[str, Any], dict[str, Any]]
    steps: int
    text: str
    anchor: str
    rule: Rule | None = None
    portion: float = 1.0


def _complete(n: int) -> dict[str, Any]:
    return {"kind": "complete", "n": n}


GALLERY: dict[str, Exhibit] = {
    "line_msg": Exhibit("line_msg", 3, "bits travel along a chain; dark agents hold a 1", "linemsg"),
    "wireless_spdac": Exhibit(
        ({"kind": "wireless_spdac"}, {"kind": "king_grid", "rows": 5, "columns": 5}),
        4,
        "users with packets; those of touching cells collide",
        "wireless-access-spdac-version",
    ),
    "wireless_qu_lin": Exhibit(
        ({"kind": "wireless_qu_lin"}, {"kind": "access_grid", "rows": 3, "columns": 4, "users": 2}),
        4,
        "two users per cell share access points",
        "wireless-access-qulin-version",
    ),
    "sis": Exhibit(({"kind": "sis"}, {"kind": "file", "path": "abilene"}), 8, "an epidemic; dark agents are infected", "sis"),
    "random_networked": Exhibit(
        ({"kind": "random_networked", "states": 4}, {"kind": "torus", "rows": 4, "columns": 4}),
        5,
        "random dynamics with a known coupling",
        "random_networked",
    ),
    "cue_recall": Exhibit(
        ({"kind": "cue_recall", "cues": 4}, {"kind": "ring", "n": 6}), 0, "each agent sees a cue and is asked for it later", "cue_recall"
    ),
    "rendezvous": Exhibit("rendezvous", 40, "robots that learn to meet", "rendezvous"),
    "game": Exhibit(
        ({"kind": "game", "memory": "last_action"}, {"kind": "ring", "n": 8}),
        3,
        "a prisoner's dilemma with each neighbour; dark agents defected last",
        "game",
    ),
    "gathering": Exhibit("gathering", 6, "agents on a ring that should meet", "gathering", scripted.meet),
    "load_balancing": Exhibit("load_balancing", 12, "jobs of each node; dark is full", "load_balancing"),
    "predator_prey": Exhibit(
        ({"kind": "predator_prey", "side": 10}, _complete(8)), 12, "predators catch prey together", "predator_prey", scripted.hunt
    ),
    "matrix_grid": Exhibit(
        "matrix_grid", 2, "collect resources, then play a matrix game by beam", "matrix_grid", scripted.collect_and_interact
    ),
    "kitchen": Exhibit("kitchen", 43, "two cooks, one pot", "kitchen", cook),
    "kitchen_rooms": Exhibit(
        ({"kind": "kitchen", "layout": "rooms"}, {"kind": "line", "n": 6}),
        30,
        "rooms in a row: everything goes from hand to hand",
        "kitchen",
        cook,
    ),
    "sumo": Exhibit("traffic_grid", 20, "nine traffic signals; red vehicles stand", "sumo", max_pressure),
    "sumo_midtown": Exhibit(
        (
            {"kind": "sumo", "network": "midtown", "demand": {"vehicles_per_hour": 400.0}},
            {"kind": "file", "path": "midtown.net.xml"},
        ),
        20,
        "32 signals of Midtown Manhattan",
        "sumo",
        max_pressure,
    ),
    "smax": Exhibit("smax", 4, "three marines against three (x)", "smax", shoot_weakest, portion=0.4),
    "foraging": Exhibit("foraging", 4, "levels of agents must suffice for that of the food", "level-based-foraging", forage),
    "half_cheetah": Exhibit("half_cheetah", 12, "each leg an agent, or each joint", "multi-agent-mujoco"),
    "ant": Exhibit("ant", 10, "two legs each", "multi-agent-mujoco"),
    "simple_spread": Exhibit("simple_spread", 5, "MPE: agents spread over landmarks", "other-environments.md"),
}


def played(exhibit: Exhibit) -> tuple[NetworkedMDP, NDArray[Any]]:
    """The environment and its state at the moment of the picture; to be closed by the caller."""
    settings: Any = exhibit.settings
    if not isinstance(settings, str):
        environment, topology = settings
        settings = {"environment": environment, "topology": topology, "policy": {"kind": "mlp"}, "learning": {"algorithm": {"kind": "ppo"}}}
    experiment = load_experiment(settings).experiment
    environment = build_environment(experiment.environment, build_topology(experiment.topology))
    spec, rng = environment.spec, np.random.default_rng(4)
    state = environment.reset(rng.random((1, *spec.reset_noise)))
    for _ in range(exhibit.steps):
        noise = rng.random((1, spec.n))
        observations = environment.observe(state)
        actions = _uniform(environment, rng) if exhibit.rule is None else exhibit.rule(environment, observations, noise)
        outcome = environment.step(state, actions, rng.random((1, *spec.step_noise)))
        if (outcome.terminated | outcome.truncated).all():
            break
        state = outcome.state
    return environment, state


def _uniform(environment: NetworkedMDP, rng: np.random.Generator) -> list[NDArray[Any]]:
    spaces = environment.spec.action_spaces
    return [
        rng.uniform(space.low, space.high, (1, *space.shape)) if isinstance(space, Box) else rng.integers(space.size, size=1)
        for space in spaces
    ]


def draw(name: str) -> None:
    """One picture, light."""
    from PIL import Image

    exhibit = GALLERY[name]
    environment, state = played(exhibit)
    try:
        if environment.drawable:
            drawn = environment.picture(state)
            assert drawn is not None
            image = frame(drawn, "")
        else:
            image = Image.fromarray(_engine_picture(environment))
    finally:
        environment.close()
    if exhibit.portion < 1.0:
        width, height = (round(side * (1.0 - exhibit.portion) / 2.0) for side in image.size)
        image = image.crop((width, height, image.width - width, image.height - height))
    image.thumbnail((SIDE, SIDE))
    FOLDER.mkdir(parents=True, exist_ok=True)
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(FOLDER / f"{name}.png", optimize=True)


def _engine_picture(environment: NetworkedMDP) -> NDArray[np.uint8]:
    """What the engine itself draws."""
    copy: Any = environment.copies[0]  # type: ignore[attr-defined]
    copy.unwrapped.render_mode = "rgb_array"
    rendered: NDArray[np.uint8] = copy.render()
    return rendered


def page() -> str:
    """The page, three pictures in a row."""
    lines = [
        "# Gallery",
        "",
        "A picture of each environment, in the middle of an episode. [Environments](environments.md) says what they are;",
        "`netagents play FILE` shows a whole episode of those that draw themselves. `python -m tools.gallery` draws these.",
        "",
        "| | | |",
        "|---|---|---|",
    ]
    names = list(GALLERY)
    for first in range(0, len(names), 3):
        row = names[first : first + 3]
        lines.append("| " + " | ".join(f"![{name}](figures/gallery/{name}.png)" for name in row) + " |" + " |" * (3 - len(row)))
        cells = []
        for name in row:
            exhibit = GALLERY[name]
            target = exhibit.anchor if exhibit.anchor.endswith(".md") else f"environments.md#{exhibit.anchor}"
            cells.append(f"[`{name}`]({target}): {exhibit.text}")
        lines.append("| " + " | ".join(cells) + " |" + " |" * (3 - len(row)))
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> int:
    """Draw those that were named, or all, and write the page."""
    for name in names or GALLERY:
        try:
            draw(name)
        except MissingPackageError as error:
            print(f"{name}: {error}")
    (ROOT / "docs" / "gallery.md").write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

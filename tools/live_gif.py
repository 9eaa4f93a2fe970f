"""Live page as a GIF for the README: a run's records are given to the page again, a few rows per picture, in a browser without a window.

``python -m tools.live_gif [RUN] [--out FILE]``; without RUN the experiment :data:`FILE` is run first.  Needs the extras ``dashboard`` and
``browser``, and a chromium on this machine.  The pictures are of the page itself; only the pace is another than the run's.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "figures" / "live.gif"
FILE, OVERRIDES = "launch/quickstart.yaml", ("learning.iterations=90",)

FRAMES = 60
PER_SECOND = 6.0
WIDTH, HEIGHT, SHOWN = 1240, 1180, 760
COLORS = ((100, Image.Quantize.MEDIANCUT), (40, Image.Quantize.MAXCOVERAGE))
ROWS = ("ledger.jsonl", "power.jsonl", "metrics.jsonl")
"""Metrics last, as a recorder writes them."""


class Replay:
    """A copy of a run that has no rows yet, and grows.

    Args:
        source: the finished run.
        folder: where the copy is made.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.path = Path(shutil.copytree(source, folder / "ten-users"))
        self._lines = {name: (source / name).read_bytes().splitlines(keepends=True) for name in ROWS}
        for name in ROWS:
            (self.path / name).write_bytes(b"")
        events = (source / "events.jsonl").read_text().splitlines(keepends=True)
        first = [line for line in events if json.loads(line)["event"] in ("created", "started", "gathered")]
        self._rest = [line for line in events if line not in first]
        (self.path / "events.jsonl").write_text("".join(first))
        # Whoever holds this lock writes to the run, so the page shows it as running.
        self._writer = (self.path / "events.jsonl").open("a")
        fcntl.flock(self._writer, fcntl.LOCK_EX)
        self.total, self._written = len(self._lines["metrics.jsonl"]), 0

    def grow(self, rows: int) -> None:
        """Write rows up to so many iterations."""
        for name, lines in self._lines.items():
            with (self.path / name).open("ab") as file:
                file.write(b"".join(lines[self._written : rows]))
        self._written = rows

    def end(self) -> None:
        """Write the events of the end, and give the lock back."""
        self._writer.writelines(self._rest)
        self._writer.close()


def pictures(replay: Replay, browser_path: str) -> list[Image.Image]:
    """Pictures of the page while the replay grows."""
    from playwright.sync_api import sync_playwright

    words = [sys.executable, "-m", "netagents", "watch", str(replay.path), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server, sync_playwright() as driver:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None
            browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            replay.grow(2)
            page.goto(address[0])
            shots = []
            for frame in range(FRAMES):
                rows = 2 + round((replay.total - 2) * min(1.0, (frame + 1) / (FRAMES - 8)))
                replay.grow(rows)
                if frame == FRAMES - 7:
                    replay.end()
                while page.evaluate("window.netagents?.count ?? 0") < rows:
                    page.wait_for_timeout(20)
                page.wait_for_timeout(60)
                shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            browser.close()
            return shots
        finally:
            server.terminate()


def write_gif(shots: list[Image.Image], out: Path) -> None:
    """Write the animation, in colours that all pictures share."""
    size = (SHOWN, round(SHOWN * HEIGHT / WIDTH))
    small = [shot.resize(size, Image.Resampling.LANCZOS) for shot in shots]
    whole = Image.new("RGB", (size[0], 4 * size[1]))
    for place in range(4):
        whole.paste(small[(place + 1) * len(small) // 5], (0, place * size[1]))
    # Colours that many pixels have, and those that few have, such as the messages.
    common, rare = (whole.quantize(colors, method=method).getpalette() or [] for colors, method in COLORS)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common[: 3 * COLORS[0][0]], *rare[: 3 * COLORS[1][0]]])
    frames = [shot.quantize(palette=palette, dither=Image.Dither.NONE) for shot in small]
    lasting = [round(1000 / PER_SECOND)] * (len(frames) - 1) + [1500]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=lasting, loop=0, optimize=True)


def main() -> int:
    """Make the GIF."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    browser = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if browser is None:
        print("there is no chromium on this machine; on Debian: apt install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        run = options.run
        if run is None:
            run = Path(folder) / "run"
            words = ["run", str(ROOT / FILE), *OVERRIDES, "--out", str(run), "--quiet"]
            subprocess.run([sys.executable, "-m", "netagents", *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        write_gif(pictures(Replay(run, Path(folder)), browser), options.out)
    print(f"{options.out}  ({options.out.stat().st_size / 1e6:.2f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

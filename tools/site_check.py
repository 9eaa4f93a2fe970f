"""Check of the built site: links, no network, light and dark, wide and narrow, accessibility.

``python -m tools.site_check build/site`` ends with 1 and one line per finding.  Links and addresses of every page are read; the pages of
:data:`LOOKED_AT` are opened in a browser (where chromium and the extra ``browser`` are there) at 390 and 1280 pixels, light and dark, and
axe must find nothing serious.  ``--shots DIR`` keeps what they look like.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

LOOKED_AT = (
    "index", "getting-started", "how-it-works", "tutorials/index", "tutorials/first-run", "experiments", "gallery", "settings", "commands",
    "papers", "power", "questions", "exit-codes", "reference/environments",
)  # fmt: skip
WIDTHS = (390, 1280)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOADED = {"img": "src", "script": "src", "link": "href", "source": "srcset", "iframe": "src"}


class Page(HTMLParser):
    """What a page links to, what it loads, and which places it has.

    Attributes:
        links: addresses of its links. loads: addresses of what the browser fetches by itself.
        places: ids that a link may lead to.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and the id of a tag."""
        values = {name: value or "" for name, value in attrs}
        self.places.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and values.get("rel") not in ("index", "search", "next", "prev", "canonical") and values.get(LOADED[tag]):
            self.loads.append(values[LOADED[tag]])


def broken_links(site: Path) -> Iterator[str]:
    """Links that lead nowhere inside the site, and whatever a page would load from elsewhere."""
    read = cache(Page)
    for file in sorted(site.rglob("*.html")):
        page, name = read(file), file.relative_to(site)
        yield from (f"{name} loads {address} from the network" for address in page.loads if urlsplit(address).netloc)
        for address in [*page.links, *(each for each in page.loads if not each.startswith("data:"))]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not address.strip("#"):
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                yield f"{name} leads to {address}, which is not there"
            elif target.suffix == ".html" and parts.fragment and unquote(parts.fragment) not in read(target).places:
                yield f"{name} leads to {address}, where there is no such place"


def visible_faults(site: Path, shots: Path | None) -> Iterator[str]:
    """What a browser and axe find wrong with the pages that are looked at; nothing where there is no browser."""
    browser = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    try:
        from axe_playwright_python.sync_playwright import Axe
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        print("pages are not looked at: there is no chromium, or the extra browser is not installed", file=sys.stderr)
        return
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for scheme in SCHEMES:
            for width in WIDTHS:
                context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
                for name in LOOKED_AT:
                    yield from _faults(context, Axe(), site, name, f"{name} ({width} pixels, {scheme})", shots)
                context.close()
        started.close()


def _faults(context: Any, axe: Any, site: Path, name: str, where: str, shots: Path | None) -> Iterator[str]:
    page = context.new_page()
    console: list[str] = []
    page.on("pageerror", lambda error: console.append(str(error)))
    page.goto((site / f"{name}.html").resolve().as_uri())
    page.wait_for_timeout(200)
    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)
        width = page.viewport_size["width"]
        page.screenshot(path=str(shots / f"{name.replace('/', '-')}-{width}-{where.rpartition(' ')[2].rstrip(')')}.png"))
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        yield f"{where}: {wide} pixels wider than the window"
    yield from (f"{where}: {error}" for error in console)
    for each in axe.run(page).response["violations"]:
        if each["impact"] in ("serious", "critical"):
            nodes = each["nodes"]
            yield f"{where}: {each['id']}, {len(nodes)} times, as in {nodes[0]['html'][:160]}"
    page.close()


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong with a site; 1 if there is anything."""
    parser = argparse.ArgumentParser(prog="python -m tools.site_check", description="Check the built documentation.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--shots", type=Path, help="folder for pictures of the pages that are looked at")
    options = parser.parse_args(arguments)
    problems = [*broken_links(options.site), *visible_faults(options.site, options.shots)]
    print("\n".join(problems) or f"{options.site}: all links lead somewhere, and nothing is wrong with what was looked at")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

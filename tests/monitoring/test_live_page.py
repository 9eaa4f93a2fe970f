"""Live page in a real browser: what it shows, what it does not do, and what names cannot do to it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from watched_runs import add_event, cut, grow, page_of

from netagents.monitoring.feed.run_catalog import run_key
from netagents.records import Run

pytest.importorskip("uvicorn", reason="the extra dashboard is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine (Debian: apt install chromium)"),
]

HOSTILE = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1></svg>\x1b[31m\u202ergb\u2066"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium, without a window."""
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


class Visitor:
    """A page of the browser that notes what goes wrong, and every request."""

    def __init__(self, browser: Any, address: str, width: int = 1280, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Until an expression is true in the page."""
        until = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < until, f"{condition}: {self.faults}"
            self.page.wait_for_timeout(30)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))


READY = "Boolean(window.netagents?.overview && netagents.count >= 24 && netagents.matrix && document.querySelector('#agents canvas'))"


def test_the_page_shows_the_records(browser: Any, recorded: Run, tmp_path: Path) -> None:
    with page_of(recorded.path) as address:
        visitor = Visitor(browser, address)
        visitor.wait(READY)
        page = visitor.page
        state = page.evaluate("({team: netagents.team, values: netagents.values, kinds: netagents.kinds, held: netagents.held})")
        assert state["team"]["return"] == pytest.approx(recorded.returns, rel=1e-5)
        assert state["values"] == pytest.approx(recorded.agent_metric("return")[-1], rel=1e-5)
        assert state["held"] == pytest.approx(recorded.concentration().held, rel=1e-5)
        assert visitor.text("#name") == recorded.path.name
        assert visitor.text("#state") == "finished"
        assert visitor.text("#done") == "24 of 24 iterations"
        cards = page.locator("#answers .answer").all_inner_texts()
        assert f"{recorded.returns[-4:].mean():.4g} now" in cards[0]
        assert len(page.locator("#panel-events tbody tr").all()) == len(recorded.events)
        # What is shown follows what is chosen.
        page.select_option("#metric", "objective")
        visitor.wait("netagents.agents.v.length === 24 && netagents.metric === 'objective'")
        visitor.wait(f"Math.abs(netagents.values[0] - {float(recorded.agent_metric('objective')[-1, 0])!r}) < 1e-4")
        page.fill("#at", "7")
        visitor.wait("netagents.matrix.iteration === 7")
        assert page.evaluate("netagents.matrix.held") == pytest.approx(recorded.concentration(7).held, rel=1e-5)
        page.click("#tab-settings")
        assert "learning.iterations" in visitor.text("#panel-settings")
        page.keyboard.press("ArrowRight")
        visitor.wait("!document.getElementById('panel-logs').hidden")
        page.select_option("#edges", "power")
        for selector in ("#graph", "#returns canvas", "#agents canvas", "#matrix"):
            file = tmp_path / "shot.png"
            page.locator(selector).first.screenshot(path=str(file))
            with Image.open(file) as picture:
                assert len(picture.convert("RGB").getcolors(1 << 24)) > 20, selector
        assert visitor.faults == []
        assert all(url.startswith(f"{address}/") for url in visitor.requests)
        page.close()


def test_a_killed_agent_appears_as_it_happens(browser: Any, recorded: Run, copied: Path) -> None:
    cut(copied, 8)
    with page_of(copied) as address:
        visitor = Visitor(browser, address)
        visitor.wait("Boolean(window.netagents?.count === 8)")
        grow(copied, recorded.path, 24)
        visitor.wait("netagents.count === 24 && netagents.team.i.length === 24")
        assert visitor.page.evaluate("netagents.team.return") == pytest.approx(recorded.returns, rel=1e-5)
        add_event(copied, event="failed", role="agent_2", exit_code=10, line="agent 2 was killed by SIGKILL")
        visitor.wait("netagents.gone.includes(2)")
        visitor.wait("document.getElementById('state').textContent === 'failed'")
        assert "agent 2 was killed by SIGKILL" in visitor.text("#alarm")
        assert "agent 2 was killed by SIGKILL" in visitor.text("#panel-events")
        visitor.page.close()


def test_several_runs_and_a_study_are_on_one_page(browser: Any, recorded: Run, tmp_path: Path) -> None:
    runs = tmp_path / "study" / "runs"
    runs.mkdir(parents=True)
    for name in ("a", "b"):
        shutil.copytree(recorded.path, runs / name)
    planned = [{"name": name, "setting": name, "seed": 0} for name in ("a", "b", "c")]
    facts = {"format_version": 1, "question": "radius", "name": "seen", "digest": "x", "seeds": [0], "runs": planned}
    facts |= {"settings": [{"label": name} for name in ("a", "b", "c")], "experiment": {"learning": {"iterations": 24}}}
    (tmp_path / "study" / "study.json").write_text(json.dumps(facts))
    with page_of(tmp_path / "study") as address:
        visitor = Visitor(browser, f"{address}/?run={run_key(runs / 'a')}")
        visitor.wait(READY)
        visitor.wait("document.querySelectorAll('.study .cell button').length === 3")
        cells = visitor.page.locator(".study .cell button").all_inner_texts()
        assert cells == [f"{recorded.returns[-1]:.4g}"] * 2 + ["·"]
        visitor.page.check("#run-table input:not([disabled])")
        visitor.wait("netagents.others.length === 1 && netagents.others[0].i.length === 24")
        visitor.page.locator(".study .cell button").nth(1).click()
        visitor.wait(f"netagents.key === '{run_key(runs / 'b')}' && netagents.count === 24")
        assert visitor.faults == []
        visitor.page.close()


def test_names_are_shown_as_text_wherever_they_come_from(browser: Any, copied: Path) -> None:
    long = HOSTILE + "x" * 10_000
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest |= {"name": HOSTILE, "platform": HOSTILE, "processor": long[:9000]}
    (copied / "manifest.json").write_text(json.dumps(manifest))
    topology = json.loads((copied / "topology.json").read_text())
    printable = "".join(each for each in HOSTILE if each.isprintable())
    topology["labels"] = [f"{index}{printable}"[:119] for index in range(4)]
    (copied / "topology.json").write_text(json.dumps(topology))
    environment = json.loads((copied / "environment.json").read_text())
    (copied / "environment.json").write_text(json.dumps(environment | {"name": HOSTILE}))
    rows = [json.loads(line) for line in (copied / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row["agents"][HOSTILE] = row["agents"]["return"]
    (copied / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    add_event(copied, event="failed", role=HOSTILE[:150], exit_code=1, line=long[:9999])
    entry = {"time": 1.0, "level": "error", "role": HOSTILE, "phase": HOSTILE, "message": long, "traceback": HOSTILE}
    (copied / "logs" / "agent_1.jsonl").write_text(json.dumps(entry) + f"\n{HOSTILE}\n")
    folder = copied.rename(copied.with_name("<img src=x onerror=window.pwned=1>"))
    with page_of(folder) as address:
        visitor = Visitor(browser, address)
        visitor.wait(READY)
        page = visitor.page
        page.click("#runs summary")
        for tab in ("processes", "traffic", "settings", "logs", "events"):
            page.click(f"#tab-{tab}")
            if tab == "logs":
                visitor.wait("netagents.logs.length >= 2")
        page.click("#tab-logs")
        page.select_option(
            "#metric", index=page.evaluate("[...document.querySelector('#metric').options].findIndex(o => o.text.includes('script'))")
        )
        page.wait_for_timeout(300)
        page.hover("#graph")
        page.hover("#matrix")
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("document.querySelectorAll('script').length") == 2
        assert page.evaluate("document.querySelectorAll('img').length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert visitor.text("#name") == folder.name
        whole = page.evaluate("document.body.textContent")
        assert "<script>window.pwned=1</script>" in whole
        assert not {"\x1b", "\u202e", "\u2066"} & set(whole)
        assert visitor.faults == []
        page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing_serious(browser: Any, recorded: Run, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra browser is not installed")
    with page_of(recorded.path) as address:
        visitor = Visitor(browser, address, width, scheme)
        visitor.wait(READY)
        visitor.page.click("#runs summary")
        for wide in (1920, width):
            visitor.page.set_viewport_size({"width": wide, "height": 900})
            visitor.page.wait_for_timeout(100)
            assert visitor.page.evaluate("document.documentElement.scrollWidth") <= wide
        result = axe.Axe().run(visitor.page).response["violations"]
        serious = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in result if each["impact"] in ("serious", "critical")]
        assert serious == []
        visitor.page.close()

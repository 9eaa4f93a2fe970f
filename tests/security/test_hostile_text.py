"""Hostile text in every field of every record: on pages it stands as text, and a terminal is told nothing by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_run import make_sample

from netagents.cli.main import main
from netagents.errors import printable
from netagents.records import ColumnTable, Run
from netagents.reports.study_report import write_study_report

TAGS = "\"'></script></title></pre><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>&lt;"
CODES = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eabc\u2028\r\x00\x7f"
ALLOWED_SCRIPTS = 2
"""The page's own script, and the data of the power maps."""


class Page(HTMLParser):
    """What a browser would run or fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[tuple[str, str]] = []
        self.fetched: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attributes))
        self.handlers += [(tag, name) for name, _ in attributes if name.startswith("on")]
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href", "action", "data")]

    def handle_data(self, text: str) -> None:
        self.texts.append(text)


def check(page: str, expected: bool = True) -> None:
    result = Page(page)
    assert [each for each in page if not each.isprintable() and each not in "\n\t"] == []
    assert result.handlers == []
    assert len(result.scripts) <= ALLOWED_SCRIPTS
    assert all(target.startswith(("#", "data:")) for target in result.fetched)
    if expected:
        assert "alert(2)" in " ".join(result.texts)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder / "other", seed=1, kappa=0)
    return make_sample(folder / "run")


def poisoned(value: Any, text: str) -> Any:
    """Every text below a value replaced."""
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {key: poisoned(inner, text) for key, inner in value.items()}
    return [poisoned(inner, text) for inner in value] if isinstance(value, list) else value


def copied(sample: Path, folder: Path, name: str) -> Path:
    copy = folder / name
    shutil.copytree(sample, copy)
    return copy


def change(file: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    facts = json.loads(file.read_text())
    edit(facts)
    file.write_text(json.dumps(facts))


def poison(run: Path, text: str) -> None:
    """Put a text into every field that the models let it into: manifest, names of agents, events, logs."""

    def manifest(facts: dict[str, Any]) -> None:
        for key in ("name", "launcher", "platform", "machine", "processor"):
            facts[key] = text[:150]
        facts["versions"] = dict.fromkeys(["netagents", "python", "numpy", text[:150]], text[:150])

    change(run / "manifest.json", manifest)
    rows = []
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        for key, value in event.items():
            if key in ("line", "stand_in", "changes", "role"):
                event[key] = poisoned(value, text[:190])
            if key in ("refused", "dropped", "late", "ages", "actions"):
                event[key] = {text[:190]: inner for inner in value.values()}
        if event["event"] == "failed":
            event["role"] = "agent_1"
        rows.append(json.dumps(event))
    (run / "events.jsonl").write_text("".join(f"{row}\n" for row in rows))
    entries = [{"time": 1.78e9, "level": text[:190], "role": text[:190], "phase": text, "message": text, "traceback": f"{text}\n{text}"}]
    (run / "logs" / "agent_1.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries) + text.replace("\r", "") + "\n")


def test_pages_of_a_run_and_of_a_comparison_show_hostile_text_as_text(sample: Path, tmp_path: Path) -> None:
    run = copied(sample, tmp_path, "<script>alert(1)<img src=x onerror=alert(2)>")
    poison(run, TAGS + CODES)
    facts = json.loads((run / "topology.json").read_text())
    facts["labels"] = [f"{at}{TAGS[:116]}" for at in range(3)]
    (run / "topology.json").write_text(json.dumps(facts))
    assert main(["report", str(run), "--out", str(tmp_path / "report.html")]) == 0
    check((tmp_path / "report.html").read_text())
    assert main(["compare", str(run), str(sample.parent / "other"), "--out", str(tmp_path / "compare.html")]) == 0
    check((tmp_path / "compare.html").read_text())
    assert main(["topology", "draw", str(run), "--out", str(tmp_path / "graph.svg")]) == 0
    check((tmp_path / "graph.svg").read_text())


@pytest.mark.parametrize("key", ["history", "tensorboard", "directory"])
def test_a_hostile_setting_is_text_on_pages(key: str, sample: Path, tmp_path: Path) -> None:
    run = copied(sample, tmp_path, "run")
    change(run / "experiment.json", lambda facts: facts["runtime"].update({key: TAGS + CODES.replace("\x00", "")}))
    assert main(["report", str(run), "--out", str(tmp_path / "report.html")]) == 0
    check((tmp_path / "report.html").read_text())


def test_a_run_without_iterations_has_a_page_too(sample: Path, tmp_path: Path) -> None:
    run = copied(sample, tmp_path, "run")
    poison(run, TAGS)
    for name in ("metrics.jsonl", "power.jsonl", "ledger.jsonl"):
        (run / name).write_bytes(b"")
    assert main(["report", str(run), "--out", str(tmp_path / "report.html")]) == 0
    check((tmp_path / "report.html").read_text())


def test_the_page_of_a_study_shows_hostile_text_as_text(tmp_path: Path) -> None:
    from pyarrow import parquet

    (tmp_path / "tables").mkdir()
    one = np.array([1.0])
    numbers = (
        "final",
        "final_low",
        "final_high",
        "final_n",
        "utility",
        "utility_low",
        "utility_high",
        "utility_n",
        "messages_per_step",
        "bytes_per_step",
        "framed_bytes_per_step",
    )
    more = ("hop_bytes_per_step", "sockets_mean", "visited_share", "runs")
    summary = {"setting": np.array([TAGS])} | dict.fromkeys((*numbers, *more), one)
    for name, table in {"summary": summary, "runs": {"cpu_seconds": one}}.items():
        parquet.write_table(ColumnTable(table).to_arrow(), tmp_path / "tables" / f"{name}.parquet")
    study = {
        "format_version": 1,
        "digest": TAGS,
        "question": "sweep",
        "name": TAGS,
        "seeds": [0],
        "notes": [TAGS],
        "measure": "return",
        "varied": [TAGS],
        "settings": [{"label": TAGS, "values": {TAGS: TAGS}}],
        "experiment": {"environment": {"kind": TAGS}, "topology": {"kind": TAGS}},
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    (tmp_path / "tables" / "facts.json").write_text(json.dumps({"finished": 1, "oracle": TAGS, "untrained": 0.5}))
    check(write_study_report(tmp_path).read_text())


@pytest.mark.parametrize(
    "command", ["runs", "runs --json", "logs", "logs --json", "compare", "report", "evaluate", "replay", "clean", "resume"]
)
def test_a_terminal_is_told_nothing(command: str, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs").mkdir()
    run = copied(sample, tmp_path / "runs", f"run{CODES.replace(chr(0), '')}")
    poison(run, CODES)
    name, *options = command.split()
    folder = str(run.parent if name == "runs" else run)
    more = {"compare": [str(sample.parent / "other")], "resume": ["learning.iterations=5", "-q"], "evaluate": ["-n", "2"]}.get(name, [])
    code = main([name, folder, *more, *options])
    output = capsys.readouterr()
    text = output.out + output.err
    assert code in (0, 6)
    assert text
    assert not [each for each in text if not each.isprintable() and each not in "\n\t"]


MEASUREMENTS = {
    "play": ["{run}", "--html", "{out}/page.html", "-n", "2"],
    "play in a terminal": ["{run}", "-n", "2"],
    "power": ["{run}", "--visits", "2", "--replicates", "2", "--out", "{out}/page.html"],
    "influence": ["{run}", "--bank", "{bank}", "-m", "4", "--windows", "2", "--jobs", "1", "--out", "{out}/page.html"],
    "study failures": ["{run}", "-n", "4", "--kinds", "noop,forged", "--jobs", "1", "--out", "{out}/failures"],
    "bank make": ["{out}/second bank", "{run}"],
    "bank list": ["{out}"],
    "bank show": ["{bank}"],
    "script slurm": ["{run}/experiment.json"],
    "compose": ["{run}/experiment.json"],
    "keys": ["{run}/experiment.json", "--out", "{out}/keys"],
    "plan": ["{run}/experiment.json"],
    "doctor": ["{run}/experiment.json"],
    "script kubernetes": ["{run}/experiment.json", "--out", "{out}/manifests.yaml"],
}
NAMED = ("play", "power", "influence", "study failures")
"""Their pages name the agents or the run."""


@pytest.mark.parametrize("text", [TAGS, CODES.replace("\x00", "")], ids=["tags", "codes"])
def test_measurements_of_a_hostile_run_tell_neither_page_nor_terminal(
    text: str, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = text.replace("/", "")[:100]
    run, bank = copied(sample, tmp_path, name), tmp_path / f"bank {name}"
    facts = json.loads((run / "topology.json").read_text())
    facts["labels"] = [f"{at}{text[:116]}" for at in range(3)]
    if text == TAGS:  # names of agents are printable
        (run / "topology.json").write_text(json.dumps(facts))
    group = {"agents": [1], "name": text[:60], "learning": {"learning_rate": 0.5}}
    change(run / "experiment.json", lambda settings: settings.update({"agents": [group]}))
    assert main(["bank", "make", str(bank), str(sample), "--untrained"]) == 0
    for command, words in MEASUREMENTS.items():
        page = tmp_path / "page.html"
        page.unlink(missing_ok=True)
        arguments = [word.format(run=run, bank=bank, out=tmp_path) for word in words]
        code = main([*command.removesuffix(" in a terminal").split(), *arguments])
        output = capsys.readouterr()
        assert code in ((0,) if text == TAGS else (0, 2, 3, 4, 6)), (command, output.err)
        assert not [each for each in output.out + output.err if not each.isprintable() and each not in "\n\t"], command
        page = tmp_path / "failures" / "failures.html" if command == "study failures" else page
        if code == 0 and page.exists():
            check(page.read_text(), expected=command in NAMED and text == TAGS)


def test_printable_keeps_what_people_write() -> None:
    assert printable("Grüße, 日本 🙂 a\tb", keep="\t") == "Grüße, 日本 🙂 a\tb"
    assert printable(CODES) == r"\x1b]0;title\x07\x1b[2J\x9b31m\u202eabc\u2028\r\x00\x7f"


def test_errors_of_a_hostile_name_are_one_printable_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"none{CODES.replace(chr(0), '')}"
    for command in (["report", str(path)], ["resume", str(path)], ["plan", str(path)], ["runs", str(path)]):
        assert main(command) in (3, 6)
        error_text = capsys.readouterr().err
        assert error_text.count("\n") == 1
        assert error_text[:-1].isprintable()


def test_what_is_shown_is_what_stands_there(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = copied(sample, tmp_path, "run")
    poison(run, CODES)
    assert main(["logs", str(run), "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["message"] == CODES
    assert Run.open(run).state == "failed"

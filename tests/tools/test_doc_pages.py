"""The generated pages say what the code says, and the architecture page what the import contract says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from netagents import errors
from netagents.experiment import Timeouts
from tools import badges, paper_pictures
from tools.doc_pages import experiments_page
from tools.doc_pages import pages as docs

ROOT = Path(__file__).parents[2]


def test_the_generated_pages_are_up_to_date() -> None:
    assert docs.outdated(ROOT / "docs") == [], "run `make docs` and commit what it wrote"


def test_every_error_of_the_tree_is_on_the_page_with_its_code() -> None:
    rows: dict[str, str] = {}
    for line in docs.exit_codes().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and cells[1].isdecimal():
            rows.update({name: cells[1] for name in re.findall(r"`(\w+)`", cells[2]) if name not in rows})
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.NetagentsError)]
    assert {error.__name__ for error in classes} == set(rows)
    for error in classes:
        assert rows[error.__name__] == str(error.exit_code)


def test_every_deadline_is_on_the_page_with_its_default() -> None:
    page = docs.timeouts()
    for name, value in Timeouts().model_dump().items():
        assert f"| `timeouts.{name}` | `{value}` |" in page


def test_every_setting_of_every_kind_is_on_the_page() -> None:
    page = docs.settings()
    for key in (
        "kappa_policy",
        "environment.coupling",
        "topology.rows",
        "learning.critic.sweeps",
        "utility.floor",
        "faults.0.high",
        "timeouts.join",
    ):
        assert f"| `{key}` |" in page


def test_written_pages_are_not_out_of_date(tmp_path: Path) -> None:
    assert sorted(docs.write(tmp_path)) == sorted(docs.PAGES)
    assert docs.write(tmp_path) == []
    (tmp_path / "timeouts.md").write_text("old")
    assert docs.outdated(tmp_path) == ["timeouts.md"]


def test_the_architecture_page_shows_the_layers_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["id"] == "house")["layers"]
    contract = [" | ".join(room.strip().removeprefix("netagents.") for room in layer.split("|")) for layer in layers]
    page = (ROOT / "docs" / "architecture.md").read_text()
    block = re.search(r"<!-- layers -->\n```text\n(.*?)```", page, re.DOTALL)
    assert block is not None
    assert [line.strip() for line in block[1].splitlines()] == contract


def test_every_link_between_our_pages_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("file", sorted((ROOT / "launch").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_launch_file_says_what_it_shows_how_long_it_takes_and_what_one_should_see(file: Path) -> None:
    result = experiments_page.header(file)
    assert len(" ".join(result.subject)) > 40
    assert re.fullmatch(r"about (a|an|two|three|five|ten|twenty|half|\d+)\b.*", result.takes), result.takes
    assert result.see
    assert result.see[0].startswith("You should see: ")
    assert any(f"launch/{file.name}" in command for command in result.commands)
    assert experiments_page.picture(file) is not None, "no picture of its environment in docs/figures/gallery"


def test_the_pictures_of_papers_and_the_badges_show_what_is_committed() -> None:
    figures = ROOT / "docs" / "figures"
    for name, image in paper_pictures.images().items():
        assert (figures / "papers" / name).read_bytes() == image, f"{name}: run `python -m tools.paper_pictures`"
    for name, svg in badges.badges().items():
        assert (figures / "badges" / name).read_text(encoding="utf-8") == svg, f"{name}: run `python -m tools.badges`"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"figures/(?:papers|badges)/([\w-]+\.\w+)", readme)
    assert sorted(names) == sorted(path.name for folder in ("papers", "badges") for path in (figures / folder).iterdir())

"""Badges of README: what the project's own file says of it, as small pictures.

``python -m tools.badges`` writes ``docs/figures/badges/*.svg`` from ``pyproject.toml``; a test compares them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "figures" / "badges"
LETTER = 7.0
"""Pixels of a letter, about; texts are stretched to fit."""


def badges() -> dict[str, str]:
    """File name to SVG."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    systems = [line.rpartition(" :: ")[2] for line in project["classifiers"] if line.startswith("Operating System")]
    status = next(line.rpartition(" - ")[2] for line in project["classifiers"] if line.startswith("Development Status"))
    facts = {
        "version": f"{project['version']} {status.lower()}",
        "python": project["requires-python"].replace(">=", "≥ "),
        "runs on": ", ".join(systems),
        "license": project["license"],
    }
    return {f"{name.replace(' ', '-')}.svg": _badge(name, value) for name, value in facts.items()}


def _badge(name: str, value: str) -> str:
    left, right = len(name) * LETTER + 12, len(value) * LETTER + 12
    texts = "".join(
        f'<text x="{middle:.1f}" y="14" textLength="{len(text) * LETTER - 4:.0f}" lengthAdjust="spacingAndGlyphs">{text}</text>'
        for text, middle in ((name, left / 2), (value, left + right / 2))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:.0f}" height="20" role="img" aria-label="{name}: {value}">'
        f'<rect width="{left + right:.0f}" height="20" rx="4" fill="#1f5fa8"/>'
        f'<path d="M4 0h{left - 4:.1f}v20H4a4 4 0 0 1-4-4V4a4 4 0 0 1 4-4z" fill="#4b5563"/>'
        f'<g fill="#ffffff" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11" text-anchor="middle">{texts}</g></svg>\n'
    )


def main() -> None:
    """Write all badges."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, svg in badges().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
        print(f"docs/figures/badges/{name}")


if __name__ == "__main__":
    main()

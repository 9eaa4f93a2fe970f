"""Smoke tests of netagents with the lowest and with the newest versions of its dependencies that pyproject.toml allows.

``python requirements/test_versions.py [lowest] [newest]`` makes an environment for each in ``.venv/versions``, installs the project there
as users do, and runs :data:`SMOKE`.  Exit code 0: all passed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv" / "versions"
TOOLS = ("pytest", "hypothesis", "pytest-timeout")
SMOKE = (
    "tests/experiment/test_load.py",
    "tests/cli/test_cli_config.py",
    "tests/cli/test_cli_exact.py",
    "tests/wire/test_codec.py",
    "tests/wire/test_transports.py",
    "tests/topology/test_graph_files.py",
    "tests/critics/test_neural_critic.py",
    "tests/records/test_recorded_runs.py",
    "tests/reports/test_pictures.py",
    "tests/system/test_from_python.py",
)
"""What touches every dependency: settings, commands, sparse algebra, codec, sockets, graphs, torch, records, pictures, whole runs."""


def lowest(requirements: list[str]) -> list[str]:
    """The lower bound of each requirement as a pin."""
    pins = []
    for requirement in requirements:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9.]+),<[0-9.]+", requirement)
        if match is None:
            raise SystemExit(f"pyproject.toml: {requirement}: write NAME>=LOWEST,<BELOW")
        pins.append(f"{match[1]}=={match[2]}")
    return pins


def run(*words: str | Path) -> int:
    """Run a command, shown first."""
    print("+", *words, flush=True)
    return subprocess.run([str(word) for word in words], cwd=ROOT, check=False).returncode


def main(chosen: list[str]) -> int:
    """Tests the ends that were asked for, or both."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = []
    for end in chosen or ["lowest", "newest"]:
        if end not in ("lowest", "newest"):
            raise SystemExit(f"there is no end called '{end}'; write lowest or newest")
        constraints = FOLDER / f"{end}.txt"
        constraints.write_text("".join(f"{pin}\n" for pin in (lowest(project["dependencies"]) if end == "lowest" else ())))
        environment = FOLDER / end
        venv.create(environment, with_pip=True, clear=True)
        python = environment / "bin" / "python"
        # Not editable: what is tested is what users install.
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints, ROOT, *TOOLS]
        if run(python, *words) or run(python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"):
            failed.append(f"{end}: cannot be installed")
        # Other versions may warn of what is to come; that is no failure.
        elif run(environment / "bin" / "pytest", "-q", "-x", "-p", "no:cacheprovider", "-W", "default", *SMOKE):
            failed.append(f"{end}: a test failed")
    print(*(failed or ["all passed"]), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

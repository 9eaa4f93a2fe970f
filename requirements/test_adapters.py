"""Tests of the adapters to heavy engines and of sinks, with everything that they need: ``python requirements/test_adapters.py [NAME ...]``.

Makes an environment in ``.venv/adapters`` (some 4 GB, kept for the next time), installs the project there with the extras of the adapters
and what only their tests compare with, and runs :data:`TESTS`, or those of the names given.  Exit code 0: all passed, none was skipped.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv" / "adapters"

TESTS = {
    "sumo": "tests/environments/test_sumo_simulation.py",
    "smax": "tests/environments/test_smax.py",
    "foraging": "tests/environments/test_level_foraging.py",
    "mujoco": "tests/environments/test_multi_agent_mujoco.py",
    "kitchen": "tests/environments/test_kitchen_engine.py",
    "melting_pot": "tests/environments/test_matrix_grid_engine.py",
    "processes": "tests/system/test_engines_as_processes.py",
    "play": "tests/cli/test_cli_play.py",
    "signals": "tests/learning/test_signals.py",
    "sinks": "tests/monitoring/test_sinks.py tests/monitoring/test_sink_libraries.py",
}
"""The adapters' tests by name; they are skipped in the ordinary test suite, where these packages are missing."""

EXTRAS = "environments,sumo,jax,foraging,overcooked"
SINKS = "tensorboard,wandb,mlflow"
"""Alone they need some 600 MB, without the engines."""

TOOLS = ("pytest", "hypothesis", "pytest-timeout")

COMPARED = ("dmlab2d==1.0.2", "ml-collections", "immutabledict", "reactivex")
"""What the tests of `matrix_grid` compare with; it is in no extra, since its games cannot be installed without tensorflow."""

SOURCES = "dm-meltingpot==2.4.1"
"""Unpacked, not installed: the archive has its games in Lua and Python; setting it up would fetch trained bots, and tensorflow for them."""

MAPS = ("sumo-rl",)
"""Installed without what it asks for: the maps of RESCO are in it, and nothing of it is imported."""


def run(*words: str | Path) -> int:
    """Run a command, shown first."""
    print("+", *words, flush=True)
    return subprocess.run([str(word) for word in words], cwd=ROOT, check=False).returncode


def tested(file: str) -> str:
    """What is wrong after a file of tests, or several with spaces between them, has been run, or nothing."""
    words = [
        str(FOLDER / "bin" / "python"),
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        "-W",
        "default",
        "-rs",
        "--timeout",
        "1800",
        *file.split(),
    ]
    print("+", *words, flush=True)
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        return f"{file}: a test failed"
    return f"{file}: a test was skipped" if any(line.startswith("SKIPPED") for line in lines) else ""


def install(engines: bool, sinks: bool) -> bool:
    """Make the environment and install what is needed."""
    if not (FOLDER / "bin" / "python").exists():
        venv.create(FOLDER, with_pip=True)
    pip = (FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    extras = ",".join([EXTRAS] * engines + [SINKS] * sinks)
    project = (*pip, "--constraint", ROOT / "requirements" / "torch.txt", f"{ROOT}[{extras}]", *TOOLS)
    if not engines:
        return not run(*project)
    return not (run(*project, *COMPARED) or run(*pip, "--no-deps", *MAPS)) and unpack()


def unpack() -> bool:
    """Put the archive of :data:`SOURCES` where Python finds it."""
    folder = FOLDER / "sources"
    pip = (FOLDER / "bin" / "python", "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    if run(*pip, "--no-deps", "--no-binary", ":all:", "--dest", folder, SOURCES):
        return False
    for archive in folder.glob("*.tar.gz"):
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    (site,) = FOLDER.glob("lib/python*/site-packages")
    packages = [str(path.parent.parent) for path in folder.glob("*/*/__init__.py")]
    (site / "sources.pth").write_text("\n".join(packages) + "\n")
    return True


def main(chosen: list[str]) -> int:
    """Install, then run the tests that were asked for, or all."""
    unknown = [name for name in chosen if name not in TESTS]
    if unknown:
        raise SystemExit(f"there are no tests called '{unknown[0]}'; write any of {', '.join(TESTS)}")
    names = chosen or list(TESTS)
    if not install(engines=names != ["sinks"], sinks="sinks" in names):
        print("cannot be installed")
        return 1
    # One file after the other, each in a process of its own: threads of jax and forks of servers do not mix.
    failed = [said for name in names if (said := tested(TESTS[name]))]
    print(*(failed or ["all passed"]), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A Python of a host that has another version of netagents."""

from __future__ import annotations

import sys
from pathlib import Path


def other_version(folder: Path) -> Path:
    """A Python whose netagents says that it is of another version."""
    script = folder / "python"
    code = "import netagents, runpy, sys; netagents.__version__ = '0.0.9'; runpy.run_module(sys.argv[1], run_name='__main__')"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -P -c "{code}" "$3"\n')
    script.chmod(0o755)
    return script

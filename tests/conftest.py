"""For all tests: property tests have no deadline of their own, since a busy machine is no counterexample."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

settings.register_profile("netagents", deadline=None, print_blob=True)
settings.load_profile("netagents")

SUPPORT = str(Path(__file__).parent / "support")
if SUPPORT not in sys.path:
    sys.path.insert(0, SUPPORT)

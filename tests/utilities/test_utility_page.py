"""The examples of docs/utilities.md work as pasted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from netagents.experiment.constraint_settings import ConstraintSettings
from netagents.experiment.utility_settings import UtilitySettings
from netagents.utilities import build_constraints, build_utility, gradient_error

PAGE = (Path(__file__).parents[2] / "docs" / "utilities.md").read_text(encoding="utf-8")


def test_the_examples_work_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_utilities.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    occupancy = np.array([[3.0, 1.0], [2.0, 0.5]])
    files: list[dict[str, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    assert [next(iter(file)) for file in files] == ["utility", "agents", "constraints", "utility"]
    for file in files:
        if "agents" in file:
            (file,) = file["agents"]
        if "utility" in file:
            settings: Any = TypeAdapter(UtilitySettings).validate_python(file["utility"])
            assert gradient_error(build_utility(settings, 0, 2, 2, 0.9), occupancy) < 1e-9
        else:
            bound = TypeAdapter(tuple[ConstraintSettings, ...]).validate_python(file["constraints"])
            assert len(build_constraints(bound, 0, 2, 2, 0.9)) == 1

from __future__ import annotations

import subprocess
import sys

import pytest
from environment_references import cells, line
from pydantic import TypeAdapter, ValidationError

from netagents.environments import build_environment
from netagents.environments.builtin.line_msg import LineMsg
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.experiment.environment_settings import BUILT_IN_KINDS, CustomEnvironmentSettings, EnvironmentSettings

SETTINGS = TypeAdapter(EnvironmentSettings)


class Mine(LineMsg):
    def __init__(self, topology, *, scale=1.0):
        super().__init__(topology)
        self.scale = scale


def no_environment(topology):
    return topology.n


@pytest.mark.parametrize("kind", BUILT_IN_KINDS)
def test_every_built_in_kind_is_built_under_its_name(kind, monkeypatch):
    topology = {"line_msg": line(5), "sumo": cells(3, 3, 1), "smax": cells(1, 3, 1)}.get(kind, cells(2, 3, 1))
    others = {"map": "obstacle"} if kind == "matrix_grid" else {}  # it has a start for each of six
    if kind == "pettingzoo":
        pytest.importorskip("pettingzoo", reason="needs the extra: pip install 'netagents[environments]'")
        others = {"make": "strange_envs:Steered", "arguments": {"n": 6}}
    if kind in ("sumo", "smax"):  # built without their engines
        monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    environment = build_environment(SETTINGS.validate_python({"kind": kind, **others}), topology)
    assert environment.spec.name == kind
    assert environment.topology is topology


def test_settings_reach_the_environment():
    environment = build_environment(SETTINGS.validate_python({"kind": "line_msg", "coupling": 0.25}), line(5))
    assert environment.kernel().agents[2].transition[0, 1, 1] == 0.25


def test_settings_survive_the_trip_through_a_file():
    for value in ({"kind": "sis", "recovery": 0.5}, {"kind": "import:a.b:C", "parameters": {"x": [1, 2]}}):
        settings = SETTINGS.validate_python(value)
        assert SETTINGS.validate_json(SETTINGS.dump_json(settings)) == settings


def test_an_environment_of_your_own_is_called_with_the_topology_and_its_parameters():
    settings = CustomEnvironmentSettings(kind=f"import:{__name__}:Mine", parameters={"scale": 3.0})
    environment = build_environment(settings, line(3))
    assert isinstance(environment, Mine)
    assert environment.scale == 3.0


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("import:no_such_package_here.module:Class", {}, "importing no_such_package_here.module failed"),
        ("import:math:Class", {}, "module math has no 'Class'"),
        ("import:math:pi", {}, "it is a float and cannot be called"),
        (f"import:{__name__}:Mine", {"size": 3}, "parameters must be the keyword arguments"),
        (f"import:{__name__}:no_environment", {}, "it made a int, which is no environment"),
    ],
)
def test_a_wrong_import_path_gives_one_clear_line(kind, parameters, message):
    with pytest.raises(ExperimentError) as caught:
        build_environment(CustomEnvironmentSettings(kind=kind, parameters=parameters), line(3))
    assert message in str(caught.value)
    assert f"environment.kind '{kind}'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environments_own_complaint_passes_through():
    with pytest.raises(EnvironmentMismatchError, match="use kind 'line'"):
        build_environment(CustomEnvironmentSettings(kind=f"import:{__name__}:Mine"), cells(2, 2, 1))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"kind": "line_mgs"}, "no environment is called 'line_mgs'; choose one of cue_recall, game, gathering, kitchen, line_msg, "),
        ({"kind": "import:module_without_class"}, "kind"),
        ({}, "environment needs a key 'kind'"),
        ({"kind": "line_msg", "coupling": 1.5}, "coupling"),
        ({"kind": "line_msg", "cuopling": 0.5}, "cuopling"),
    ],
)
def test_misspelt_settings_are_refused_when_they_are_loaded(value, message):
    with pytest.raises(ValidationError, match=message):
        SETTINGS.validate_python(value)


def test_entry_points_name_environments_of_installed_packages(tmp_path):
    """A real distribution on the path of a fresh interpreter: its entry point is found by name."""
    (tmp_path / "their_environments.py").write_text(
        "from netagents.environments.builtin.line_msg import LineMsg\n\n\ndef chain(topology):\n    return LineMsg(topology)\n"
    )
    metadata = tmp_path / "their_environments-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-environments\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[netagents.environments]\ntheir_chain = their_environments:chain\ntheir_gap = their_environments:missing\n"
    )
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from netagents.environments import build_environment
from netagents.errors import ExperimentError
from netagents.experiment.environment_settings import CustomEnvironmentSettings
from netagents.experiment.topology_settings import LineSettings
from netagents.topology import build_topology
topology = build_topology(LineSettings(n=3))
print(build_environment(CustomEnvironmentSettings(kind="their_chain"), topology).spec.name)
try:
    build_environment(CustomEnvironmentSettings(kind="their_gap"), topology)
except ExperimentError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    name, complaint = result.stdout.splitlines()
    assert name == "line_msg"
    assert "loading the entry point failed" in complaint


def test_only_the_chosen_environment_is_imported():
    script = (
        "import sys\n"
        "from netagents.environments import build_environment\n"
        "print([m for m in sys.modules if m.startswith('netagents.environments.') and m.endswith(('msg', 'sis', 'spdac', 'lin'))])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"

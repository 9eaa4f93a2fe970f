"""The page on topologies says what is true."""

import re
from pathlib import Path
from typing import get_args

import yaml

from netagents.experiment.topology_settings import EdgeFileSettings, TopologySettings
from netagents.topology.graph_files import ENDINGS, read_topology, shipped_topologies

PAGE = (Path(__file__).parents[2] / "docs" / "topologies.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_python_on_the_page_runs():
    (code,) = blocks("python")
    exec(code, {})  # noqa: S102 - our own page


def test_the_files_on_the_page_are_graphs(tmp_path):
    edge_list = next(block for block in blocks("text") if block.startswith("# comments"))
    (tmp_path / "a.edges").write_text(edge_list)
    topology = read_topology("a.edges", tmp_path)
    assert (topology.labels, topology.edges) == (("Seattle", "Salt Lake City", "Denver"), ((0, 1), (1, 2)))
    node_link = next(block for block in blocks("yaml") if block.startswith("nodes:"))
    (tmp_path / "a.yaml").write_text(node_link)
    topology = read_topology("a.yaml", tmp_path)
    assert (topology.labels, topology.edges) == (("Seattle", "Denver", "Chicago"), ((0, 1), (1, 2)))
    assert yaml.safe_load(blocks("yaml")[0])["topology"]["kind"] == "king_grid"


def test_every_kind_ending_and_network_is_on_the_page():
    kinds = [get_args(member.model_fields["kind"].annotation)[0] for member in get_args(get_args(TopologySettings)[0])]
    assert EdgeFileSettings.model_fields["kind"].default in kinds
    assert [kind for kind in kinds if f"| `{kind}` |" not in PAGE] == []
    assert [ending for ending in ENDINGS if f"`{ending}`" not in PAGE] == []
    for name in shipped_topologies():
        topology = read_topology(name)
        assert f"| `{name}` | {topology.n} | {len(topology.edges)} |" in PAGE

"""Settings of the documentation site, built by ``make site`` from docs/ and the docstrings of the package."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import netagents  # noqa: E402

project = "netagents"
author = project_copyright = "The netagents authors"
release = version = netagents.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
# Tests run the tutorials and compare; the site shows what they printed.
nb_execution_mode = "off"
root_doc = "index"

# Links of a page lead to headings of others as they do on code hosts.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
myst_links_external_new_tab = False

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False

# Two hyphens are an option of a command, and no dash.
smartquotes = False

html_theme = "furo"
html_title = f"netagents {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["tables.css"]
html_js_files = ["scrollable.js"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db4f0", "color-brand-content": "#7db4f0"},
}
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = False

# Two attributes of different classes may have one name; a link would lead to either.
suppress_warnings = ["ref.python"]

LITERAL = re.compile(r"(``.+?``|:[a-z:]+:`[^`]+`|`[^`]+`__?)")
"""What keeps its characters: code, roles and links."""

SEVERAL = re.compile(r"\s+\w+(?:, \w+)+:")
"""Several attributes that are said in one sentence."""


def escape_mathematics(*arguments: Any) -> None:
    """Keep |A|, Q* and a_ of docstrings as they are written, which are mathematics and no markup, and attributes that share a sentence."""
    lines: list[str] = arguments[-1]
    attributes = False
    for index, line in enumerate(lines):
        if line.strip().endswith(":"):
            attributes = line.strip() == "Attributes:"
        # Sphinx takes the first of several names for a type.
        if attributes and (names := SEVERAL.match(line)):
            line = names[0].replace(", ", ",") + line[names.end() :]
        parts = LITERAL.split(line)
        parts[::2] = [re.sub(r"(?<!\*)\*(?!\*)(?=\S)|\||(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
        lines[index] = "".join(parts)


def skip_bare_fields(*arguments: Any) -> bool | None:
    """Leave out the fields of named tuples of which nothing is said: the class says what they are."""
    return True if str(getattr(arguments[3], "__doc__", "")).startswith("Alias for field number") else None


def level_of_captions(app: Sphinx, error: Exception | None) -> None:
    """Captions of tables of contents are headings of which Sphinx does not say the level; readers of the screen need one."""
    caption = 'class="caption" role="heading"'
    if error is None and app.builder.format == "html":
        for file in Path(app.outdir).rglob("*.html"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(f"{caption}>", f'{caption} aria-level="2">'), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx; mathematics is escaped before the sections of a docstring are read."""
    app.connect("build-finished", level_of_captions)
    app.connect("autodoc-process-docstring", escape_mathematics, priority=400)
    app.connect("autodoc-skip-member", skip_bare_fields)

"""The site: `sphinx-build -W docs FOLDER`, with what `pip install 'xzoo[docs]'` brings."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]

project = _PROJECT["name"]
release = version = _PROJECT["version"]
author = "the authors of xzoo"
project_copyright = "the authors of xzoo, Apache-2.0"
html_title = f"xzoo {release}"
html_theme = "furo"
html_copy_source = False
extensions = ["myst_parser"]
myst_heading_anchors = 4
# Figures are written as 1.0 and paths as they are; neither quotation marks nor dots are to become others.
smartquotes = False
exclude_patterns = ["_build"]
highlight_language = "none"
nitpicky = True

"""What Sphinx is told of the site; build.py adds where pictures of cells are kept, and what is executed."""

from __future__ import annotations

import gpunn
from website import docstrings

project = "gpunn"
author = "the gpunn authors"
version = release = gpunn.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]

# Chapters: plain MyST, mathematics by dollars. MathJax is one file of the site's own (see mathjax.py), that draws SVG.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
mathjax_path = "tex-svg-full.js"
mathjax4_config = {
    "options": {"enableMenu": False},
    "svg": {"fontCache": "global", "scale": 0.93},
    "tex": {"packages": {"[-]": ["require"]}},
}

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_ipywidgets_js = {}  # of a CDN
nb_merge_streams = True
nb_render_image_options = {"align": "center"}

autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False  # each page has all pages' tables of contents: a third of the time for nothing
napoleon_use_rtype = False

html_theme = "furo"
html_title = "gpunn"

html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which a browser refuses to do for files


def setup(app) -> None:
    """Turn docstrings, which are plain text with backticks, into reStructuredText before napoleon reads them."""
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)

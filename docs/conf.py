"""The documentation's site: `make docs`. Pages are Markdown, the API is read from docstrings."""

import json
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes

from optiproxy import report

ROOT = Path(__file__).parents[1]
COMPARISON = ROOT / "benchmarks" / "results" / "2026-11-30-compare"
project = "OptiProxy"
author = "The OptiProxy contributors"
project_copyright = author
version = release = installed("optiproxy")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # Signatures have them; docstrings say what they mean.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "imported-members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"
add_module_names = False

# Nothing is loaded from elsewhere, so that the site is built and read without a network.
html_theme = "furo"
html_title = "OptiProxy"
html_copy_source = False
html_math_renderer = "mathml"


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def _as_text(app: Any, doctree: nodes.document) -> None:
    """Links to folders and files of the repository that are not on the site are text there."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for link in list(doctree.findall(addnodes.pending_xref)):
        target = link["reftarget"].partition("#")[0]
        if target in app.env.found_docs:  # `examples` is a page, and a folder of the repository.
            continue
        if link["reftype"] == "myst" and any((place / target).exists() for place in (here, ROOT)):
            link.replace_self(link.children)


def _leaderboard(app: Any, failed: Exception | None) -> None:
    """The page of the comparison in results.md, from the files of its searches."""
    if failed is not None or app.builder.format != "html":
        return
    table = parquet.read_table(COMPARISON / "results.parquet")
    run = json.loads((COMPARISON / "run.json").read_text("utf-8"))
    analysis = report.analyse(table, [25, 50, 100])
    report.comparison_report(table, analysis, Path(app.outdir) / "leaderboard.html", run=run)


def setup(app: Any) -> None:
    app.connect("build-finished", _leaderboard)
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("doctree-read", _as_text)

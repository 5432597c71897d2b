"""The site of the lectures: built once under CI, and seen in a browser, which fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import chromium

pytest.importorskip("matplotlib", reason="the lectures draw pictures")

ROOT = Path(__file__).parents[2]
LECTURES = ROOT / "examples" / "lectures"
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="minutes of Sphinx and of executing chapters: in CI")


@pytest.fixture(scope="module")
def built():
    """The modules build and website.*, as `python examples/lectures/build.py` has them."""
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(LECTURES))
    import build
    from website import docstrings, gallery, links, reference

    yield {"build": build, "docstrings": docstrings, "gallery": gallery, "links": links, "reference": reference}
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(LECTURES.parent) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


def complete(build):
    """Skip, saying what is missing, where the extra is not installed."""
    if lacking := build.missing():
        pytest.skip(f'{", ".join(lacking)} not installed; pip install -e ".[docs]"')


@in_ci
@pytest.mark.timeout(1200)
def test_the_site(built, tmp_path):
    complete(built["build"])
    before = os.times()
    command = [sys.executable, str(LECTURES / "build.py"), "site", "--work", "work"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path, timeout=1100)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    assert seconds < 150, f"the build took {seconds:.0f} s of CPU"
    site = tmp_path / "site"
    chapters = sorted((site / "examples" / "lectures").glob("*.html"))
    assert [page.stem for page in chapters] == sorted(page.stem for page in LECTURES.glob("[0-9][0-9]_*.md"))
    said = re.search(r"(\d+) lectures, (\d+) pictures, (\d+) names; \d+ s", done.stdout.splitlines()[-1])
    assert said and int(said[1]) == len(chapters) and int(said[2]) >= 5 and int(said[3]) >= 900
    with chromium() as browser:
        for page in [*chapters, site / "index.html", site / "gallery.html", site / "reference" / "gpunn.nn.html"]:
            look_at(browser, page)
        assert len(browser.find_elements("css selector", "dl.py")) == 0  # gpunn.nn is a table of its families
        look_at(browser, site / "reference" / "gpunn.nn.conv.html")
        assert browser.find_elements("css selector", "dt#gpunn\\.nn\\.Conv2d")
        find(browser, site)


def look_at(browser, page):
    """Pictures are there, formulas are set, nothing is wider than the window, and nothing came from elsewhere."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.as_uri())
    script = browser.execute_script
    count = "return document.querySelectorAll(arguments[0]).length"
    formulas = script(count, ".math")
    if formulas:
        WebDriverWait(browser, 60).until(lambda _: script(count, ".math mjx-container > svg") >= formulas)
    assert script(count, "mjx-merror, [data-mjx-error]") == 0, f"{page.name}: a formula that MathJax cannot read"
    script("document.querySelectorAll('img').forEach(e => e.loading = 'eager')")
    blank = "return [...document.images].filter(e => e.naturalWidth < 20).map(e => e.src)"
    assert script(blank) == [] and script(count, "article img") >= 3 * (
        page.name[:2].isdigit() or page.stem == "gallery"
    )
    assert "<Figure" not in script("return document.body.textContent"), f"{page.name}: a figure as text"
    fetched = script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith(("file:", "data:"))] == []
    assert browser.get_log("browser") == [], page.name
    for width in (1400, 420):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        assert script("return document.documentElement.scrollWidth") <= width, f"{page.name} is wider than {width}"
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def find(browser, site):
    """The search, which a browser runs from files."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get((site / "search.html").as_uri() + "?q=conv2d")
    WebDriverWait(browser, 30).until(lambda _: browser.find_elements("css selector", "ul.search li a"))
    found = [link.text for link in browser.find_elements("css selector", "ul.search li a")]
    assert "gpunn.ops.conv2d" in found and browser.get_log("browser") == []


@in_ci
def test_a_failing_cell_stops_the_build(built, tmp_path):
    build = built["build"]
    complete(build)
    (tmp_path / "source" / "_static").mkdir(parents=True)
    header = (LECTURES / "09_kernels.md").read_text().split("\n# ")[0]
    cells = "```{code-cell} ipython3\nx = 1\n```\n\n```{code-cell} ipython3\nx / 0\n```\n"
    (tmp_path / "source" / "index.md").write_text(f"{header}\n# A chapter\n\n{cells}")
    code = (
        f"import sys; sys.path[:0] = [{str(LECTURES)!r}, {str(ROOT)!r}]; import build; from pathlib import Path\n"
        "folder = Path(sys.argv[1])\n"
        "try: build.execute(folder / 'source', folder / 'out', folder / 'work', folder / 'cache')\n"
        "except build.BuildError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^index.md: cell 2 \(line \d+\) fails: ZeroDivisionError: division by zero$", done.stdout, re.MULTILINE
    )


def test_without_the_extra_it_says_what_to_install(built, monkeypatch):
    build = built["build"]
    monkeypatch.setattr("importlib.metadata.distributions", list)
    with pytest.raises(SystemExit) as stop:
        build.main([])
    lacking = "sphinx, myst-nb, furo, matplotlib, sphinx-mathjax-offline"
    assert str(stop.value) == f'build.py: {lacking} not installed; pip install -e ".[docs]"'


def test_a_folder_of_something_else_is_left_alone(built, tmp_path, monkeypatch):
    build = built["build"]
    monkeypatch.setattr(build, "missing", list)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match="holds something else than a site; name an empty folder"):
        build.main([str(tmp_path)])
    (tmp_path / "source").mkdir()
    with pytest.raises(SystemExit, match=r"--work .* holds something else than what builds keep; name an empty folder"):
        build.main([str(tmp_path / "site"), "--work", str(tmp_path)])
    for argv in ([str(tmp_path / "thesis.txt")], [str(tmp_path / "site"), "--work", str(tmp_path / "thesis.txt")]):
        with pytest.raises(SystemExit, match=r"thesis\.txt is a file; name a folder"):
            build.main(argv)
    assert (tmp_path / "thesis.txt").exists() and (tmp_path / "source").exists()


def test_links_are_checked(built, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="#top"></a><a href="a/b.html#c"></a><a href="https://example.org/x">x</a>'
        '<img src="none.png"><a href="a/b.html#d"></a><script src="https://cdn.example/x.js"></script>'
        '<link rel="stylesheet" href="//fonts.example/a.css"><link rel="next" href="a/no.html">'
        '<a href="mailto:a@b">m</a>'
    )
    (tmp_path / "a" / "b.html").write_text('<p id="c">x</p><a href="../index.html?x=1#top">x</a>')
    (tmp_path / "site.css").write_text("@import url(https://fonts.example/b.css); a { background: url(data:x) }")
    wrong, outside = built["links"].check(tmp_path)
    assert wrong == [
        "index.html links to a/b.html#d: the page has no such place",
        "index.html links to a/no.html: there is no such file",
        "index.html links to none.png: there is no such file",
        "index.html loads //fonts.example/a.css",
        "index.html loads https://cdn.example/x.js",
        "site.css loads https://fonts.example/b.css",
    ]
    assert "https://example.org/x" in outside and "mailto:a@b" not in outside


def test_docstrings_are_escaped_and_names_link(built):
    lines = ["a * b, *args, x_ and `nn.Conv2d`, ``y[0]``, `padding=1`", "", "    >>> a * b_", "    x * 2", "", "a | b"]
    assert built["docstrings"].as_rst(lines) == [
        r"a \* b, \*args, x\_ and :py:obj:`nn.Conv2d`, ``y[0]``, ``padding=1``",
        "",
        "    >>> a * b_",
        "    x * 2",
        "",
        r"a \| b",
    ]


def test_the_reference_has_the_public_names(built, tmp_path):
    import gpunn

    assert built["reference"].write(tmp_path / "reference") >= 900
    pages = {path.stem: path.read_text() for path in (tmp_path / "reference").iterdir()}
    assert ".. autofunction:: conv2d\n" in pages["gpunn.ops.conv"]
    assert ".. autoclass:: Conv2d\n" in pages["gpunn.nn.conv"] and ".. autoclass:: SGD\n" in pages["gpunn.optim"]
    assert ".. autofunction:: all_reduce\n" in pages["gpunn.dist"]
    assert ".. autofunction:: pack_padded_sequence\n" in pages["gpunn.nn.utils.rnn"]
    missing = [
        name for name in built["reference"].public(gpunn.ops) if f"`~gpunn.ops.{name}`" not in pages["gpunn.ops"]
    ]
    assert missing == []


@in_ci
def test_every_example_that_draws_is_in_the_gallery(built):
    gallery = built["gallery"]
    drawing = {path.stem for path in gallery.EXAMPLES.glob("*.py") if gallery.out_of(path.stem)}
    assert drawing == {*gallery.DRAWN, *gallery.KEPT}


def test_pictures_that_are_kept_are_those_of_long_examples_and_small(built):
    gallery = built["gallery"]
    kept = {gallery.PICTURES / (gallery.out_of(name) or "") for name in gallery.KEPT}
    assert set(gallery.PICTURES.iterdir()) == kept
    assert all(path.stat().st_size < 100_000 for path in gallery.PICTURES.rglob("*.png"))

"""The page in a real browser: headless Chromium, no network."""

import re

import pytest

from bench.output import report
from tests.bench.runs import counted, timed
from tests.browser import chromium

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """The page of two runs, opened."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(report.html({"times": timed(), "counts": counted()}), encoding="utf-8")
    with chromium("--window-size=1200,900") as window:
        window.get((folder / "index.html").as_uri())
        yield window


def cells(browser, title, section="times"):
    """The texts of the visible rows under a heading."""
    script = """
        const table = document.querySelector(`#${arguments[0]} table`);
        const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === arguments[1]);
        return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[at].textContent);
    """
    return browser.execute_script(script, section, title)


def click(browser, title, section="times"):
    buttons = browser.find_elements("css selector", f"#{section} th button")
    next(button for button in buttons if button.text == title).click()


def test_nothing_is_fetched():
    text = report.html({"times": timed(), "counts": counted()})
    assert not re.search(r"""(src|href)=["'](?!data:|#)|url\(|@import|<link|<script src""", text)
    assert "a &lt;small&gt; processor" in text


def test_plots_are_shown(browser):
    assert browser.title == "gpunn: measured"
    images = browser.find_elements("css selector", "figure img")
    assert [image.get_attribute("alt").split(" of ")[0] for image in images] == [
        "roofline plot", "bars by case", "bars by case",
    ]  # fmt: skip
    for image in images:
        assert browser.execute_script("return arguments[0].complete && arguments[0].naturalWidth", image) > 300
        assert image.is_displayed()


def test_tables_sort_by_numbers(browser):
    click(browser, "median, us")
    assert cells(browser, "median, us") == ["30.0", "90.0", "200.0", "1,100.0"]
    heading = browser.find_element("css selector", '#times th[aria-sort="ascending"]')
    assert heading.text.startswith("median, us")
    click(browser, "median, us")
    assert cells(browser, "median, us") == ["1,100.0", "200.0", "90.0", "30.0"]
    assert browser.find_elements("css selector", '#times th[aria-sort="descending"]')
    assert cells(browser, "variant")[0] == "naive"  # whole rows move


def test_tables_sort_by_words(browser):
    click(browser, "case")
    names = ["lenet5 conv1", "lenet5 conv1", "lenet5 conv2", "lenet5 conv10"]
    assert cells(browser, "case") == names  # numbers inside words count as numbers
    assert len(browser.find_elements("css selector", "#times th[aria-sort]")) == 1


def test_tables_sort_apart_from_each_other(browser):
    click(browser, "sectors", "counts")
    assert cells(browser, "sectors", "counts") == ["1,100", "1,200"]


def test_rows_are_filtered(browser):
    box = browser.find_element("css selector", "#times input")
    box.send_keys("grad_input conv10")
    assert cells(browser, "case") == ["lenet5 conv10"]
    box.clear()
    box.send_keys(" ")
    assert len(cells(browser, "case")) == 4


def test_rows_without_a_figure_stand_under_their_reason(browser):
    assert "-" not in "".join(cells(browser, "median, us"))
    found = browser.find_element("css selector", "#times details")
    assert found.find_element("css selector", "summary").text == "1 not measured"
    found.click()
    assert re.fullmatch(r"refused: .+ \(lenet5 conv10 .+\)", found.find_element("css selector", "li").text)


def test_sections_are_named_and_listed_and_dark_where_that_is_wanted(browser):
    assert [a.text for a in browser.find_elements("css selector", "nav a")] == ["times", "counts"]
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    paper = browser.find_element("css selector", "body").value_of_css_property("background-color")
    assert max(map(int, re.findall(r"\d+", paper)[:3])) < 60
    steps = {**timed(), "suite": "cpu", "command": "python -m bench cpu"}
    text = report.html({"steps": steps}, plots=False)
    assert "<h2>cpu of lenet5 conv1, lenet5 conv2, lenet5 conv10 on cpu</h2>" in text
    assert "command: python -m bench cpu." in text


def test_the_browser_has_nothing_to_complain(browser):
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)"
                                  ".filter((name) => !name.startsWith('data:'))") == []  # fmt: skip

"""Tables for notebooks: well-formed, escaped, elided, and read from a device no further than they show."""

import copy
import pickle
from html.parser import HTMLParser

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn
from tests.browser import chromium


class Cells(HTMLParser):
    """Reads a table's caption and rows; fails on a tag that is not closed in turn."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.caption = [], [], ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        assert self.open, "words outside of the table"
        if self.open[-1] == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def cells(x):
    return Cells(x._repr_html_())


def test_a_matrix():
    got = cells(Tensor(np.array([[1.5, np.nan], [-np.inf, 1 / 3]], np.float32), requires_grad=True))
    assert got.caption == "Tensor (2, 2), float32, cpu, requires_grad"
    assert got.rows == [["", "0", "1"], ["0", "1.5", "nan"], ["1", "-inf", "0.3333"]]


@pytest.mark.parametrize(
    ("x", "rows"),
    [
        (gpunn.tensor(7), [["", "0"], ["0", "7"]]),
        (gpunn.tensor([True, False]), [["", "0", "1"], ["0", "True", "False"]]),
        (gpunn.tensor([2**62]), [["", "0"], ["0", str(2**62)]]),
        (gpunn.zeros(0, 2), [["", "0", "1"]]),
        (gpunn.zeros(2, 0), [[""], ["0"], ["1"]]),
        (gpunn.zeros(3, 0, 2), [[""]]),
        (gpunn.arange(8).reshape(2, 2, 2), [["", "0", "1"], ["0", "0", "1"], ["1", "2", "3"]]),
        (gpunn.arange(6).reshape(2, 3).T, [["", "0", "1"], ["0", "0", "3"], ["1", "1", "4"], ["2", "2", "5"]]),
    ],
    ids=lambda value: str(tuple(value.shape)) if isinstance(value, Tensor) else "",
)
def test_any_shape(x, rows):
    assert cells(x).rows == rows


def test_bfloat16():
    assert cells(gpunn.full((1, 2), 1.5).to("bfloat16")).rows[1] == ["0", "1.5", "1.5"]


def test_what_is_large_is_elided_and_not_read():
    """Of 4 TiB, which are one number in memory, nobody makes a copy."""
    got = cells(Tensor(np.broadcast_to(np.float32(2), (1 << 20, 1 << 20))))
    n = 1 << 20
    assert got.rows[0] == ["", "0", "1", "2", "\u2026", str(n - 3), str(n - 2), str(n - 1)]
    assert got.rows[1] == ["0", "2", "2", "2", "\u2026", "2", "2", "2"] and len(got.rows) == 8
    assert got.rows[4] == ["\u22ee"] * 8 and got.rows[7][0] == str(n - 1)
    assert len(cells(gpunn.zeros(8, 9)).rows) == 9


def test_of_a_device(look_alike):
    x = gpunn.arange(200.0, device="cuda").reshape(20, 10)
    got = cells(x)
    assert got.caption == "Tensor (20, 10), float32, cuda"
    assert got.rows[-1] == ["19", "190", "191", "192", "\u2026", "197", "198", "199"]


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.LazyLinear(2)
        self.scale = nn.Parameter(np.ones(2, np.float32))

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3))) * self.scale

    def extra_repr(self):
        return '<b>&"x"'


def test_a_module():
    got = cells(Odd())
    assert got.caption == "Odd, 114 parameters" and got.rows[0] == ["name", "layer", "holds", "parameters"]
    assert got.rows[1] == ["", 'Odd(<b>&"x")', "scale (2)", "2"]
    assert got.rows[3] == [
        "body.0",
        "\u2003\u2003Conv2d(3->4, 3x3, stride 1, padding 0)",
        "weight (4, 3, 3, 3), bias (4)",
        "112",
    ]
    assert got.rows[5] == ["head", "\u2003LazyLinear(0->2)", "weight of unknown shape, bias of unknown shape", ""]
    assert "UninitializedParameter" in nn.LazyLinear(2).weight._repr_html_()


def test_a_summary_is_a_text_and_a_table():
    model = Odd()
    text = model.summary((1, 3, 8, 8))
    got = Cells(text._repr_html_())
    lines = str(text).splitlines()
    assert isinstance(text, str) and got.caption == lines[0] == "Odd on cpu, float32"
    assert got.rows[0] == ["", "layer", "output", "parameters", "FLOPs", "field", "stride", "memory"]
    assert got.rows[-1][0] == "total" and len(got.rows) == len(lines) - 3  # but the title and two rules
    assert text == str(text) and hash(text) == hash(str(text)) and text + "x" == str(text) + "x"
    for again in (copy.copy(text), copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert again == text and again._repr_html_() == text._repr_html_()


def test_a_browser_draws_them():
    with chromium() as page:
        page.get("data:text/html;charset=utf-8,<body></body>")
        for value in (gpunn.zeros(20, 20), Odd(), nn.summary(nn.Linear(2, 3), (1, 2))):
            page.execute_script("document.body.innerHTML = arguments[0]", value._repr_html_())
            drawn = page.execute_script(
                "return [...document.querySelectorAll('tr')].map(r => [...r.cells].map(c => c.textContent))"
            )
            assert drawn == cells(value).rows
            assert page.execute_script("return document.querySelectorAll('b, script').length") == 0

"""Trees checked by kinds: each wrong value is refused by its place, in one short line; and words made harmless."""

import numpy as np
import pytest

from gpunn import kinds
from gpunn.errors import CheckpointError
from gpunn.text import brief, plain

TREE = kinds.record(
    {
        "epoch": kinds.whole(1, 1000),
        "rows": kinds.list_of(kinds.table_of(kinds.maybe(kinds.NUMBER))),
        "shape": kinds.list_of(kinds.whole(0), 2, 2),
        "weights": kinds.array("f", (2, 3), finite=True),
    },
    {"name": kinds.choice("sgd", "adam"), "flag": kinds.SWITCH},
)


def tree(**changed):
    good = {"epoch": 3, "rows": [{"loss": 0.5, "acc": None}, {}], "shape": (4, 0), "weights": np.ones((2, 3))}
    return {**good, **changed}


def test_a_tree_as_it_should_be_passes_and_what_is_not_named_is_not_looked_at():
    assert kinds.fault(TREE, tree()) == ""
    assert kinds.fault(TREE, tree(name="adam", flag=False, later=object())) == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"epoch": 0}, "epoch is 0, expected a whole number of at least 1 and at most 1,000"),
        ({"epoch": True}, "epoch is True, expected a whole number of at least 1 and at most 1,000"),
        ({"epoch": "3"}, "epoch is '3', expected a whole number of at least 1 and at most 1,000"),
        ({"epoch": 10**5000}, "epoch is a whole number of 16610 bits, expected a whole number of at least 1 and at "
                              "most 1,000"),
        ({"rows": {}}, "rows is {}, expected a list of at least 0 of: a table of: none, or a finite number"),
        ({"rows": [{}, {"loss": float("nan")}]}, "rows[1].loss is nan, expected none, or a finite number"),
        ({"rows": [{"loss": 10**400}]}, "rows[0].loss is a whole number of 1329 bits, expected none, or a finite "
                                        "number"),
        ({"rows": [{3: 1.0}]}, "rows[0] is {3: 1.0}, expected a table of: none, or a finite number"),
        ({"rows": [{"a\x1b\n": "x"}]}, "rows[0].a\\x1b\\n is 'x', expected none, or a finite number"),
        ({"shape": [1, 2, 3]}, "shape is [1, 2, 3], expected a list of 2 of: a whole number of at least 0"),
        ({"shape": [1, [2]]}, "shape[1] is [2], expected a whole number of at least 0"),
        ({"weights": [1.0]}, "weights is [1.0], expected an array of finite numbers of shape (2, 3)"),
        ({"weights": np.ones((3, 2))}, "weights is an array of float64 (3, 2), expected an array of finite numbers of "
                                       "shape (2, 3)"),
        ({"weights": np.full((2, 3), np.nan)}, "weights is an array of float64 (2, 3), expected an array of finite "
                                               "numbers of shape (2, 3)"),
        ({"name": "sdg"}, "name is 'sdg', expected one of sgd, adam"),
        ({"name": ["sgd"]}, "name is ['sgd'], expected one of sgd, adam"),
        ({"flag": 1}, "flag is 1, expected true or false"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_by_its_place(changed, words):
    assert kinds.fault(TREE, tree(**changed)) == words


def test_what_is_missing_is_named_and_a_tree_that_is_none_too():
    lacking = tree()
    del lacking["shape"]
    assert kinds.fault(TREE, lacking) == "shape is missing, expected a list of 2 of: a whole number of at least 0"
    assert kinds.fault(TREE, [1]) == "it is [1], expected a table with epoch, rows, shape, weights"


def test_the_error_has_file_place_got_expected_remedy():
    with pytest.raises(CheckpointError, match=r"^f\.npz: epoch is None, expected a whole number .*; take best\.npz$"):
        kinds.checked(TREE, tree(epoch=None), CheckpointError, "f.npz", "take best.npz")
    kinds.checked(TREE, tree(), CheckpointError, "f.npz", "take best.npz")


def test_kinds_that_hold_one_of_several():
    words = kinds.either("a number or its name", kinds.NUMBER, kinds.list_of(kinds.text("a name", 3)))
    assert kinds.fault(words, 3) == kinds.fault(words, ["abc"]) == ""
    assert kinds.fault(words, ["abcd"]) == "[0] is 'abcd', expected a name of at most 3 characters"
    assert kinds.fault(words, None) == "it is None, expected a number or its name"


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, list(range(1_000_000)), nested(100_000), {"a": nested(5000)}, 10**5000, [10**5000],
     "\x1b[2J\n\u202e\ud800", np.zeros((1000, 1000)), np.float32(0.1), {"k" * 10_000: 1}, b"\xff" * 10_000],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_any_value_is_described_in_one_short_line(value):
    words = brief(value)
    assert len(words) < 120 and words.isprintable()
    words.encode()


def test_plain_text_shows_what_is_hidden_and_keeps_the_rest():
    assert plain("T-shirt/top $x$ äπ漢") == "T-shirt/top $x$ äπ漢"
    assert plain("a\x1b[31mb\r\n\t\0\x7f\x9b") == "a\\x1b[31mb\\r\\n\\t\\x00\\x7f\\x9b"
    assert plain("\ud83d\u202e\u2028\u200b\ufeff") == "\\ud83d\\u202e\\u2028\\u200b\\ufeff"
    assert plain("x" * 300) == "x" * 197 + "..." and plain("x" * 300, 10) == "x" * 7 + "..."

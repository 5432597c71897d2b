"""The pickle reader: what CIFAR's files hold is read, whatever else a pickle can say is refused and never run."""

import os
import pickle
import pickletools
import random
from contextlib import suppress

import numpy as np
import pytest

from gpunn.data.pickles import read_pickle
from gpunn.errors import DataError
from tests.data import python2

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 3072), dtype=np.uint8)
LABELS, NAMES = [5, 300, 70_000, -1] * 600, [str(i) for i in range(300)]
VALUES = {"data": IMAGES, "labels": LABELS, "name": "caf\xe9", "files": NAMES}


def assert_equal(got, want):
    assert list(got) == list(want)
    np.testing.assert_array_equal(got["data"], want["data"])
    assert got["data"].dtype == np.uint8
    assert {k: v for k, v in got.items() if k != "data"} == {k: v for k, v in want.items() if k != "data"}


def test_python_2():
    data = python2.dumps(VALUES)
    assert_equal(read_pickle(data, "f"), VALUES)
    assert_equal(pickle.loads(data, encoding="latin1"), VALUES)  # the writer above is right, too
    names = {opcode.name for opcode, _, _ in pickletools.genops(data)}
    assert {"BINSTRING", "SHORT_BINSTRING", "LONG_BINPUT", "APPENDS", "SETITEMS", "GLOBAL", "REDUCE", "BUILD"} <= names


@pytest.mark.parametrize("order", ["C", "F"])
def test_python_3_protocol_3(order):
    more = {"empty": [], "shared": [VALUES["labels"]], b"key": (1, (2, None), True)}
    values = {**VALUES, "data": np.array(IMAGES, order=order), **more}
    got = read_pickle(pickle.dumps(values, 3), "f")
    assert_equal(got, values)


class Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("call", "named"),
    [(os.system, "posix.system|nt.system"), (eval, "builtins.eval|__builtin__.eval"), (open, "io.open|_io.open")],
)
def test_globals_are_refused_by_name(tmp_path, call, named):
    target = tmp_path / "made"
    for protocol in (2, 3):
        data = pickle.dumps({"data": Evil(call, f"touch {target}")}, protocol)
        with pytest.raises(DataError, match=rf"refused: at byte \d+ it names the global ({named}); only plain values"):
            read_pickle(data, "f")
    assert not target.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pickle.dumps({"a": 1}, 4), "uses opcode FRAME"),
        (pickle.dumps({"a": 1.5}, 2), "uses opcode BINFLOAT"),
        (pickle.dumps({"a": {1}}, 3), r"names the global builtins\.set"),
        (pickle.dumps({"a": b"x"}, 2), r"names the global _codecs\.encode"),
        (pickle.dumps({1: 2}, 2), "has a key that is no string"),
        (pickle.dumps({"a": np.zeros(3)}, 3), "calls dtype other than to make an array of 'u1'"),
        (b"\x80\x02}U\x01acnumpy\nndarray\nK\x03\x85Rs.", "calls ndarray other than to make an array of 'u1'"),
        (b"\x80\x02}U\x01a]K\x03\x85Rs.", "calls a list other than"),
        (b"\x80\x02}cnumpy\nndarray\n}b.", "sets the state of ndarray"),
        (b"\x80\x02}]}b.", "sets the state of a list"),
        (pickle.dumps({"a": IMAGES}, 3).replace(b"M,\x01", b"M-\x01"), r"gives an array of shape \(301, 3072\) 921600"),
        (pickle.dumps({"a": IMAGES}, 3).replace(b"M,\x01", b"\x88\x88"), "damaged|refused"),
        (b"\x80\x02ios\nsystem\n.", "uses opcode INST"),
    ],
)
def test_refused(data, words):
    with pytest.raises(DataError, match=words) as caught:
        read_pickle(data, "some/file")
    assert str(caught.value).startswith("read_pickle: some/file is ")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is damaged: pickle exhausted before seeing STOP; fetch the file again"),
        (python2.dumps(VALUES)[:-1], "is damaged: pickle exhausted before seeing STOP"),
        (python2.dumps(VALUES)[:5000], "is damaged: expected 921600 bytes"),
        (b"<html>", "is damaged: at position 0, opcode b'<' unknown"),
        (b"\x80\x02u.", "damaged: opcode SETITEMS at byte 2 finds nothing fitting to work on"),
        (b"\x80\x02h\x07.", "opcode BINGET at byte 2 finds nothing fitting"),
        (b"\x80\x02(R.", "opcode REDUCE at byte 3 finds nothing fitting"),
        (b"\x80\x02K\x01K\x02a.", "opcode APPEND at byte 6 finds nothing fitting"),
        (b"\x80\x02}U\x01acnumpy\nndarray\ns.", "opcode SETITEM at byte 21 finds nothing fitting"),
        (b"\x80\x02]K\x01a.", "holds a list, expected a dict; use CIFAR's own files"),
        (b"\x80\x02.", "holds a NoneType, expected a dict"),
    ],
)
def test_damaged(data, words):
    with pytest.raises(DataError, match=words) as caught:
        read_pickle(data, "some/file")
    assert str(caught.value).startswith("read_pickle: some/file ")


def test_deep_nests_and_loops_end():
    deep = b"\x80\x02}U\x01a" + b")" + b"\x85" * 100_000 + b"s."
    assert list(read_pickle(deep, "f")) == ["a"]
    with pytest.raises(DataError, match="has a key that is no string"):
        read_pickle(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.", "f")
    loop = read_pickle(b"\x80\x02}q\x00U\x01ah\x00s.", "f")
    assert loop["a"] is loop


def test_any_damage_gives_a_data_error_or_a_dict():
    data, rng = python2.dumps({"data": IMAGES[:1], "labels": [1, 2], "name": "x"}), random.Random(0)
    for _ in range(1500):
        spoiled = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            at = rng.choice([rng.randrange(len(data)), rng.randrange(150), len(data) - rng.randrange(1, 40)])
            spoiled[at] = rng.randrange(256)
        with suppress(DataError):
            assert isinstance(read_pickle(bytes(spoiled), "f"), dict)

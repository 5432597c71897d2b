"""default_collate and default_convert: PyTorch's structure, types and values."""

from collections import OrderedDict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest

from gpunn import Tensor
from gpunn.data import default_collate, default_convert
from gpunn.errors import DataError

Pair = namedtuple("Pair", "x y")
LINE = np.arange(3, dtype=np.float32)
BATCHES = {
    "floats": [1.5, 2.0],
    "ints": [1, -2, 3],
    "bools": [True, False],
    "bools and ints": [True, 2],
    "int, then float": [1, 2.5],
    "numpy scalars": [np.float32(1), np.float32(2)],
    "numpy float64": [np.float64(1), np.float64(2)],
    "numpy uint8": [np.uint8(7), np.uint8(9)],
    "arrays": [LINE, LINE + 1],
    "arrays of uint8": [np.zeros((2, 2), np.uint8)] * 3,
    "arrays of two types": [LINE, LINE.astype(np.float64)],
    "0-d arrays": [np.asarray(3), np.asarray(4)],
    "strings": ["a", "bc"],
    "bytes": [b"a", b""],
    "tuples": [(LINE, 1, "a"), (LINE, 2, "b")],
    "lists": [[1, 2.0], [3, 4.0]],
    "named tuples": [Pair(LINE, 1), Pair(LINE, 2)],
    "dicts": [{"a": 1, "b": (2, LINE)}, {"b": (3, LINE), "a": 4}],
    "ordered dicts": [OrderedDict(a=1, b=2.0)] * 2,
    "maps that may not change": [MappingProxyType({"a": 1})] * 2,
    "ranges": [range(2), range(2)],
    "empty tuples": [(), ()],
    "one": [(LINE, 5)],
}


def same(ours, theirs):
    """Whether two batches are alike: structure, types, dtypes and values."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Tensor) and str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        return
    assert type(ours) is type(theirs)
    if isinstance(theirs, (str, bytes)) or not hasattr(theirs, "__len__"):
        assert ours == theirs
    elif hasattr(theirs, "keys"):
        assert list(ours) == list(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    else:
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)


@pytest.mark.parametrize("name", BATCHES)
def test_as_pytorch(name):
    collate = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed").default_collate
    same(default_collate(BATCHES[name]), collate(BATCHES[name]))


@pytest.mark.parametrize("name", ["floats", "arrays", "tuples", "lists", "named tuples", "dicts", "strings"])
def test_convert_as_pytorch(name):
    convert = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed").default_convert
    same(default_convert(BATCHES[name][0]), convert(BATCHES[name][0]))


def test_tensors():
    made = default_collate([Tensor(LINE), Tensor(LINE + 1)])
    assert made.shape == (2, 3) and made.dtype == np.float32 and not made.requires_grad
    x = Tensor(LINE, requires_grad=True)
    (default_collate([x, Tensor(LINE)]) * 2).sum().backward()
    assert np.asarray(x.grad).tolist() == [2, 2, 2], "as torch.stack, it keeps the history"


class Bands:
    """What Pillow's images have."""

    def getbands(self):
        return ("L",)


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ([None, None], TypeError, r"a batch holds tensors, arrays, .* lists, but found NoneType"),
        ([np.asarray(["a"])] * 2, TypeError, r"but found an array of <U1"),
        ([Bands()], TypeError, r"found Bands; turn images into tensors first, with transforms.ToTensor\(\)"),
        ([LINE, LINE[:2]], DataError, r"samples have the shapes \(2,\), \(3,\), expected one; scale or crop them, or"),
        ([(1, 2), (1,)], DataError, r"samples have \[1, 2\] parts, expected equally many; give collate_fn"),
        (
            [1, 2**63],
            OverflowError,
            "int too large to convert",
        ),
        (
            [Tensor(LINE), Tensor(LINE).to("emulator")],
            DataError,
            r"samples lie on cpu and emulator, expected one device; move them first, with .to\(device\)",
        ),
        ([], DataError, "default_collate: got no samples; give at least one"),
    ],
)
def test_refused(batch, error, words):
    with pytest.raises(error, match=words):
        default_collate(batch)

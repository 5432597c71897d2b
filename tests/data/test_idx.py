"""IDX files: every type, plain and gzip'ed, and what is said about damaged ones."""

import gzip
import struct

import numpy as np
import pytest

from gpunn.data import read_idx
from gpunn.errors import DataError


def idx(shape=(3, 2, 2), code=0x08, values=None) -> bytes:
    values = bytes(range(int(np.prod(shape)))) if values is None else values
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


def packed() -> bytes:
    """As gzip writes it at no particular time: test names hold these bytes, and every process must name tests alike."""
    return gzip.compress(idx(), mtime=0)


def stored(tmp_path, data: bytes, name="images-idx3-ubyte"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["a.gz", "a"])
def test_reads_plain_and_gzip_by_content(tmp_path, pack, name):
    got = read_idx(stored(tmp_path, pack(idx()), name), rank=3)
    assert got.dtype == np.uint8 and got.flags.writeable
    np.testing.assert_array_equal(got, np.arange(12).reshape(3, 2, 2))


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
def test_reads_every_type_in_native_order(tmp_path, code, dtype):
    want = np.array([[1, -2 if dtype != "u1" else 2, 100]], dtype=dtype)
    got = read_idx(stored(tmp_path, idx((1, 3), code, want.astype(want.dtype.newbyteorder(">")).tobytes())))
    assert got.dtype == np.dtype(dtype) and got.dtype.isnative
    np.testing.assert_array_equal(got, want)


def test_no_samples(tmp_path):
    assert read_idx(stored(tmp_path, idx((0, 28, 28)))).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not an IDX file: it is empty, expected 00 00"),
        (b"\x89PNG\r\n", "is not an IDX file: it starts with bytes 89 50 4e 47"),
        (b"\0\0\x07\x01\0\0\0\0", "is not an IDX file: it starts with bytes 00 00 07 01"),
        (idx()[:9], "ends inside its header (9 of 16 bytes)"),
        (idx()[:-5], "announces shape (3, 2, 2), that is 12 bytes of values, but holds 7"),
        (idx() + b"xy", "12 bytes of values, but holds 14"),
        (idx((2**32 - 1,) * 3, values=b"1"), "but holds 1; fetch the file again"),
        (packed()[:-9], "ends in the middle of its gzip data"),
        (packed()[:15], "ends in the middle of its gzip data"),
        (packed()[:-8] + b"12345678", "has corrupt gzip data (CRC check failed"),
        (b"\x1f\x8b" + b"\x07" * 30, "has corrupt gzip data"),
        (packed()[:10] + b"\xff" * 30, "has corrupt gzip data"),
    ],
)
def test_damaged(tmp_path, data, words):
    path = stored(tmp_path, data)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"read_idx: {path} ")
    assert "; fetch the file again" in str(caught.value) or "; give an IDX file" in str(caught.value)


def test_another_rank(tmp_path):
    with pytest.raises(DataError, match=r"has 1 dimensions but 3 were expected .* images and labels are not swapped"):
        read_idx(stored(tmp_path, idx((4,))), rank=3)


@pytest.mark.parametrize("name", ["missing", "."])
def test_unreadable(tmp_path, name):
    with pytest.raises(DataError, match=r"read_idx: cannot read .*(No such file|Is a directory).*; check the path"):
        read_idx(tmp_path / name)

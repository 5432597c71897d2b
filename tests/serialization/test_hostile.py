"""Files made to do harm: refused in one line, in little time and memory, and nothing in them is run."""

import io
import os
import pickle
import struct
import zipfile

import pytest

import gpunn
from gpunn.errors import CheckpointError


def archive(pickled, storages=(), packed=False, **members):
    """A file of PyTorch's form around a pickle and storages."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/version", b"3\n")
        for key, content in enumerate(storages):
            made.writestr(f"archive/data/{key}", content)
        for name, content in members.items():
            made.writestr(f"archive/{name}", content)
    file.seek(0)
    return file


def text(word):
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def whole(number):
    size = number.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + number.to_bytes(size, "little", signed=True)


def tensor(count, offset, size, stride, kind="FloatStorage", key="0"):
    """The pickle of one tensor."""
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + whole(count) + b"tQ"
    shape = b"".join(b"(" + b"".join(map(whole, numbers)) + b"t" for numbers in (size, stride))
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset) + shape
    return b"\x80\x02" + rebuild + b"\x89ccollections\nOrderedDict\n)RtR."


def test_a_good_one_is_read():
    x = gpunn.load(archive(tensor(4, 1, (2,), (2,)), [struct.pack("<4f", 1, 2, 3, 4)]))
    assert x.tolist() == [2, 4]


class Spy:
    def __reduce__(self):
        return os.mkdir, ("harm",)


BYTES = bytes(16)
HOSTILE = {
    "a call": (lambda: archive(pickle.dumps(Spy(), 2)), r"names posix.mkdir"),
    "a call of protocol 4": (lambda: archive(pickle.dumps(Spy(), 4)), r"names posix.mkdir"),
    "eval": (lambda: archive(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R."), r"names __builtin__.eval"),
    "a method": (lambda: archive(b"\x80\x02ctorch\nload\n."), r"names torch.load"),
    "past the end": (lambda: archive(tensor(4, 2, (3,), (1,)), [BYTES]), r"a tensor of \(3,\) past the end"),
    "an offset past it": (lambda: archive(tensor(4, 5, (0,), (1,)), [BYTES]), "past the end of its storage of 4"),
    "a stride past it": (lambda: archive(tensor(4, 0, (2, 2), (3, 1)), [BYTES]), "past the end of its storage"),
    "below 0": (lambda: archive(tensor(4, -1, (2,), (1,)), [BYTES]), "has a size of -1"),
    "a stride below 0": (lambda: archive(tensor(4, 3, (2,), (-1,)), [BYTES]), "has a size of -1"),
    "without end": (lambda: archive(tensor(4, 0, (2**61,), (0,)), [BYTES]), "past the end of its storage"),
    "a long number": (lambda: archive(tensor(4, 0, (2**900,), (0,)), [BYTES]), "has a size of"),
    "announced": (lambda: archive(tensor(2**50, 0, (2,), (1,)), [BYTES]), "a storage has 4 elements of float32, not"),
    "half an element": (lambda: archive(tensor(4, 0, (2,), (1,)), [BYTES[:15]]), "a storage of float32 has 15 bytes"),
    "no storage": (
        lambda: archive(tensor(4, 0, (2,), (1,), key="../../x"), [BYTES]),
        r"storage '\.\./\.\./x' is missing",
    ),
    "complex": (lambda: archive(tensor(2, 0, (2,), (1,), "ComplexFloatStorage"), [BYTES]), "names torch.ComplexFloat"),
    "packed": (lambda: archive(tensor(4, 0, (2,), (1,)), [bytes(1 << 20)], packed=True), "a member is packed"),
    "no tree": (lambda: zipped({"a/b": b""}), "an archive of another kind, without PyTorch's data.pkl"),
    "an array of objects": (
        lambda: archive(b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R."),
        "has an array of NumPy's type 'O8'",
    ),
    "a name alone": (lambda: archive(b"\x80\x02ctorch\nFloatStorage\n."), "leaves FloatStorage unused"),
    "a name in a tuple": (lambda: archive(b"\x80\x02ctorch\ndevice\n\x85\x85."), "leaves device unused"),
    "a key without end": (
        lambda: archive(b"\x80\x02})" + b"2\x86" * 3 + b"Ns."),
        "uses opcode DUP",
    ),
    "a nest as a key": (lambda: archive(b"\x80\x02})\x85\x85Ns."), "has a key that is no string or number"),
    "no pickle": (lambda: archive(b"weights"), "damaged, or none of PyTorch's"),
    "an empty one": (lambda: archive(b""), "damaged, or none of PyTorch's"),
    "another pickle": (lambda: io.BytesIO(pickle.dumps({"a": 1}, 2) * 5), "is no file of PyTorch's"),
}


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    file.seek(0)
    return file


@pytest.mark.parametrize(("make", "words"), HOSTILE.values(), ids=HOSTILE)
def test_refused(make, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=words) as caught:
        gpunn.load(make())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
    assert not list(tmp_path.iterdir())


def test_a_flipped_bit_and_a_missing_end_are_noticed():
    good = archive(tensor(4, 0, (4,), (1,)), [BYTES]).getvalue()
    at = good.index(BYTES)
    flipped = good[: at + 3] + b"\x01" + good[at + 4 :]
    for content in (flipped, good[:-30], good[: len(good) // 2]):
        with pytest.raises(CheckpointError, match="damaged, or none of PyTorch's"):
            gpunn.load(io.BytesIO(content))


def test_bools_are_bools():
    x = gpunn.load(archive(tensor(2, 0, (2,), (1,), "BoolStorage"), [b"\x00\x02"]))
    assert x.tolist() == [False, True] and x.sum().item() == 1


def test_the_other_byte_order_is_turned():
    file = archive(tensor(2, 0, (2,), (1,)), [struct.pack(">2f", 1, 2)], byteorder=b"big")
    assert gpunn.load(file).tolist() == [1, 2]

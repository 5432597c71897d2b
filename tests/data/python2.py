"""Pickles as Python 2's cPickle wrote them in protocol 2, byte by byte, for the values that CIFAR's files hold."""

import struct

import numpy as np


class Writer:
    """Writes values; every str and container is memoised, as cPickle does."""

    def __init__(self):
        self.parts, self.memo = [b"\x80\x02"], 0

    def put(self):
        self.parts.append(b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo))
        self.memo += 1

    def value(self, value):
        if isinstance(value, dict):
            self.parts.append(b"}")
            self.put()
            self.parts.append(b"(")
            for key, item in value.items():
                self.value(key)
                self.value(item)
            self.parts.append(b"u")
        elif isinstance(value, list):
            self.parts.append(b"]")
            self.put()
            for start in range(0, len(value), 1000):  # cPickle's batches
                self.parts.append(b"(")
                for item in value[start : start + 1000]:
                    self.value(item)
                self.parts.append(b"e")
        elif isinstance(value, str):
            self.string(value.encode("latin-1"))
        elif isinstance(value, int):
            self.number(value)
        else:
            self.array(value)

    def number(self, value):
        if 0 <= value < 256:
            self.parts.append(b"K" + bytes([value]))
        elif 0 <= value < 65536:
            self.parts.append(b"M" + struct.pack("<H", value))
        else:
            self.parts.append(b"J" + struct.pack("<i", value))

    def string(self, content):
        short = len(content) < 256
        self.parts.append(b"U" + bytes([len(content)]) if short else b"T" + struct.pack("<i", len(content)))
        self.parts.append(content)
        self.put()

    def array(self, array):
        """_reconstruct(ndarray, (0,), 'b') and its state (1, shape, dtype, False, bytes)."""
        self.parts.append(b"cnumpy.core.multiarray\n_reconstruct\n")
        self.put()
        self.parts.append(b"cnumpy\nndarray\n")
        self.put()
        self.parts.append(b"K\x00\x85U\x01b\x87R")
        self.put()
        self.parts.append(b"(K\x01(")
        for length in array.shape:
            self.number(length)
        self.parts.append(b"tcnumpy\ndtype\n")
        self.put()
        self.parts.append(b"U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
        self.string(array.tobytes())
        self.parts.append(b"tb")


def dumps(value) -> bytes:
    """`value` (dicts, lists, str, int, uint8 arrays) as Python 2 pickled it."""
    writer = Writer()
    writer.value(value)
    return b"".join([*writer.parts, b"."])


def batch(images: np.ndarray, **labels: list[int]) -> bytes:
    """One of CIFAR's batch files, with the entries that they all have."""
    n = len(images)
    head = {"batch_label": "training batch 1 of 5", **labels, "data": images.reshape(n, -1)}
    return dumps({**head, "filenames": [f"image_s_{i:06d}.png" for i in range(n)]})

"""Mutations: of bytes, of the nodes of a tree, of the words of a text. Each is a function of a random.Random."""

from __future__ import annotations

import copy
import json

import numpy as np


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


SCALARS = [None, True, False, 0, 1, -1, 3, 2**31, 10**9, 10**30, 10**400, -(10**18), 0.5, -0.0, 1e308, -1e308, 5e-324,
           float("nan"), float("inf"), "", "x", "nan", "1e-3", "²", "é\x1b[31m\n", "\ud800", "$\\frac{1}{",
           "a" * 20_000, "../../out", "/dev/null"]  # fmt: skip
TREES = [[], {}, [1], [None], [[]], {"a": 1}, {"": None}, list(range(300)), {"__array__": "no"}, {"__array__": 3}]
ARRAYS = [np.array(3), np.array(np.nan), np.zeros(0), np.zeros((0, 3), np.float32), np.ones(3, np.int64),
          np.full((2, 2), np.nan, np.float32), np.ones((1, 1, 1, 1)), np.array(["a", "b"]), np.array(True),
          np.ones(5, np.complex64), np.array(2**63, np.uint64), np.ones((2, 3), ">f4")]  # fmt: skip


def weird(rng, arrays=True):
    """A value that is seldom the right one."""
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(SCALARS)
    if kind < 0.8 or not arrays:
        return rng.choice([lambda: copy.deepcopy(rng.choice(TREES)), lambda: nested(60), lambda: nested(200)])()
    return rng.choice(ARRAYS).copy()


def nodes(tree):
    """Every (parent, key) of a tree of dicts and lists; of long lists the first and last."""
    found, left = [], [tree]
    while left:
        node = left.pop()
        keys = list(node if isinstance(node, dict) else range(len(node)))
        keys = keys if isinstance(node, dict) or len(keys) < 6 else keys[:3] + keys[-2:]
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], (dict, list)):
                left.append(node[key])
    return found


def in_tree(rng, tree, arrays=True):
    """One to three nodes replaced, deleted, doubled or given another name, in place."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = nodes(tree)
        if not places:
            return
        node, key = rng.choice(places)
        action = rng.random()
        if action < 0.7:
            node[key] = changed(rng, node[key]) if rng.random() < 0.3 else weird(rng, arrays)
        elif action < 0.85:
            del node[key]
        elif isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        else:
            node[str(rng.choice(["", key, "a\nb", "x" * 3000]))] = node.pop(key)


def changed(rng, value):
    """The value, a little different."""
    if isinstance(value, np.ndarray) and value.size:
        other = rng.choice([value.T, value[..., None], value.reshape(-1)[:-1], value.reshape(-1)[:0], value.astype("U"),
                            value.astype("f8") * np.nan if value.dtype.kind in "biuf" else value,
                            -value if value.dtype.kind in "if" else value])  # fmt: skip
        return np.array(other)
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        return rng.choice([-value, value + 1, value * 1000, float(value), str(value), [value]])
    if isinstance(value, str):
        return rng.choice([value[:-1], value + "\0", value.upper(), [value], value * 50])
    return {} if isinstance(value, list) else list(value) if isinstance(value, dict) else value


def in_bytes(rng, data):
    """Flipped bits, a cut, pieces doubled, dropped, blanked or moved."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at, length = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 4, 8, 64, 1000])
        action = rng.random()
        if action < 0.4 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif action < 0.5:
            del data[at:]
        elif action < 0.6:
            del data[at : at + length]
        elif action < 0.7:
            data[at:at] = data[at : at + length]
        elif action < 0.8:
            data[at : at + length] = rng.choice([b"\0", b"\xff"]) * min(length, len(data) - at)
        elif action < 0.9:
            data[at : at + length] = rng.randbytes(min(length, 64))
        else:
            data[at:at] = rng.choice([b"9" * length, b"[" * length, b"\x80" * 3, b"\n", b"(" * length])
    return bytes(data)


def in_words(rng, text, separators):
    """A word between the separators replaced by another, or by something that is none."""
    words, word = [], ""
    for letter in text:
        if letter in separators:
            words, word = [*words, word, letter], ""
        else:
            word += letter
    words.append(word)
    for _ in range(rng.choice([1, 1, 2, 4])):
        other = rng.choice([*map(str, [v for v in SCALARS if v != 10**400]), rng.choice(words), "9" * 5000, "[" * 500,
                            "1" * 300, "{a=1}", "[1,2]", "-", ",", '"', "'", "\0", "=", "#", "1979-05-27"])  # fmt: skip
        words[rng.randrange(len(words))] = other
    return "".join(words)


def dump(tree):
    """JSON of whatever the tree became, and of what has no JSON its words."""
    return json.dumps(tree, default=lambda value: value.tolist() if isinstance(value, np.ndarray) else str(value))

"""The recorded names of CuPy: true to the installed one, and enough for the look-alike without it."""

import inspect
import sys
from operator import attrgetter

import numpy as np
import pytest

from tests import cupy_record, cupy_stand_in

RECORD = cupy_record.read()


def test_it_is_what_cupy_has():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
    if cupy.__version__ != RECORD["version"]:
        pytest.skip(f"the record is of CuPy {RECORD['version']}, installed is {cupy.__version__}")
    assert cupy_record.described(cupy) == RECORD, "make it anew: python -m tests.cupy_record"


def test_nothing_is_lost_on_the_way_back():
    assert len(RECORD["cupy"]) > 400 and len(RECORD["cupy.ndarray"]) > 60
    assert cupy_record.described(cupy_record.rebuilt(RECORD)) == RECORD


def test_the_look_alike_has_no_name_that_cupy_lacks():
    xp, names = cupy_stand_in.module(), {path: set(found.split()) for path, found in RECORD["names"].items()}
    for path in (*cupy_record.NAMED, "cuda.nccl"):
        assert vars(attrgetter(path)(xp)).keys() <= names[path], path
    for one in {*cupy_record.CLASSES, "nccl.NcclCommunicator"} - {"Device", "ExternalStream", "PinnedMemoryPointer"}:
        public = {name for name in dir(attrgetter(one)(xp.cuda)) if not name.startswith("_")}
        assert public <= names[f"cuda.{one}"], one


def test_it_serves_where_cupy_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    found = cupy_record.cupy()
    assert inspect.ismodule(found) and found.__version__ == RECORD["version"] and found.float32 is np.float32
    assert str(inspect.signature(found.sum)) == "(a, axis=None, dtype=None, out=None, keepdims=False)"
    monkeypatch.setitem(sys.modules, "cupy", found)
    assert cupy_record.cupy() is found


def test_the_look_alike_refuses_by_it():
    xp = cupy_stand_in.module(cupy_record.rebuilt(RECORD))
    x = xp.asarray([[1.0, 2.0], [3.0, 5.0]])
    assert xp.sum(x, axis=1).tolist() == [3, 8] and x.sum(axis=0, keepdims=True).shape == (1, 2)
    assert xp.linalg.norm(xp.asarray([3.0, 4.0])).item() == 5 and xp.add(x, x).tolist() == [[2, 4], [6, 10]]
    with pytest.raises(TypeError, match="unexpected keyword argument 'where'"):
        xp.sum(x, where=x > 1)
    with pytest.raises(AssertionError, match=r"cupy\.ndarray\.sum takes no where"):
        x.sum(where=True)
    with pytest.raises(AttributeError, match=r"cupy\.ndarray has no newbyteorder"):
        x.newbyteorder()
    with pytest.raises(AttributeError, match="block"):
        xp.block([x])

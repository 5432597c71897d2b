"""The arrays of the look-alike of CuPy (tests/cupy_stand_in.py), and the functions that take them."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace

import numpy as np

from tests import counting, cupy_pointers
from tests import cupy_differences as differences
from tests.cupy_device import Device

_KNOWN = ("shape", "strides", "dtype", "ndim", "size", "nbytes", "itemsize")  # whichever device is current
_INDEXING = ("__getitem__", "__setitem__")
_COMPARE = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")


class ndarray:
    """Holds NumPy memory; `real` is CuPy's class, whose attributes alone are let through."""

    __module__ = "cupy"
    __hash__ = None
    __array_priority__ = 100
    real = None

    def __init__(self, values):
        self._memory = values
        self.device = Device(Device.now())
        cupy_pointers.born(self)

    @property
    def _values(self):
        assert self.device.id == Device.now(), f"an array of device {self.device.id} used on device {Device.now()}"
        return self._memory

    def __getattr__(self, name):
        if name.startswith("__") or not hasattr(self.real, name):
            raise AttributeError(f"cupy.ndarray has no {name}")
        found = getattr(self._memory if name in _KNOWN else self._values, name)
        return _method(self, getattr(self.real, name), found) if callable(found) else _wrapped(found)

    @property
    def data(self):
        return SimpleNamespace(ptr=self._memory.ctypes.data, device_id=self.device.id)

    @property
    def flags(self):
        flags = self._memory.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, fnc=flags.fnc, owndata=flags.owndata
        )

    def __deepcopy__(self, memo):
        return self.copy()

    def ravel(self, order="C"):
        if order == "K":
            raise NotImplementedError("ravel with order='K' not yet implemented.")
        return _made("ravel", self._values.ravel(order), self._values)

    def get(self, order="C"):
        counting.read("get")
        if not self._memory.flags.c_contiguous:
            counting.launched("get")  # row-major first, by a kernel
        return self._memory.copy(order=order)

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __array__(self, *args, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        assert method == "__call__", f"numpy.{ufunc.__name__}.{method} on a device array"
        return _computed(ufunc.__name__, ufunc(*_values(inputs), **_values(options)))

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"numpy.{function.__name__} was called with a device array; call array_module(x)'s")

    def __getitem__(self, key):
        index = differences.wrapped_index(self._values, _index(key))
        found = self._values[index]
        if differences.masks(index):
            counting.read("mask")  # how many are chosen
        return _made("getitem", found, self._values)

    def __setitem__(self, key, value):
        index = differences.wrapped_index(self._values, _index(key))
        if differences.masks(index):
            counting.read("mask")
        counting.launched("setitem")
        self._values[index] = _values(value)

    def __iter__(self):
        if not self._values.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._values)))

    def __len__(self):
        return len(self._values)

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())

    def __neg__(self):
        return _computed("negative", -self._values)

    def __invert__(self):
        return _computed("invert", ~self._values)

    def __abs__(self):
        return _computed("absolute", abs(self._values))


def _operators():
    def binary(name):
        def run(self, other):
            return _computed(name.strip("_"), getattr(self._values, name)(_values(other)))

        return run

    def in_place(name):
        def run(self, other):
            counting.launched(name.strip("_"))
            getattr(self._values, name)(_values(other))
            return self

        return run

    for name in _COMPARE:
        setattr(ndarray, name, binary(name))
    for name in _BINARY:
        setattr(ndarray, f"__{name}__", binary(f"__{name}__"))
        setattr(ndarray, f"__r{name}__", binary(f"__r{name}__"))
        setattr(ndarray, f"__i{name}__", in_place(f"__i{name}__"))


_operators()


def _values(x):
    """The NumPy side of arguments; a NumPy array among them is refused, as CuPy does."""
    if isinstance(x, ndarray):
        return x._values
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, dict):
        return {key: _values(value) for key, value in x.items()}
    return type(x)(map(_values, x)) if type(x) in (tuple, list) else x


def _index(key):
    """CuPy takes NumPy arrays and lists in an index."""
    if isinstance(key, tuple):
        return tuple(map(_index, key))
    return key._values if isinstance(key, ndarray) else key


def _wrapped(x):
    """Results: CuPy has no scalars, only 0-d arrays."""
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x))
    return type(x)(map(_wrapped, x)) if type(x) in (tuple, list) and any(isinstance(i, np.ndarray) for i in x) else x


def _computed(name, result):
    """What an elementwise kernel gives: new memory, row-major whatever the order of its inputs (NumPy keeps theirs)."""
    counting.launched(name)
    return _wrapped(np.asarray(result, order="C")) if isinstance(result, np.ndarray | np.generic) else result


def _made(name, result, *inputs):
    """A result that is a view of an input, which costs nothing, or new memory, row-major, that a kernel wrote."""
    if isinstance(result, np.ndarray) and any(np.may_share_memory(result, x) for x in inputs):
        return _wrapped(result)
    return _computed(name, result)


def _method(array, real, found):
    name = real.__name__
    first = (real.__doc__ or "").splitlines()[0] if real.__doc__ else ""
    names = set(re.findall(r"(\w+)=", first)) | set(re.findall(r"[(,]\s*(\w+)(?=[,)=])", first))

    def run(*args, **options):
        unknown = set(options) - names
        assert not unknown, f"cupy.ndarray.{name} takes no {', '.join(unknown)}: {first}"
        differences.check_method(name, array._values, args, options)
        if name == "take":
            options["mode"] = "wrap"
        result = found(*_values(args), **_values(options))
        if result is array._values:
            return array
        if name in ("astype", "copy"):
            counting.launched(name)
            return _wrapped(result)
        return _made(name, result, array._values)

    return run


class Ufunc:
    def __init__(self, name, ufunc):
        self.name, self.ufunc = name, ufunc

    def __call__(self, *args, **options):
        assert set(options) <= {"out", "dtype", "casting"}, f"cupy.{self.name} takes no {', '.join(options)}"
        ufunc = differences.powers if self.name == "power" and not options else self.ufunc
        result = ufunc(*_values(args), **_values(options))
        if options.get("out") is None:
            return _computed(self.name, result)
        counting.launched(self.name)
        return options["out"]

    def at(self, a, indices, b=None):
        assert self.name in ("add", "subtract", "maximum", "minimum"), self.name
        differences.check_scatter(self.name, a._values)
        counting.launched(f"{self.name}.at")
        self.ufunc.at(a._values, differences.wrapped_index(a._values, _index(indices)), _values(b))


def function(name, real, numpys):
    signature = inspect.signature(real)

    def run(*args, **options):
        signature.bind(*args, **options)
        given, named = differences.adapted(name, _values(args), _values(options))
        result = numpys(*given, **named)
        if options.get("out") is not None:
            counting.launched(name)
            return options["out"]
        if name.endswith("_like"):
            if name != "empty_like":
                counting.launched(name)
            return _wrapped(result)
        return _made(name, result, *(x for x in given if isinstance(x, np.ndarray)))

    run.__name__ = name
    return run

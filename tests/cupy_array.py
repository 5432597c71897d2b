"""The arrays of the look-alike of CuPy (tests/cupy_stand_in.py), and the functions that take them."""

from __future__ import annotations

import re
import weakref
from types import SimpleNamespace

import numpy as np

from tests import counting, cupy_allocator, cupy_capture, cupy_launch, cupy_pointers
from tests import cupy_differences as differences
from tests.cupy_device import Device
from tests.cupy_pointer import MemoryPointer, UnownedMemory

_OVER = {}  # the last device array over each memory of NumPy's, by its id
_FLAGS = ("c_contiguous", "f_contiguous", "fnc", "owndata")
_COPY = ("astype", "copy")  # new memory in the order of the old
_WRITE = ("fill", "sort", "partition", "put")  # in place
_UNARY = {"__neg__": np.negative, "__invert__": np.invert, "__abs__": np.absolute}
_COMPARE = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")


class ndarray:
    """Holds NumPy memory; `_cupys` is CuPy's class, whose attributes alone are let through."""

    __module__ = "cupy"
    __hash__ = None
    __array_priority__ = 100
    _cupys = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is None:
            self._hold(cupy_allocator.empty(shape, dtype, order))
        else:
            self._hold(cupy_allocator.array_at(memptr, shape, dtype, strides))

    @classmethod
    def _of(cls, values, device=None):
        """A device array over this memory of NumPy's: of the current device, or of the array's that it is a view of."""
        made = cls.__new__(cls)
        made._hold(values, device)
        return made

    def _hold(self, values, device=None):
        self._memory, self.base = values, None
        if (base := values.base) is not None and id(base) in _OVER:
            whole = _OVER[id(base)]()
            self.base = whole if whole is not None and whole._memory is base else None
        _OVER[id(values)] = weakref.ref(self)
        self.device = Device(Device.now()) if device is None else device
        cupy_pointers.born(self)

    @property
    def _values(self):
        assert self.device.id == Device.now(), f"an array of device {self.device.id} used on device {Device.now()}"
        return self._memory

    def __getattr__(self, name):
        if name.startswith("__") or not hasattr(self._cupys, name):
            raise AttributeError(f"cupy.ndarray has no {name}")
        found = getattr(self._memory, name)
        if callable(found):
            return _method(self, getattr(self._cupys, name))
        return _wrapped(found) if not isinstance(found, np.ndarray) else ndarray._of(found, self.device)

    @property
    def data(self):
        whole = memory = self._memory
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        first, own = (a.__array_interface__["data"][0] for a in (whole, memory))
        return MemoryPointer(UnownedMemory(first, whole.nbytes, whole, self.device.id), own - first)

    @property
    def flags(self):
        flags = self._memory.flags
        return SimpleNamespace(**{name: getattr(flags, name) for name in _FLAGS})

    def view(self, dtype=None, type=None):
        if dtype is None and type is not None:
            return type._of(self._memory, self.device)
        return _made("view", lambda a: a.view(dtype), self)

    def __deepcopy__(self, memo):
        return self.copy()

    def ravel(self, order="C"):
        if order == "K":
            raise NotImplementedError("ravel with order='K' not yet implemented.")
        return _made("ravel", lambda a: a.ravel(order), self)

    def get(self, stream=None, order="C", out=None, blocking=True):
        cupy_capture.refuse_copy("D2H transfers", stream)
        counting.read("get")
        if not self._memory.flags.c_contiguous:
            counting.launched("get")  # row-major first, by a kernel
        if out is None:
            return self._memory.copy(order=order)
        out[...] = self._memory
        return out

    def set(self, arr, stream=None):
        cupy_capture.refuse_copy("H2D transfers", stream)
        counting.copied("set")
        self._values[...] = differences.from_host(arr)

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __array__(self, *args, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        assert method == "__call__", f"numpy.{ufunc.__name__}.{method} on a device array"
        return _computed(ufunc.__name__, lambda *given: ufunc(*given, **options), *inputs)

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"numpy.{function.__name__} was called with a device array; call array_module(x)'s")

    def __getitem__(self, key):
        key = _index(key)
        if differences.masks(key):
            _read("mask")  # how many are chosen
        return _made("getitem", lambda a, index: differences.view(a, differences.wrapped_index(a, index)), self, key)

    def __setitem__(self, key, value):
        key = _index(key)
        if differences.masks(key):
            _read("mask")

        def run(a, index, x):
            a[differences.wrapped_index(a, index)] = x

        _written("setitem", run, self, key, _values(value))

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __len__(self):
        return len(self._values)


def _operators():
    def binary(name):
        def run(self, other):
            if "matmul" in name:
                cupy_capture.refuse_library("cuBLAS")
            return _computed(name.strip("_"), lambda a, b: getattr(a, name)(b), self, other)

        return run

    def in_place(name):
        def run(self, other):
            if "matmul" in name:
                cupy_capture.refuse_library("cuBLAS")
            _written(name.strip("_"), lambda a, b: getattr(a, name)(b), self, _values(other))
            return self

        return run

    def unary(ufunc):
        return lambda self: _computed(ufunc.__name__, ufunc, self)

    def number(kind):
        return lambda self: kind(self.get())

    for name, ufunc in _UNARY.items():
        setattr(ndarray, name, unary(ufunc))
    for kind in (float, int, bool):
        setattr(ndarray, f"__{kind.__name__}__", number(kind))
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
    """CuPy takes NumPy arrays and lists in an index, and sends them to the device."""
    if isinstance(key, tuple):
        return tuple(map(_index, key))
    if isinstance(key, ndarray):
        return key._values
    if isinstance(key, np.ndarray | list):
        cupy_capture.refuse_copy("H2D transfers")
    return key


def _read(name):
    """The host waits for numbers of the device's."""
    cupy_capture.refuse_copy("D2H transfers")
    counting.read(name)


def _wrapped(x):
    """Results: CuPy has no scalars, only 0-d arrays."""
    if isinstance(x, np.ndarray | np.generic):
        return ndarray._of(np.asarray(x))
    return type(x)(map(_wrapped, x)) if type(x) in (tuple, list) and any(isinstance(i, np.ndarray) for i in x) else x


def _computed(name, compute, *args):
    return cupy_launch.computed(ndarray._of, name, compute, *_values(args))


def _made(name, compute, self, *values):
    """A view, whichever device is current, or what a kernel wrote on self's, which must be."""
    return cupy_launch.made(ndarray._of, name, compute, self._memory, *values, viewed=self)


def _written(name, run, target, *args):
    cupy_launch.written(name, run, target._values, *args)


def _method(array, real):
    name = real.__name__
    first = (real.__doc__ or "").splitlines()[0] if real.__doc__ else ""
    names = set(re.findall(r"(\w+)=", first)) | set(re.findall(r"[(,]\s*(\w+)(?=[,)=])", first))

    def run(*args, **options):
        unknown = set(options) - names
        assert not unknown, f"cupy.ndarray.{name} takes no {', '.join(unknown)}: {first}"
        differences.check_method(name, array._memory, args, options)
        if name == "astype" and options.get("copy") is False and array.dtype == args[0]:
            return array  # whichever device is current
        if name == "take":
            options["mode"] = "wrap"
        if name == "dot":
            cupy_capture.refuse_library("cuBLAS")
        out = options.pop("out", None)
        values = array._memory, _values(args), _values(options)

        def compute(a, given, named, **to):
            return getattr(a, name)(*given, **named, **to)

        if out is not None:
            return _written(name, lambda to, *given: compute(*given, out=to), out, *values) or out
        if name in _WRITE:
            return cupy_launch.written(name, compute, array._values, *values[1:])

        def wrap(x):
            return array if x is array._memory else ndarray._of(x)

        if name in _COPY:
            return cupy_launch.new(wrap, name, compute, array._values, *values[1:])
        return cupy_launch.made(wrap, name, compute, *values, viewed=array)

    return run

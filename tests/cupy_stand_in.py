"""A stand-in for a GPU: arrays that do what CuPy's do and refuse what CuPy's refuse, over NumPy memory.

Names and signatures are read off the installed CuPy, which needs no GPU for that, or off the record of them where it is
missing (tests/cupy_record.py). A function or a method that CuPy lacks, an argument that it does not take, a NumPy array
among device arrays, an implicit copy to the host: each raises here as there. Where CuPy computes something else than
NumPy (tests/cupy_differences.py), so does this. Kernels are compiled and run by the emulator, from the very text and
arguments that CuPy would get. tests/counting.py counts what is asked for here.
"""

from __future__ import annotations

import inspect
import re
import sys
from types import SimpleNamespace

import numpy as np

from gpunn import emulator
from gpunn.emulator.memory import is_dense
from tests import counting, cupy_pointers, cupy_record
from tests import cupy_differences as differences
from tests.cupy_array import Ufunc, function, ndarray
from tests.cupy_device import Device, Stream


class Namespace:
    """A module of CuPy: what it has, computed by NumPy's function of the same name."""

    def __init__(self, real, numpys, **own):
        self._real, self._numpys, self._own = real, numpys, own

    def __getattr__(self, name):
        if name in self._own:
            return self._own[name]
        real = getattr(self._real, name)
        if isinstance(real, type) or not callable(real):
            return Namespace(real, getattr(self._numpys, name)) if inspect.ismodule(real) else real
        numpys = getattr(self._numpys, name)
        return Ufunc(name, numpys) if type(real) is self._ufunc_type else function(name, real, numpys)


class RawModule:
    """Runs the kernel on the emulator; the macros are the #define lines that the launcher puts in front."""

    def __init__(self, *, code, options, backend):
        assert backend == "nvrtc" and all(isinstance(option, str) for option in options)
        self._macros = dict(re.findall(r"^#define (\w+) (.*)$", code.partition("#line")[0], re.M))
        self._text = "#line" + code.partition("#line")[2]
        # What the emulator calls this source, so that one build of it serves both.
        self._file = re.findall(r'^#line \d+ "(.*)"', self._text, re.M)[-1]

    def get_function(self, name):
        text, macros, file = self._text, self._macros, self._file
        written = differences.written_by(text, name)

        def run(grid, block, args, *, shared_mem=0):
            counting.launched(name)
            if counting.is_dry():
                for array, is_written in zip(args, written, strict=True):
                    if is_written and isinstance(array, ndarray):
                        array._values[...] = 0.5 if array._values.dtype.kind in "fV" else 0
                return
            kernel = emulator.load(text, name, macros, file)
            given = []
            for parameter, a in zip(kernel.parameters, args, strict=True):
                if isinstance(a, ndarray):
                    assert parameter.pointer and is_dense(a._values), parameter
                    given.append(a._values.view(emulator.EmulatedArray))
                elif parameter.pointer:  # a null pointer: eight bytes of zeros
                    assert type(a) is np.uint64 and a == 0, parameter
                    given.append(None)
                elif isinstance(a, np.void):  # a struct; its uint64 are addresses
                    assert parameter.code == "V" and a.nbytes == parameter.bytes, parameter
                    given.append(cupy_pointers.with_arrays(a))
                else:  # CuPy passes a NumPy scalar's bytes as they are
                    assert isinstance(a, np.generic) and a.dtype.str[1:] == parameter.code, (parameter, type(a))
                    given.append(a)
            kernel(grid, block, given)

        return run


def _asarray(x, dtype=None):
    if isinstance(x, ndarray):
        if x.device.id != Device.now():
            x = ndarray(x._memory.copy(order="K"))
        return x if dtype is None else x.astype(dtype, copy=False)
    counting.copied("asarray")
    return ndarray(differences.from_host(x, dtype))


def _empty(shape, dtype=float):
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[...] = 0xFF
    return ndarray(array)


def module(real=None):
    """The stand-in for the module `real`: CuPy, or the record of it."""
    real = cupy_record.cupy() if real is None else real
    ndarray.real = real.ndarray
    Namespace._ufunc_type = real.ufunc
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 2,
        getDevice=Device.now,
        driverGetVersion=lambda: 12090,
        CUDARuntimeError=RuntimeError,
    )
    cuda = SimpleNamespace(
        Device=Device,
        runtime=runtime,
        driver=SimpleNamespace(CUDADriverError=RuntimeError),
        nvrtc=SimpleNamespace(getVersion=lambda: (12, 9)),
        get_current_stream=Stream,
        compiler=SimpleNamespace(CompileException=real.cuda.compiler.CompileException),
    )
    return Namespace(
        real,
        np,
        ndarray=ndarray,
        cuda=cuda,
        RawModule=RawModule,
        asarray=_asarray,
        asnumpy=ndarray.get,
        empty=_empty,
    )


def forget_plans():
    """Empty the caches of gpunn.cuda that hold compiled kernels: they are this stand-in's, or those of a real card."""
    for name, found in list(sys.modules.items()):
        if name.startswith("gpunn.cuda.") and name != "gpunn.cuda.source":
            for kept in vars(found).values():
                if hasattr(kept, "cache_clear"):
                    kept.cache_clear()

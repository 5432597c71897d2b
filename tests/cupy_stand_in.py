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
from functools import partial
from types import SimpleNamespace

import numpy as np

from gpunn import emulator
from gpunn.emulator.memory import is_dense
from tests import (
    counting,
    cupy_allocator,
    cupy_capture,
    cupy_errors,
    cupy_launch,
    cupy_memory,
    cupy_nccl,
    cupy_pointer,
    cupy_pointers,
    cupy_record,
    cupy_streams,
)
from tests import cupy_differences as differences
from tests.cupy_array import ndarray
from tests.cupy_device import Device, current_stream
from tests.cupy_functions import Ufunc, function


class Namespace:
    """A module of CuPy: what it has, computed by NumPy's function of the same name."""

    def __init__(self, real, numpys, **own):
        self._real, self._numpys, self._own = real, numpys, own

    def __getattr__(self, name):
        if name in self._own:
            return self._own[name]
        if self._numpys is np.random:
            cupy_capture.refuse_library("cuRAND")
        real = getattr(self._real, name)
        if isinstance(real, type) or not callable(real):
            return Namespace(real, getattr(self._numpys, name)) if inspect.ismodule(real) else real
        numpys = getattr(self._numpys, name)
        return Ufunc(name, numpys) if type(real) is self._ufunc_type else function(name, real, numpys)


class RawModule:
    """Runs the kernel on the emulator; the macros are the #define lines that the launcher puts in front."""

    def __init__(self, *, code, options, backend, enable_cooperative_groups=False):
        assert backend == "nvrtc" and all(isinstance(option, str) for option in options)
        self._macros = dict(re.findall(r"^#define (\w+) (.*)$", code.partition("#line")[0], re.M))
        self._options = {"cooperative": True} if enable_cooperative_groups else {}
        self._text = "#line" + code.partition("#line")[2]
        # What the emulator calls this source, so that one build of it serves both.
        self._file = re.findall(r'^#line \d+ "(.*)"', self._text, re.M)[-1]

    def get_function(self, name):
        text, macros, file, more = self._text, self._macros, self._file, self._options
        written = differences.written_by(text, name)

        def run(grid, block, args, *, shared_mem=0):
            counting.launched(name)
            capture = cupy_capture.now()
            kernel = None if counting.is_dry() else emulator.load(text, name, macros, file)
            given = _given(args, None if kernel is None else kernel.parameters)
            options = {"shared_bytes": shared_mem, **more} if shared_mem else more
            kernel = partial(kernel, **options) if kernel and options else kernel
            if capture is None:
                _launch(kernel, grid, block, given, written)
            else:
                frozen = [_frozen(a) for a in given]
                capture.record(name, lambda: _launch(kernel, grid, block, frozen, written))

        run.shared_size_bytes = 0  # none of the kernels that ask for dynamic shared memory has other
        run.kernel = SimpleNamespace(ptr=0)
        return run


def _given(args, parameters):
    """What the emulator takes for a kernel's arguments; parameters None: it is not going to run."""
    given = []
    for parameter, a in zip(parameters or [None] * len(args), args, strict=True):
        if isinstance(a, ndarray):
            assert parameter is None or (parameter.pointer and (parameter.constant or is_dense(a._values))), parameter
            given.append(a._values.view(emulator.EmulatedArray))
        elif parameter is None:
            given.append(a)
        elif parameter.pointer:  # a null pointer: eight bytes of zeros
            assert type(a) is np.uint64 and a == 0, parameter
            given.append(None)
        elif isinstance(a, np.void):  # a struct; its uint64 are addresses
            assert parameter.code == "V" and a.nbytes == parameter.bytes, parameter
            given.append(cupy_pointers.with_arrays(a))
        else:  # CuPy passes a NumPy scalar's bytes as they are
            assert isinstance(a, np.generic) and a.dtype.str[1:] == parameter.code, (parameter, type(a))
            given.append(a)
    return given


def _frozen(a):
    """An argument as a graph keeps it: its bytes, whatever becomes of the arrays that lie there."""
    if isinstance(a, np.ndarray):
        return cupy_capture.detached(a).view(emulator.EmulatedArray)
    if isinstance(a, emulator.Struct):
        return emulator.Struct(a.value.copy(), {name: [_frozen(x) for x in found] for name, found in a.arrays.items()})
    return a


def _launch(kernel, grid, block, given, written):
    if kernel is not None:
        kernel(grid, block, given)
        return
    for array, is_written in zip(given, written, strict=True):
        if is_written and isinstance(array, np.ndarray):
            array[...] = 0.5 if array.dtype.kind in "fV" else 0


def _asarray(x, dtype=None):
    if isinstance(x, ndarray):
        if x.device.id != Device.now():
            x = ndarray._of(cupy_allocator.placed(x._memory.copy(order="K")))
        return x if dtype is None else x.astype(dtype, copy=False)
    array = differences.from_host(x, dtype)
    if not array.ndim and cupy_capture.now() is not None:  # one number goes as a kernel's argument
        return cupy_launch.new(ndarray._of, "fill", lambda: array)
    cupy_capture.refuse_copy("H2D transfers")
    counting.copied("asarray")
    return ndarray._of(cupy_allocator.placed(array))


def _empty(shape, dtype=float, order="C"):
    return ndarray._of(cupy_allocator.empty(shape, dtype, order))


def _cuda(real):
    return SimpleNamespace(
        Device=Device,
        Event=cupy_streams.Event,
        ExternalStream=cupy_streams.ExternalStream,
        Graph=cupy_capture.Graph,
        Memory=cupy_pointer.Memory,
        MemoryHook=cupy_memory.MemoryHook,
        MemoryPointer=cupy_pointer.MemoryPointer,
        MemoryPool=cupy_memory.MemoryPool,
        PinnedMemory=cupy_pointer.PinnedMemory,
        PinnedMemoryPointer=cupy_pointer.PinnedMemoryPointer,
        Stream=cupy_streams.Stream,
        UnownedMemory=cupy_pointer.UnownedMemory,
        alloc=cupy_allocator.alloc,
        alloc_pinned_memory=cupy_pointer.alloc_pinned_memory,
        compiler=SimpleNamespace(CompileException=real.cuda.compiler.CompileException),
        driver=SimpleNamespace(
            CUDADriverError=cupy_errors.CUDADriverError,
            occupancyMaxActiveBlocksPerMultiprocessor=lambda function, threads, shared_bytes: 768 // threads,
        ),
        get_allocator=cupy_allocator.get_allocator,
        get_current_stream=current_stream,
        get_device_id=Device.now,
        memory=SimpleNamespace(OutOfMemoryError=cupy_errors.OutOfMemoryError),
        nccl=cupy_nccl.module(),
        nvrtc=SimpleNamespace(getVersion=lambda: (12, 9)),
        runtime=_runtime(),
        set_allocator=cupy_allocator.set_allocator,
        using_allocator=cupy_allocator.using_allocator,
    )


def _runtime():
    return SimpleNamespace(
        CUDARuntimeError=cupy_errors.CUDARuntimeError,
        deviceSynchronize=lambda: Device().synchronize(),
        driverGetVersion=lambda: 12090,
        freeHost=cupy_pointer.free_host,
        getDevice=Device.now,
        getDeviceCount=lambda: 2,
        hostAlloc=cupy_pointer.host_alloc,
        hostAllocDefault=0,
        hostAllocMapped=2,
        hostAllocPortable=1,
        hostAllocWriteCombined=4,
        memGetInfo=lambda: (cupy_pointer.card.total - cupy_pointer.card.taken, cupy_pointer.card.total),
        streamCaptureModeGlobal=cupy_capture.GLOBAL,
        streamCaptureModeRelaxed=cupy_capture.RELAXED,
        streamCaptureModeThreadLocal=cupy_capture.THREAD_LOCAL,
    )


def module(real=None):
    """The stand-in for the module `real`: CuPy, or the record of it."""
    real = cupy_record.cupy() if real is None else real
    ndarray._cupys = real.ndarray
    Namespace._ufunc_type = real.ufunc
    cupy_capture.reset()
    cupy_allocator.reset()
    Device.current.__init__()
    return Namespace(
        real,
        np,
        ndarray=ndarray,
        cuda=_cuda(real),
        get_default_memory_pool=lambda: cupy_allocator.default_pool,
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

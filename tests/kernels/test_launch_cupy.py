"""The launcher's CuPy side without a GPU: a stand-in for cupy records what would be compiled and launched."""

from types import SimpleNamespace

import numpy as np
import pytest

from gpunn import backend, seals
from gpunn.cuda import cubins, kernel
from gpunn.cuda.device import _attribute, capability
from gpunn.errors import DeviceError

KERNEL = {"T": "float", "ACC": "float"}


class CompileException(Exception):
    def get_message(self):
        return "reduce/sum_parts.cu(19): error: nothing"


class Device:
    def __init__(self, id):
        self.id, self.entered = id, 0

    def __enter__(self):
        self.entered += 1

    def __exit__(self, *exc_info):
        pass


class ndarray:
    __module__ = "cupy"

    def __init__(self, shape, device, dtype="f4", pointer=256):
        self.shape, self.dtype, self.device = shape, np.dtype(dtype), device
        self.size, self.data = int(np.prod(shape)), SimpleNamespace(ptr=pointer)
        self.flags = SimpleNamespace(c_contiguous=True)


class Runtime:
    class CUDARuntimeError(Exception):
        pass


class Driver:
    class CUDADriverError(Exception):
        pass

    @staticmethod
    def occupancyMaxActiveBlocksPerMultiprocessor(function, threads, shared_bytes):
        assert function == 7
        return 2 if threads == 256 and not shared_bytes else 1


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seals.say.cache_clear()
    found = SimpleNamespace(modules=[], files=[], launches=[], shared=[], cooperative=[])
    found.fails = found.broken = found.refused = found.refuses_files = False

    def synchronize():
        if found.broken:
            raise Runtime.CUDARuntimeError("an illegal memory access was encountered")

    class RawModule:
        def __init__(self, code=None, options=(), backend=None, path=None, enable_cooperative_groups=False):
            found.cooperative.append(enable_cooperative_groups)
            if path is not None and found.refuses_files:
                raise Driver.CUDADriverError("CUDA_ERROR_INVALID_IMAGE")
            found.modules.append((code, options, backend))
            found.files.append(path)

        def get_function(self, name):
            if found.fails:
                raise CompileException

            class Function:
                shared_size_bytes, max_dynamic_shared_size_bytes = 1024, 48 * 1024
                kernel = SimpleNamespace(ptr=7)

                def __call__(self, grid, block, args, *, shared_mem=0):
                    if found.refused:
                        raise Driver.CUDADriverError("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")
                    assert shared_mem <= self.max_dynamic_shared_size_bytes
                    found.launches.append((name, grid, block, args))
                    found.shared.append(shared_mem)

            return Function()

    cuda = SimpleNamespace(
        compiler=SimpleNamespace(CompileException=CompileException),
        runtime=Runtime,
        driver=Driver,
        Device=lambda index: SimpleNamespace(
            attributes={"MaxSharedMemoryPerBlockOptin": 99 * 1024, "MultiProcessorCount": 3}, compute_capability="90"
        ),
        nvrtc=SimpleNamespace(getVersion=lambda: (12, 9)),
        get_current_stream=lambda: SimpleNamespace(synchronize=synchronize),
    )
    monkeypatch.setattr(backend, "require_cupy", lambda: SimpleNamespace(RawModule=RawModule, cuda=cuda))
    kept = kernel._compiled, _attribute, capability  # of device 0, which other tests have too
    for one in kept:
        one.cache_clear()
    yield found
    for one in kept:
        one.cache_clear()


def test_a_kernel_is_compiled_once_a_device_and_launched_there(fake):
    launch = kernel.kernel("reduce/sum_parts", **KERNEL)
    for index in (0, 1, 0):
        device = Device(index)
        launch((3,), (256,), ndarray((2, 700), device), ndarray((700,), device), 700, 2)
        assert device.entered == 1
    assert len(fake.modules) == 2 and len(fake.launches) == 3
    code, options, _ = fake.modules[0]
    assert code.startswith("#define ACC float\n#define T float\n#line 1") and options == kernel.OPTIONS
    name, grid, block, args = fake.launches[0]
    assert (name, grid, block) == ("sum_parts", (3,), (256,))
    assert [type(a).__name__ for a in args] == ["ndarray", "ndarray", "int64", "int32"]


def test_null_pointers_are_eight_zero_bytes_and_floats_the_accumulation_type(fake):
    device = Device(0)
    launch = kernel.kernel("batch_norm/naive_forward", **KERNEL, NHWC=1)
    x, c = ndarray((4, 3), device), ndarray((3,), device)
    launch((3,), (128,), x, None, None, None, x, c, c, *[None] * 4, {"N": 4, "C": 3, "L": 1}, 1e-5, True, 0.1, 1.5)
    args = fake.launches[0][3]
    assert [type(a).__name__ for a in args[1:4]] == ["uint64"] * 3 and not any(args[1:4])
    assert [type(a).__name__ for a in args[-5:]] == ["void", "float32", "int32", *["float64"] * 2]


def test_a_struct_is_one_scalar_with_the_fields_that_the_kernel_declares(fake):
    device = Device(0)
    launch = kernel.kernel("batch_norm/naive_forward", **KERNEL, NHWC=1)
    x, c = ndarray((4, 3), device), ndarray((3,), device)
    sizes = {"L": 1, "C": 3, "N": 4, "unused": 9}
    launch((3,), (128,), x, None, None, None, x, c, c, *[None] * 4, sizes, 1e-5, True, 0.1, 1.5)
    packed = fake.launches[0][3][-5]
    assert packed.dtype.names == ("N", "C", "L") and packed.tolist() == (4, 3, 1) and packed.nbytes == 12


def test_arrays_of_two_gpus_are_refused_by_name(fake):
    launch = kernel.kernel("reduce/sum_parts", **KERNEL)
    with pytest.raises(ValueError, match=r"out is on cuda:1 but parts is on cuda; move one with to_device"):
        launch((1,), (256,), ndarray((2, 5), Device(0)), ndarray((5,), Device(1)), 5, 2)
    assert not fake.launches


def test_unaligned_memory_is_seen_by_its_pointer(fake):
    assert kernel.is_aligned(ndarray((4,), Device(0)))
    assert not kernel.is_aligned(ndarray((4,), Device(0), pointer=260))


def test_a_failed_compilation_shows_the_log_and_the_macros(fake):
    fake.fails = True
    launch = kernel.kernel("reduce/sum_parts", **KERNEL)
    with pytest.raises(DeviceError, match=r"does not compile for device 0 .*'T': 'float'") as caught:
        launch((1,), (256,), ndarray((2, 5), Device(0)), ndarray((5,), Device(0)), 5, 2)
    assert "sum_parts.cu(19): error: nothing" in str(caught.value)


def test_debug_mode_synchronises_and_names_the_failing_kernel(fake, monkeypatch):
    launch, device = kernel.kernel("reduce/sum_parts", **KERNEL), Device(0)
    fake.broken = True
    launch((1,), (256,), ndarray((2, 5), device), ndarray((5,), device), 5, 2)  # errors surface later
    monkeypatch.setenv("GPUNN_DEBUG_SYNC", "1")
    with pytest.raises(DeviceError) as caught:
        launch((1,), (256,), ndarray((2, 5), device), ndarray((5,), device), 5, 2)
    assert "sum_parts.cu failed with parts float32 (2, 5), out float32 (5,), L 5, J 2" in str(caught.value)
    assert "illegal memory access" in str(caught.value)


def test_a_launch_that_the_driver_refuses_names_the_kernel(fake):
    fake.refused = True
    launch, device = kernel.kernel("reduce/sum_parts", **KERNEL), Device(0)
    told = r"sum_parts.cu failed with parts float32 \(2, 5\).*OUT_OF_RESOURCES.*GPUNN_DEBUG_SYNC"
    with pytest.raises(DeviceError, match=told):
        launch((1,), (256,), ndarray((2, 5), device), ndarray((5,), device), 5, 2)


def test_a_cooperative_launch_is_of_blocks_that_all_run_at_once(fake):
    launch, device = kernel.kernel("reduce/sum_parts", **KERNEL), Device(0)
    args = ndarray((2, 5), device), ndarray((5,), device), 5, 2
    launch((1,), (256,), *args)
    launch((3, 2), (256,), *args, cooperative=True)
    launch((3,), (256,), *args, cooperative=True, shared_bytes=1000)
    assert fake.cooperative == [False, True] and len(fake.launches) == 3
    told = r"sum_parts.cu: a cooperative grid has 7 blocks of 256 threads, but cuda:0 holds 6 of them at once; use a "
    with pytest.raises(ValueError, match=told):
        launch((7,), (256,), *args, cooperative=True)
    assert len(fake.launches) == 3


def test_dynamic_shared_memory_past_48_kb_is_asked_for_first(fake):
    launch, device = kernel.kernel("reduce/sum_parts", **KERNEL), Device(0)
    for wanted in (0, 1000, 96 * 1024, 64 * 1024):
        launch((1,), (256,), ndarray((2, 5), device), ndarray((5,), device), 5, 2, shared_bytes=wanted)
    assert fake.shared == [0, 1000, 96 * 1024, 64 * 1024]
    told = r"sum_parts.cu: shared_bytes is 101376, but cuda:0 gives this kernel at most 100352 a block; use a smaller"
    with pytest.raises(ValueError, match=told):
        launch((1,), (256,), ndarray((2, 5), device), ndarray((5,), device), 5, 2, shared_bytes=99 * 1024)


def built(version=(12, 9)):
    """A kernel put into the cache folder as if a compiler of this version had made it for sm_90."""
    found = kernel.kernel("reduce/sum_parts", **KERNEL)
    build = cubins.Build(found.source.file, found.source.specialised(KERNEL), 90, version)
    cubins.cached(build, lambda: (b"machine code", "ptxas info"))
    return found, build.path


def run(launch):
    launch((3,), (256,), ndarray((2, 700), Device(0)), ndarray((700,), Device(0)), 700, 2)


def test_a_prebuilt_kernel_is_loaded_in_place_of_compiling(fake):
    launch, path = built()
    run(launch)
    assert fake.files == [str(path)] and fake.modules[0][0] is None and path.read_bytes() == b"machine code"


@pytest.mark.parametrize("refused", [False, True], ids=["other bytes", "refused by the driver"])
def test_a_damaged_prebuilt_kernel_is_compiled_anew_and_a_line_says_so(fake, capsys, refused):
    launch, path = built()
    fake.refuses_files = refused
    if not refused:
        path.write_bytes(b"machine cod")
    run(launch)
    assert fake.files == [None] and fake.modules[0][0].startswith("#define ACC float")
    assert capsys.readouterr().err == f"gpunn: {path} is damaged; the kernel is compiled anew\n"


def test_a_prebuilt_kernel_of_another_compiler_is_compiled_anew_and_a_line_says_so(fake, capsys):
    launch, path = built((13, 0))
    run(launch)
    assert fake.files == [None]
    assert capsys.readouterr().err == (
        f"gpunn: prebuilt kernels in {path.parent} are of NVRTC 13.0, here is 12.9; kernels are compiled anew\n"
    )

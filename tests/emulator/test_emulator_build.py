"""Building: errors carry the source's own lines, a missing compiler its remedy, the cache survives damage and races."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gpunn import emulator
from gpunn.emulator import build, loader
from gpunn.emulator import function as functions
from gpunn.emulator.source import parameter_names, translation_unit
from gpunn.errors import DeviceError
from gpunn.files import cache_folder
from gpunn.seals import say

GOOD = 'extern "C" __global__ void k(int* y) { y[threadIdx.x] = VALUE; }'


@pytest.fixture(autouse=True)
def _says_again():
    say.cache_clear()


def test_a_compile_error_shows_the_files_own_lines():
    source = 'struct A {};\n\nextern "C" __global__ void k(int* y) {\n    y[0] = undeclared;\n}\n'
    with pytest.raises(
        DeviceError, match=r"k: the host compiler .* refuses the source:\n(.*\n)*conv.cu:4:12: error: .*undec"
    ):
        emulator.load(source, "k", filename="conv.cu")
    included = '#line 1 "common.cuh"\nint twice(int x) { return 2 * y; }\n#line 2 "conv.cu"\n' + source
    with pytest.raises(DeviceError, match=r"common.cuh:1:31: error"):
        emulator.load(included, "k", filename="conv.cu")


def test_a_rewritten_line_keeps_its_number():
    source = "\nextern __shared__\n  __align__(16) float\n s[];\nERROR HERE\n"
    text = translation_unit(source, "k", {}, "a.cu")
    assert text.split('#line 1 "a.cu"\n')[1].split("\n").index("ERROR HERE") == 4
    assert "GPUNN_DYNAMIC_SHARED(float, s);" in text


def test_unroll_pragmas_become_the_host_compilers():
    text = translation_unit(
        "#pragma unroll\n  #pragma unroll 4\n#pragma unroll(N)\n#pragma unroll 1\n", "k", {}, "a.cu"
    )
    assert [line.split("unroll ")[1] for line in text.splitlines() if "pragma" in line] == ["32", "4", "N", "1"]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('extern "C" __global__ void k(const float* __restrict__ x, int n) {}', ["x", "n"]),
        ("__global__ void k(Pair<int, float> p, /* (a, b) */ float *y[], // c\n int (&z)[4]) {}", ["p", "y", "4"]),
        ("__global__ void k() {}", []),
        ("__global__ void k(void) {}", []),
        ("void k(int a) {}", None),
        ("KERNEL(k)", None),
    ],
)
def test_parameter_names(source, names):
    assert parameter_names(source, "k") == names


def test_no_compiler_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(
        DeviceError, match=r"there is no C\+\+ compiler; install one \(Debian, Ubuntu: `apt install g\+\+`"
    ):
        emulator.require()
    monkeypatch.setenv("CXX", "g++-99")
    with pytest.raises(DeviceError, match=r"CXX names 'g\+\+-99', which is not there; install one"):
        emulator.require()


def test_the_cache_is_keyed_by_content(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = build.build(translation_unit(GOOD, "k", {"VALUE": 1}, "a.cu"), "k", True)
    before = first.stat().st_mtime_ns
    assert build.build(translation_unit(GOOD, "k", {"VALUE": 1}, "a.cu"), "k", True) == first
    assert first.stat().st_mtime_ns == before
    others = [
        build.build(translation_unit(GOOD, "k", {"VALUE": 2}, "a.cu"), "k", True),
        build.build(translation_unit(GOOD, "k", {"VALUE": 1}, "a.cu"), "k", False),
    ]
    assert len({first, *others}) == 3
    assert sorted(p.name for p in (tmp_path / "gpunn" / "emulator").glob("*.so")) == sorted(
        p.name for p in (first, *others)
    )


DAMAGE = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],  # loading it would be a SIGBUS
    "other bytes": lambda data: b"not a library",
    "a bit flipped": lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:],
    "without its seal": lambda data: data[:-32],
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_entry_is_built_again_and_a_line_says_so(monkeypatch, tmp_path, capsys, harm):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = translation_unit(GOOD, "k", {"VALUE": 41}, "damaged.cu")
    path = build.build(text, "k", True)
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    assert build.build(text, "k", True) == path
    assert capsys.readouterr().err == f"gpunn: {path} is damaged; it is built anew\n"
    y = np.zeros(2, np.int32)
    emulator.load(GOOD, "k", {"VALUE": 41}, "damaged.cu")(1, 2, (y,))
    assert y.tolist() == [41, 41] and capsys.readouterr().err == ""


def test_another_kernels_library_is_not_taken_for_ones_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one, two = (build.build(translation_unit(GOOD, "k", {"VALUE": value}, "other.cu"), "k", True) for value in (51, 52))
    shutil.copy(two, one)
    y = np.zeros(2, np.int32)
    emulator.load(GOOD, "k", {"VALUE": 51}, "other.cu")(1, 2, (y,))
    assert y.tolist() == [51, 51]
    assert capsys.readouterr().err == f"gpunn: {one} is damaged; it is built anew\n"


@pytest.mark.parametrize("damage", [b"", b"half of it" * 99])
def test_damaged_parsed_headers_are_made_anew(monkeypatch, tmp_path, capsys, damage):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build.build(translation_unit(GOOD, "k", {"VALUE": 1}, "a.cu"), "k", True)
    found = list((tmp_path / "gpunn" / "emulator").glob("headers-*/host_cuda.h.gch"))
    for path in found:  # none of clang's
        path.write_bytes(damage)
    build.build(translation_unit(GOOD, "k", {"VALUE": 2}, "a.cu"), "k", True)
    assert capsys.readouterr().err == "".join(f"gpunn: {path} is damaged; it is made anew\n" for path in found)


@pytest.mark.skipif(not os.environ.get("CI"), reason="builds the runtime: in CI")
@pytest.mark.parametrize("harm", ["half", ""])
def test_a_damaged_runtime_is_built_again(tmp_path, harm):
    """In processes of their own: the runtime is loaded once, and half of one ends its process by a signal."""
    program = f"""
import numpy as np
from gpunn import emulator
y = np.zeros(2, np.int32)
emulator.load({GOOD!r}, "k", {{"VALUE": 3}})(1, 2, (y,))
assert y.tolist() == [3, 3]
"""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    path = tmp_path / "gpunn" / "emulator" / os.path.basename(loader.runtime()._name)
    path.parent.mkdir(parents=True)
    whole = (cache_folder() / "emulator" / path.name).read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if harm else b"")
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"gpunn: {path} is damaged; it is built anew\n")
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "gpunn").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DeviceError, match=r"cannot write compiled kernels to .*emulator.* \(.*\); set XDG_CACHE_HOME"):
        build.build(translation_unit(GOOD, "k", {"VALUE": 1}, "a.cu"), "k", True)


@pytest.mark.skipif(not os.environ.get("CI"), reason="nine seconds of compiling: in CI")
def test_parallel_processes_share_one_cache(tmp_path):
    program = f"""
import numpy as np
from gpunn import emulator
for value in range(3):
    y = np.zeros(2, np.int32)
    emulator.load({GOOD!r}, "k", {{"VALUE": value}})(1, 2, (y,))
    assert y.tolist() == [value] * 2
"""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    started = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    names = sorted(path.name for path in (tmp_path / "gpunn" / "emulator").iterdir())
    assert [name.partition("-")[0] for name in names] == ["headers", "k", "k", "k", "runtime"]


def test_loading_again_costs_nothing(monkeypatch):
    function = emulator.load(GOOD, "k", {"VALUE": 1})
    monkeypatch.setattr(functions, "compiled", lambda *args: pytest.fail("read, compiled or opened again"))
    assert emulator.load(GOOD, "k", {"VALUE": 1}) is function


def test_an_unknown_entry_is_a_compile_error():
    with pytest.raises(DeviceError, match=r"nothing: the host compiler .* refuses the source"):
        emulator.load(GOOD, "nothing", {"VALUE": 1})


def test_a_function_that_the_device_does_not_have_is_named():
    source = 'extern "C" int mystery(int); extern "C" __global__ void k(int* y) { y[0] = mystery(1); }'
    with pytest.raises(
        DeviceError, match=r"k: the compiled kernel does not load \(.*mystery.*\); it uses a function that"
    ):
        emulator.load(source, "k")


def test_the_checks_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("GPUNN_EMULATOR_CHECK", "0")
    assert not emulator.load(GOOD, "k", {"VALUE": 1}).checked
    monkeypatch.setenv("GPUNN_EMULATOR_CHECK", "1")
    assert emulator.load(GOOD, "k", {"VALUE": 1}).checked


def test_a_stripped_library_still_checks_shared_memory(monkeypatch):
    monkeypatch.setattr(loader, "variables", lambda path: ())
    source = 'extern "C" __global__ void k(float* y, int i) { __shared__ float s[32]; s[i] = i; y[0] = s[i / 2]; }'
    k = emulator.load(source, "k", filename="stripped.cu")
    with pytest.raises(emulator.KernelError, match=r"k: writes shared memory\[byte 128\] past the end"):
        k(1, 1, (emulator.empty(1), 32))


@pytest.mark.parametrize("compiler", ["g++", "clang++", "clang++-14"])
def test_either_compiler_builds_checked_kernels(compiler, monkeypatch, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = """
    extern "C" __global__ void k(const float* x, float* y, int n) {
        __shared__ float s[64];
        s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        float4 v = *reinterpret_cast<const float4*>(&s[4 * (threadIdx.x % 16)]);
        y[threadIdx.x] = __shfl_xor_sync(~0u, v.x + v.w, 1) + n;
    }"""
    k = emulator.load(source, "k", filename=f"{compiler}.cu")
    x, y, counters = np.arange(64, dtype=np.float32), emulator.empty(64), emulator.Counters()
    k(1, 64, (x, y, 1), strict=True, counters=counters)
    np.testing.assert_array_equal(y, 8 * ((np.arange(64) ^ 1) % 16) + 4)
    assert max(s.bytes_a_lane for s in counters.sites) == 16
    with pytest.raises(emulator.KernelError, match=r"k: reads x\[63\] past the end at .*\.cu:4"):
        k(1, 64, (x[:63], y, 1))


def test_headers_kept_parsed_are_no_fault_where_they_are_damaged(monkeypatch, tmp_path):
    if "clang" in build.compiler():
        pytest.skip("clang keeps no parsed headers here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build.build(translation_unit(GOOD, "k", {"VALUE": 1}, "a.cu"), "k", True)
    (parsed,) = (tmp_path / "gpunn" / "emulator").glob("headers-*/host_cuda.h.gch")
    whole = parsed.read_bytes()
    for harm in (whole[: len(whole) // 2], b"", whole[:4000] + bytes(2000) + whole[6000:]):
        parsed.write_bytes(harm)
        value = len(harm)  # a kernel that was not built before
        assert build.build(translation_unit(GOOD, "k", {"VALUE": value}, "a.cu"), "k", True).exists()
    wrong = translation_unit('extern "C" __global__ void k(int* y) { *y = nothing; }', "k", {}, "a.cu")
    with pytest.raises(DeviceError, match=r"a\.cu:\d+:\d+: error"):
        build.build(wrong, "k", True)

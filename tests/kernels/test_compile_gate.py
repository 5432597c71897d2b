"""The compile gate itself: what it compiles, whom it asks, and what it says of a compiler that dies."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gpunn.cuda import cubins, nvrtc, source
from gpunn.errors import DeviceError
from gpunn.verify import builds
from gpunn.verify.jobs import Job, by_kernel, changed, digest, everything, in_turn
from gpunn.verify.launches import label
from gpunn.verify.workers import Broken, results

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="processes that import gpunn anew: in CI")
SETS = [
    ("pool/avg_forward", "float32", {"T": "float", "ACC": "float", "NHWC": 1, "VEC": 4}),
    ("pool/avg_forward", "float32", {"T": "float", "ACC": "float", "NHWC": 0, "VEC": 1}),
    ("pool/avg_forward", "float16", {"T": "float16", "ACC": "float", "NHWC": 1, "VEC": 8}),
    ("gemm/naive", "float32", {"T": "float", "ACC": "float"}),
]
# What the gate asks of NVRTC, by a library of our own: a source with "dies" is the end of its process.
FAKE = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static const char log[] = "ptxas info : Used 7 registers, 64 bytes smem";
static const char slow[] = "ptxas info : (C7510) Potential Performance Loss: wgmma is serialized\n";
static char* text;
static int serial(void) { return strstr(text, "serial") != 0; }
int nvrtcVersion(int* major, int* minor) { *major = 12, *minor = 9; return 0; }
const char* nvrtcGetErrorString(int status) { return "no error"; }
int nvrtcCreateProgram(void** p, const char* source, const char* name, int count, void* headers, void* names) {
    *p = text = strdup(source);
    return 0;
}
int nvrtcCompileProgram(void* p, int count, const char** options) {
    if (strstr(text, "dies")) abort();
    return strstr(text, "malformed") ? 6 : 0;
}
int nvrtcGetProgramLogSize(void* p, size_t* size) { *size = sizeof log + (serial() ? sizeof slow - 1 : 0); return 0; }
int nvrtcGetProgramLog(void* p, char* to) { strcpy(to, serial() ? slow : ""); strcat(to, log); return 0; }
int nvrtcGetCUBINSize(void* p, size_t* size) { *size = 4; return 0; }
int nvrtcGetCUBIN(void* p, char* to) { memcpy(to, "\x7f""ELF", 4); return 0; }
int nvrtcDestroyProgram(void** p) { return 0; }
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """A libnvrtc.so that dies as it is told."""
    compiler = shutil.which("gcc") or shutil.which("cc") or pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvrtc")
    (folder / "fake.c").write_text(FAKE)
    made = folder / "libnvrtc.so.12"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(folder / "fake.c")], check=True)
    return made


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """Sets a kernel's text; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    read = source.read
    texts = {}
    monkeypatch.setattr(source, "read", lambda name: replace(read(name), text=texts.get(name, read(name).text)))
    return texts


# ---------------------------------------------------------------- what is compiled
def test_a_kernel_that_is_as_it_was_is_compiled_by_one_set_and_a_changed_one_by_all(planted):
    kept = {name: digest(mine) for name, mine in by_kernel(SETS).items()}
    assert [job.build for job in changed(SETS, kept)] == [SETS[0]] * 7 + [SETS[3]] * 7
    assert [job.architecture for job in changed(SETS, kept)[:7]] == list(nvrtc.ARCHITECTURES)
    text = source.read("pool/avg_forward").text
    planted["pool/avg_forward"] = "// another\n\n" + text.replace("// ", "/* two\nlines */  // ")
    assert len(changed(SETS, kept)) == 2 * 7  # comments are not compiled
    planted["pool/avg_forward"] = text + "static int another;\n"
    assert len(changed(SETS, kept)) == 3 * 7 + 7
    assert len(changed(SETS[1:], {**kept, "pool/avg_forward": digest(SETS[:3])})) == 2 * 7 + 7  # one set less


def test_an_architecture_that_a_kernel_lacks_is_left_out_and_90a_is_asked_for_alone(monkeypatch):
    of = {"pool/avg_forward": "90a", "gemm/naive": "80"}
    read = source.read
    monkeypatch.setattr(
        source, "read", lambda name: replace(read(name), header={**read(name).header, "arch": of[name]})
    )
    assert [(job.architecture, job.target) for job in everything(SETS[:1])] == [(90, "90a")]
    assert [job.target for job in everything(SETS[3:])] == ["80", "86", "89", "90", "100", "120"]
    assert [job.target for job in in_turn(SETS)] == ["90a", "86"]
    assert everything(SETS[:1])[0].where == f"pool/avg_forward {label(*SETS[0][1:])} sm_90a"


def test_two_checkouts_share_what_was_compiled(monkeypatch, tmp_path):
    """A kernel's text names its file as the checkout has it, not where the checkout is."""

    def paths():
        for name, _, macros in SETS:
            kernel = source.read(name)
            yield cubins.Build(kernel.file, kernel.specialised(macros), 90, (12, 9)).path

    here = list(paths())
    there = shutil.copytree(source.folder(), tmp_path / "elsewhere" / "kernels")
    monkeypatch.setattr(source, "folder", lambda: Path(there))
    source.read.cache_clear()
    try:
        assert list(paths()) == here
    finally:
        source.read.cache_clear()


# ---------------------------------------------------------------- compilers that fail
def test_a_compiler_that_dies_is_reported_with_the_kernels_name_and_the_rest_is_compiled(fake, planted):
    names = ["pool/avg_forward", "gemm/naive", "conv2d/naive_forward", "conv2d/naive_grad_input"]
    for name, word in zip(names, ["serial", "a wgmma that dies", "malformed", "well"], strict=True):
        planted[name] = word
    table, faults, failures = builds.survey(fake, [Job((name, "float32", {}), 90) for name in names], 1)
    died, refused = failures
    assert died == f"gemm/naive float32 sm_90: its process died of SIGABRT; {builds.REMEDY}"
    assert refused.startswith(
        "conv2d/naive_forward float32 sm_90: DeviceError: conv2d/naive_forward.cu does not compile"
    )
    slow = "ptxas info : (C7510) Potential Performance Loss: wgmma is serialized"
    assert faults == [f"pool/avg_forward float32 sm_90: {slow}"]
    assert table == {name: {"float32": {"90": [7, 64]}} for name in (names[0], names[3])}


@in_ci
def test_a_malformed_wgmma_is_told_by_the_real_compiler(planted):
    planted["gemm/naive"] = (
        'extern "C" __global__ void thing(float* y) { asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16'
        ' {%0,%1,%2}, %3, %4, 1, 1, 1, 0, 0;" : "+f"(y[0]), "+f"(y[1]), "+f"(y[2]) : "l"(1ull), "l"(2ull)); }'
    )
    try:
        library = nvrtc.find_library()
    except DeviceError as error:
        pytest.skip(str(error))
    _, _, (failure,) = builds.survey(library, [Job(SETS[3], 90)], 1)
    assert failure.startswith("gemm/naive float32 sm_90: ") and "wgmma" in failure


def test_kernels_for_elsewhere_are_refused_with_the_names_of_those_that_failed(monkeypatch):
    died = builds.Survey({}, [], ["gemm/naive float32 sm_90: its process died of SIGSEGV; look", "another"])
    monkeypatch.setattr(builds, "find_library", lambda: Path("libnvrtc.so.12"))
    monkeypatch.setattr(builds, "survey", lambda *args: died)
    with pytest.raises(
        DeviceError, match="kernels: gemm/naive float32 sm_90: its process died of SIGSEGV; look\nanother"
    ):
        builds.build([90])


# ---------------------------------------------------------------- workers
def _work(task):
    if task == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "leave":
        os._exit(3)
    if task == "wait":
        time.sleep(600)
    if task == "raise":
        raise ValueError("no such thing")
    return task * 2


def _unable(word):
    raise DeviceError(f"no {word}")


@in_ci
def test_each_task_has_its_result_or_its_reason():
    found = dict(results(_work, [1, "kill", 2, "leave", "raise", 3, "wait", 4], 2, patience=5))
    assert found == {
        0: 2,
        1: Broken("its process died of SIGKILL", True),
        2: 4,
        3: Broken("its process died of exit status 3", True),
        4: Broken("ValueError: no such thing"),
        5: 6,
        6: Broken("no end after 5 s", True),
        7: 8,
    }


def _leave():
    os._exit(1)


@in_ci
def test_processes_that_die_before_their_first_task_come_to_an_end():
    found = dict(results(_work, [1, 2], 2, _leave))
    assert found == dict.fromkeys((0, 1), Broken("its process died of exit status 1", True))


@in_ci
def test_a_worker_that_cannot_start_says_so_of_every_task():
    assert dict(results(_work, [1, 2], 1, _unable, ("compiler",))) == dict.fromkeys(
        (0, 1), Broken("DeviceError: no compiler")
    )

"""Every kernel through NVRTC for every architecture, with no GPU: it compiles, nothing spills, resources stay put."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from gpunn.cuda import nvrtc, source
from gpunn.errors import DeviceError
from gpunn.verify import sass
from gpunn.verify.builds import survey
from gpunn.verify.jobs import by_kernel, changed, in_turn
from gpunn.verify.launches import builds, label

ROOT = Path(__file__).resolve().parents[2]
TABLE = source.folder() / "resources.json"


def library(major):
    """libnvrtc of CUDA 12 or 13: from $GPUNN_NVRTC<major>, the folder .nvrtc<major> of the checkout, or a wheel."""
    folders = [os.environ.get(f"GPUNN_NVRTC{major}"), ROOT / f".nvrtc{major}"]
    spec = importlib.util.find_spec("nvidia")
    folders += [Path(path).parent for path in (spec.submodule_search_locations or [])] if spec else []
    for folder in filter(None, folders):
        for found in sorted(Path(folder).glob(f"nvidia/*/lib/libnvrtc.so.{major}")):
            return found
    pytest.skip(f"no libnvrtc.so.{major}: pip install --target .nvrtc{major} the NVRTC wheel of CUDA {major}")


REMEDY = "if this is meant, run `python -m gpunn.verify.builds --table kernels/resources.json`"


@pytest.mark.timeout(1800)
def test_every_kernel_compiles_for_every_architecture_without_spills():
    """What changed since the tables were made with all its sets of macros, the rest with one."""
    kept, sets = json.loads(TABLE.read_text()), list(builds(False))
    work = changed(sets, json.loads(TABLE.with_name("compiled.json").read_text()))
    found, faults, failures = survey(library(12), work)
    assert not [*faults, *failures]
    assert set(found) == set(kept) == set(source.names())
    for name, mine in by_kernel(sets).items():
        assert {label(dtype, macros) for _, dtype, macros in mine} == set(kept[name]), f"{name}; {REMEDY}"
    for name, labels in found.items():
        for macros, row in labels.items():
            for architecture, (registers, shared) in row.items():
                allowed, block = kept[name][macros][architecture]
                where = f"{name} {macros} sm_{architecture}"
                assert shared == block, f"{where}: {shared} bytes shared; {REMEDY}"
                assert registers <= allowed, f"{where}: {registers} registers, kept {allowed}; {REMEDY}"


@pytest.mark.timeout(600)
def test_the_compiler_of_cuda_13_takes_every_kernel():
    found, faults, failures = survey(library(13), in_turn(builds(False)))
    assert not [*faults, *failures]
    assert set(found) == set(source.names())
    assert {architecture for labels in found.values() for row in labels.values() for architecture in row} == {
        str(architecture) for architecture in nvrtc.ARCHITECTURES
    }


def test_shared_memory_is_what_the_header_says():
    kept = json.loads(TABLE.read_text())
    for name, dtype, macros in builds(False):
        letters = {k: v for k, v in macros.items() if isinstance(v, int)}
        size = {"float32": 4, "float64": 8}.get(dtype, 2)
        found = source.read(name).formula("shared", {**letters, "e": size, "V": 16 // size, "N": 1})
        for row in kept[name][label(dtype, macros)].values():
            assert row[1] == found, f"{name} {label(dtype, macros)}: header says {found}, compiler {row[1]}"


@pytest.mark.parametrize("family", ["conv2d", "conv3d"])
@pytest.mark.parametrize("pass_", ["forward", "grad_input", "grad_weight"])
def test_the_machine_code_of_tiled_kernels_loads_16_bytes_and_stays_in_registers(family, pass_):
    """In SASS: LDG.E.128 and LDS.128 are the wide loads, LDL and STL would be traffic of spilled registers."""
    kernel = source.read(f"{family}/tiled_{pass_}")
    macros = {"T": "float", "ACC": "float", "BM": 128, "BN": 128, "VEC": 4}
    cubin, _ = nvrtc.Compiler(library(12)).cubin(kernel.specialised(macros), kernel.file, 80)
    found = sass.find_disassembler() or pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm")
    words = sass.disassembled(cubin, found).replace(";", " ").split()
    kinds = [word.split(".")[0] for word in words]
    wide = [word for word in words if word.startswith("LDG") and ".128" in word]
    # Afterwards forward reads the bias, and grad_weight parts of the bias's gradient, of which a step adds 8 values.
    assert len(wide) >= 2 and (pass_ != "grad_input" or len(wide) == kinds.count("LDG"))
    single = [word for word in words if word.startswith("LDS") and ".128" not in word]
    assert len(single) == (8 if pass_ == "grad_weight" else 0)
    assert kinds.count("FFMA") >= 512 and not {"LDL", "STL"} & set(kinds)


def test_what_was_compiled_once_is_read_by_the_next_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = 'extern "C" __global__ void thing(float* y) { *y = 1; }\n'
    first = nvrtc.Compiler(library(12)).cubin(text, "thing.cu", 80)
    assert first[0][:4] == b"\x7fELF" and nvrtc.resources(first[1]).registers > 0
    monkeypatch.setattr(nvrtc.Compiler, "_compile", lambda *args: pytest.fail("compiled again"))
    assert nvrtc.Compiler(library(12)).cubin(text, "thing.cu", 80) == first


def test_a_source_that_does_not_compile_shows_the_log_with_its_own_line():
    library(12)
    text = '#line 7 "family/thing.cu"\nextern "C" __global__ void thing(float* y) { *y = nothing; }\n'
    with pytest.raises(DeviceError, match=r"family/thing.cu\(7\): error") as caught:
        nvrtc.Compiler(library(12)).cubin(text, "family/thing.cu", 80)
    assert "nothing" in str(caught.value)


def test_the_assemblers_log_is_read():
    log = (
        "ptxas info    : 0 bytes gmem\nptxas info    : Function properties for thing\n"
        "    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 40 registers, used 1 barriers, 8192 bytes smem, 392 bytes cmem[0]"
    )
    assert nvrtc.resources(log) == nvrtc.Resources(40, 8192, 20, 16)
    with pytest.raises(DeviceError, match="no register count"):
        nvrtc.resources("nothing")

"""Machine code of main loops: the share of multiply-adds that kernels/sass.json keeps, compiled and read anew."""

import json
import os
import random

import pytest

from gpunn.cuda import conv_tensor, conv_tensor_weight, nvrtc, source
from gpunn.cuda.dtypes import CORES_MACRO
from gpunn.errors import DeviceError
from gpunn.verify import sass
from gpunn.verify.launches import builds, label

TABLE = source.folder() / "sass.json"
ASKED = 0.85
# Main loops with more besides, and what: an address and a test of its bounds for every element or pixel fetched.
SHORT = {
    "filter/tile_forward VEC=4 TAPS_H=5 TAPS_W=5": 0.87,
    "filter/tile_forward VEC=4 TAPS_H=7 TAPS_W=7": 0.92,
    "filter/tile_forward": 0.47,  # of fewer taps, which wait for memory, or of single elements
    "conv2d/gather_forward": 0.54,
    "conv2d/gather_grad_input": 0.32,
    "conv2d/narrow_forward": 0.41,  # 64x16 of single elements; 128x32 of 16 bytes 0.72
    "conv2d/narrow_grad_input": 0.40,
    "conv2d/narrow_grad_weight": 0.24,  # with the look-up of every fourth step, which counts here at each
    "conv2d/pooled_forward": 0.82,  # of 3x3 and 2x4 taps; LeNet's 5x5 have 0.875
    "conv2d/tiled_grad_weight": 0.48,
    # an axis more in each address and test
    "conv3d/gather_forward": 0.50,
    "conv3d/gather_grad_input": 0.26,
    "conv3d/narrow_forward": 0.40,
    "conv3d/narrow_grad_input": 0.40,
    "conv3d/narrow_grad_weight": 0.21,
    "conv3d/tiled_grad_weight VEC=1": 0.43,
    "conv3d/tiled_grad_weight": 0.48,
    # ldmatrix cannot transpose weights of 32 bits, which are read one by one; conv3d has smaller tiles
    "gemm/tensor PRECISION=TF32X3": 0.24,  # warps of 32x32: larger ones would spill
    "conv2d/tensor_grad_input PRECISION=TF32": 0.27,
    "conv2d/tensor_grad_input PRECISION=TF32X3": 0.23,
    "conv3d/tensor_forward PRECISION=TF32": 0.20,
    "conv3d/tensor_forward PRECISION=TF32X3": 0.22,
    "conv3d/tensor_forward": 0.28,
    "conv3d/tensor_grad_input PRECISION=TF32": 0.18,
    "conv3d/tensor_grad_input PRECISION=TF32X3": 0.19,
    "conv3d/tensor_grad_input": 0.28,
    # pairs of the patch are read one by one, a fragment's by four loads (eight in 16 bits: of 4 bytes)
    "conv2d/patch_forward PRECISION=TF32X3": 0.20,
    "conv2d/patch_forward PRECISION=TF32": 0.27,
    "conv2d/patch_forward": 0.38,
    "conv2d/patch_grad_input PRECISION=TF32X3": 0.20,
    "conv2d/patch_grad_input PRECISION=TF32": 0.27,
    "conv2d/patch_grad_input": 0.36,
    "conv2d/patch_grad_weight PRECISION=TF32X3": 0.18,
    "conv2d/patch_grad_weight PRECISION=TF32": 0.21,
    "conv2d/patch_grad_weight": 0.29,
    "gemm/tiled LAYOUT=-1": 0.44,  # either order of each operand, a derivative
    "gemm/tiled BM=64": 0.83,  # 8x4 sums a thread: three loads from shared memory for 32 multiply-adds
    # Of a layer's step: a sample a lane, or one gate, is few multiply-adds for a load from shared memory.
    "recurrent/persistent_forward SAMPLES=4": 0.65,
    "recurrent/persistent_forward CELL=Rnn": 0.72,
    "recurrent/persistent_forward": 0.82,
    "recurrent/persistent_backward SAMPLES=4": 0.58,
    # A product of a warpgroup takes its units as long as 128 issued instructions: four of them are a step.
    "conv2d/wgmma_forward": 0.016,
    "conv2d/wgmma_grad_input": 0.015,
    "conv2d/wgmma_grad_weight": 0.013,
}

# Of HMMA in the loops of implicit GEMM, by precision; a tile of 16 columns has an eighth of a square one's. Three
# TF32 had 0.32 while their sums stayed in the tensor cores, which cut them off: now floats add up each stage's.
CORES = {"BF16": 0.40, "FP16": 0.40, "TF32": 0.30, "TF32X3": 0.29}
NARROW = 0.15
# Of the weight's gradient, which fetches both operands pixel by pixel, a mask a fetch.
CORES_OF_WEIGHT = {"BF16": 0.30, "FP16": 0.30, "TF32": 0.29, "TF32X3": 0.28}


def least(name, macros):
    """The share asked of a build: that of the first row of SHORT whose words are all of its own."""
    words = {name, *macros.split()}
    of_cores = [share for precision, share in CORES.items() if f"PRECISION={precision}" in words]
    if name.endswith("/tensor_grad_weight"):
        of_cores = [share for kind, share in CORES_OF_WEIGHT.items() if f"PRECISION={kind}" in words]
        return of_cores[0] if "BM=128" in words else NARROW
    asked = (NARROW if "BN=16" in words else of_cores[0]) if of_cores else ASKED
    return next((share for key, share in SHORT.items() if words >= set(key.split())), asked)


LISTING = """
.L_x_0:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/              @!P0 BRA `(.L_x_2) ;
.L_x_1:
        /*0020*/                   LDS.128 R4, [R2] ;
        /*0030*/                   FFMA R8, R4, R5, R8 ;
        /*0040*/                   FFMA R9, R4, R6, R9 ;
        /*0050*/             @P1   FFMA.FTZ R10, R4, R7, R10 ;
        /*0060*/                   BRA.U !UP0, `(.L_x_1) ;
        /*0070*/                   FFMA R9, R4, R6, R9 ;
        /*0080*/               @P2 BRA `(.L_x_0) ;
.L_x_2:
        /*0090*/                   EXIT ;
"""


def test_the_main_loop_is_found():
    """A loop around one that multiplies is not it, one around a search that multiplies nothing is."""
    whole = ["MOV", "BRA", "LDS", "FFMA", "FFMA", "FFMA", "BRA", "FFMA", "BRA"]
    assert sass.main_loop(LISTING) == whole[2:7]
    inner, _, outer = LISTING.partition("/*0070*/")
    searching = inner.replace("FFMA", "IMAD") + "/*0070*/" + outer
    assert sass.main_loop(searching) == [name.replace("FFMA", "IMAD") for name in whole[:7]] + whole[7:]
    assert sass.main_loop("") == []


FETCHING = """
        /*0000*/                   LDG.E.128.CONSTANT R8, [R2.64] ;
.L_x_1:
        /*0010*/                   LDG.E.128.CONSTANT R4, [R2.64] ;
        /*0020*/             @!P1  LDG.E.128.CONSTANT R8, [R2.64+0x10] ;
        /*0030*/                   LDG.E.CONSTANT R12, [R2.64+0x20] ;
        /*0040*/                   FADD R4, R9, R12 ;
        /*0050*/                   LDG.E.128.CONSTANT R4, [R2.64+0x30] ;
        /*0060*/             @P0   BRA `(.L_x_1) ;
"""


def test_loads_in_flight_are_counted_up_to_the_first_use():
    assert sass.loads_in_flight(FETCHING) == 2
    assert sass.loads_in_flight(FETCHING.replace("R9, R12", "R13, R12")) == 2  # the third takes the first one's place
    assert (
        sass.loads_in_flight(FETCHING.replace("R4, R9, R12", "R13, R14, R12").replace("R4, [R2.64+", "R16, [R2.64+"))
        == 3
    )
    assert sass.loads_in_flight(LISTING) == 0


def test_accesses_are_counted_by_width():
    text = FETCHING + """
        /*0070*/                   STG.E.64 [R2.64], R4 ;
        /*0080*/             @P0   STG.E.U8 [R2.64], R4 ;
        /*0090*/                   LDG.E.U16.CONSTANT R4, [R2.64] ;
    """
    assert sass.accesses(text) == {("LDG", 128): 4, ("LDG", 32): 1, ("STG", 64): 1, ("STG", 8): 1, ("LDG", 16): 1}
    assert sass.loads_in_flight(FETCHING, 32) == 1


def disassembler():
    return sass.find_disassembler() or pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm")


def compiler():
    try:
        made = nvrtc.Compiler()
    except DeviceError as error:
        pytest.skip(str(error))
    if made.version[0] != 12:
        pytest.skip(f"kernels/sass.json is of NVRTC 12, here is {made.version[0]}")
    return made


def test_a_disassembler_is_looked_for_in_cuda_home_and_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sass.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    assert sass.find_disassembler() is None
    there = tmp_path / "cuda" / "bin" / "nvdisasm"
    there.parent.mkdir(parents=True)
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert sass.find_disassembler() == there


@pytest.mark.timeout(900)
def test_main_loops_are_what_the_table_says():
    """Two builds, and thirty where CI is set, others whenever the table is another: some take 10 s to compile."""
    sets, kept = sass.tiled(builds(False)), json.loads(TABLE.read_text())
    assert {name for name, *_ in sets} >= set(kept)
    remedy = "if this is meant, run `python -m gpunn.verify.builds --table kernels/resources.json`"
    some = random.Random(TABLE.read_text()).sample(sets, 30 if os.environ.get("CI") else 2)
    found = sass.shares(some, compiler(), disassembler())
    for name, dtype, macros in some:
        of = label(dtype, macros)
        assert found.get(name, {}).get(of) == kept.get(name, {}).get(of), f"{name} {of}; {remedy}"


def test_main_loops_multiply():
    """At least 0.85 of what a main loop issues are multiply-adds, but where SHORT says."""
    for name, labels in json.loads(TABLE.read_text()).items():
        for macros, row in labels.items():
            for architecture, share in row.items():
                assert share >= least(name, macros), f"{name} {macros} sm_{architecture}: {share} multiply"


def test_models_of_tiles_have_the_shares_that_the_table_keeps():
    """Of the tiles that the table has, sm_90's: by these a tile is chosen."""
    kept = json.loads(TABLE.read_text())
    seen = 0
    for name, labels in kept.items():
        for macros, row in labels.items():
            if name not in ("conv2d/tensor_forward", "conv2d/tensor_grad_weight"):
                continue
            size, precision = _tile(macros)
            if name == "conv2d/tensor_forward":
                said = [one.share for one in conv_tensor.ROWS if one.name == f"{precision}_{size}"]
            else:
                said = [1 / conv_tensor_weight.TILES[size].instructions[precision]]
            assert said and abs(said[0] - row["90"]) < 0.02, f"{name} {macros}: {row['90']}, its model says {said}"
            seen += 1
    assert seen >= 8


def _tile(macros):
    """BMxBN and precision of a label; what it leaves out is BM."""
    found = dict(word.split("=") for word in macros.split() if "=" in word)
    rows = found.get("BM", "64")
    precision = next(name for name, macro in CORES_MACRO.items() if macro == found["PRECISION"])
    return f"{rows}x{found.get('BN', rows)}", precision

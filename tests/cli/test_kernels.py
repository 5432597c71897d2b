"""`gpunn kernels` and `gpunn verify`: what they list, trace and refuse."""

from __future__ import annotations

import re
import sys
from dataclasses import fields

import pytest

from gpunn import asked, backend
from gpunn.cli import main
from gpunn.cuda import problem, source
from gpunn.cuda.listing import LETTERS
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify.run import present_dtypes

emulated = pytest.mark.skipif(
    not backend.is_available("emulator"), reason="the emulator needs a C++ compiler: install g++"
)


def test_every_kernel_is_listed(capsys):
    assert main(["kernels"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 120
    unwrapped = " ".join(out.split())
    for name, operation in OPERATIONS.items():
        assert f"{name}\n" in out
        for variant in operation.variants:
            assert re.search(rf" {variant.name} \([^()]+\): takes {re.escape(variant.takes)} ", unwrapped), variant.name
            assert variant.precision == "fp32" or f" {variant.name} ({variant.precision}, sm_" in unwrapped
    listed = {name for name in source.names() if f"kernels/{name}.cu: " in out}
    assert listed == {name for operation in OPERATIONS.values() for v in operation.variants for name in v.sources}
    assert "flops 2*N*P*Q*K*(C//G)*R*S" in out and "sm_90 " in out


def test_a_part_of_the_list(capsys):
    assert main(["kernels", "pool.max"]) == 0
    out = capsys.readouterr().out
    assert "pool.max_forward" in out and "conv2d" not in out


@emulated
def test_trace_says_which_and_why(capsys):
    assert main(["kernels", "--device", "emulator", "--trace"]) == 0  # of lenet5
    out = capsys.readouterr().out
    assert out.startswith("lenet5 on emulator: images (2, 1, 28, 28)")
    for operation in ("conv_pool.forward", "conv2d.grad_input", "conv2d.grad_weight", "pool.avg_backward"):
        assert f"  {operation} " in out
    lines = out.splitlines()
    calls = [line for line in lines if re.match(r"  \w+\.\w+ ", line)]
    assert out.count("because ") == len(calls) == 15 and max(map(len, lines)) <= 120
    assert lines[1].startswith("  letters: N images, C channels, H the input's height, W the input's width, K filters")
    used = {letter for line in calls for letter in re.findall(r"\b([A-Z])\d", line)}
    explained = re.findall(r"\b([A-Z]) ", " ".join(lines[1:4]))
    assert set(explained) == used and len(explained) == len(used)


def test_every_letter_of_a_problem_is_explained():
    kinds = [kind for kind in vars(problem).values() if isinstance(kind, type) and issubclass(kind, problem.Problem)]
    letters = {field.name for kind in kinds for field in fields(kind) if len(field.name) == 1 and field.name.isupper()}
    assert len(kinds) > 8 and letters | set("NCKGDHWARSOPQI") == LETTERS.keys()


@emulated
def test_verify(capsys):
    assert main(["verify", "--device", "emulator", "--only", "conv2d.grad_bias"]) == 0
    assert "0 variants with a mismatch" in capsys.readouterr().out


def test_without_ml_dtypes_the_other_types_are_verified(monkeypatch, capsys):
    assert present_dtypes() == ("float32", "float64", "float16", "bfloat16", "tf32")
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    asked.dtype_of.cache_clear()
    assert present_dtypes() == ("float32", "float64", "float16", "tf32")
    assert re.match(r"bfloat16 is left out: .*not installed; .*`pip install ml_dtypes`", capsys.readouterr().out)


@emulated
def test_verify_chooses_variants_and_types_and_counts_what_was_not_taken(capsys):
    command = "verify --device emulator --only pool.avg_forward --variant vector --dtype float16 --why"
    assert main(command.split(" ")) == 0
    out = capsys.readouterr().out
    assert "float32" not in out and "naive" not in out
    assert re.search(r"\npool.avg_forward: \d+ times x is not channels-last\n", out), out
    assert "2 times nothing to compute" in out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("kernels zz", "no operation's name contains 'zz'; they are "),
        ("kernels --trace lenet7", "unknown model 'lenet7'; did you mean 'lenet5'?"),
        ("kernels --trace lenet5 --device cpu", "--device cpu runs no kernel; choose cuda or emulator"),
        ("verify --device emulator --only zz", "--only 'zz' matches no operation"),
        ("verify --device emulator --only pool.max --variant zz", "--variant 'zz' matches no variant of"),
    ],
)
def test_refusals(capsys, command, words):
    if "emulator" in command and not backend.is_available("emulator"):
        pytest.skip("the emulator needs a C++ compiler: install g++")
    assert main(command.split()) == 2
    assert words in capsys.readouterr().err


def test_build_names_an_architecture_that_no_kernel_is_made_for(capsys):
    assert main(["kernels", "--build", "37"]) == 2
    assert capsys.readouterr().err == (
        "gpunn: error: kernels: --build 37 is no architecture that the kernels are made for; choose from 75, 80, 86, "
        "89, 90, 100, 120: a GPU's compute capability without its point\n"
    )

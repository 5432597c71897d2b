"""Suites on the CPU and the emulator: what they verify, measure and say; their files follow the schema."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench import machine, run
from bench.__main__ import main
from bench.kernels import cases, suite
from bench.kernels.subjects import FAMILIES, operations
from bench.output import results, schema
from gpunn import backend
from gpunn.cuda import conv
from gpunn.cuda.variants import OPERATIONS
from tests.thinned import one_in

emulated = pytest.mark.skipif(not backend.is_available("emulator"), reason="no C++ compiler for the emulator")


def bench(capsys, suite, *argv):
    """(exit status, what was printed) of one run."""
    status = main([suite, *argv])
    out = capsys.readouterr()
    return status, out.out, out.err


in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="every tile once more, to be compiled: in CI")


@emulated
@pytest.mark.parametrize("suite", [pytest.param("conv2d", marks=in_ci), "pool2d", "batchnorm"])
def test_emulator_counts_every_variant(suite, capsys, tmp_path):
    file = tmp_path / "counts.json"
    status, out, _ = bench(
        capsys, suite, "--device", "emulator", "--cases", "lenet", "--batch", "2", "--json", str(file)
    )
    assert status == 0
    assert max(map(len, out.splitlines())) <= 120
    document = json.loads(file.read_text())
    assert schema.complaints(document) == []
    rows = document["rows"]
    fit = [(name, v) for name in operations(suite) for v in OPERATIONS[name].variants]
    fit = [(name, v) for name, v in fit if not name.startswith(("pool.adaptive", "pool.norm"))]
    files = {(name, v.name): v.sources for name, v in fit if v.precision in ("fp32", "3xtf32")}
    assert {(row["operation"], row["variant"]) for row in rows} == files.keys()
    for row in rows:
        assert row["status"] == "ok" or (row["status"] == "refused" and row["reason"])
        if row["status"] == "ok":
            assert row["counts"]["sectors"] >= row["counts"]["ideal_sectors"] > 0
            assert row["verified"]["worst"] <= 1
        if row["status"] == "ok" and suite != "conv2d":  # none of a pass that gave this one its arrays
            assert row["counts"]["launches"] == len(files[row["operation"], row["variant"]])


@pytest.mark.parametrize("suite", one_in(2, ["conv1d", "conv2d", "conv3d", "pool2d", "gemm", "batchnorm"]))
def test_cpu_times_every_pass(suite, capsys, tmp_path):
    file = tmp_path / "times.json"
    argv = ["--device", "cpu", "--cases", "lenet", "--repeats", "2", "--against", "none", "--json", str(file)]
    status, out, _ = bench(capsys, suite, *argv)
    assert status == 0
    assert "measured: copy" in out
    assert max(map(len, out.splitlines())) <= 120
    document = json.loads(file.read_text())
    assert schema.complaints(document) == []
    assert {row["status"] for row in document["rows"]} == {"ok"}
    assert all(row["roofline"] > 0 for row in document["rows"])


@pytest.mark.parametrize(
    ("suite", "more"),
    [
        ("optim", ["--cases", "lenet5"]),
        ("step", ["--cases", "lenet5", "--batch", "4"]),
        ("recurrent", ["--cases", "mnist rows 128x28x128", "--pass", "lstm_forward,lstm_train"]),
        ("launch", []),
    ],
)
def test_the_other_suites(suite, more, capsys, tmp_path):
    file = tmp_path / "rows.json"
    argv = ["--device", "cpu", "--repeats", "2", "--against", "none", "--json", str(file), *more]
    assert bench(capsys, suite, *argv)[0] == 0
    document = json.loads(file.read_text())
    assert schema.complaints(document) == []
    assert document["rows"] and {row["status"] for row in document["rows"]} == {"ok"}


@emulated
def test_a_new_variant_appears_by_itself(capsys, monkeypatch):
    old = OPERATIONS["conv2d.grad_bias"]
    extra = replace(old.variants[0], name="brandnew")
    monkeypatch.setattr(old, "variants", (extra, *old.variants))
    argv = ["--device", "emulator", "--cases", "lenet5 conv2", "--pass", "grad_bias"]
    status, out, _ = bench(capsys, "conv2d", *argv)
    assert status == 0 and "brandnew" in out


@emulated
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_wrong_result_is_not_measured(value, capsys, monkeypatch):
    right = conv.grad_bias

    def wrong(gy):
        gb = right(gy)
        gb[-1] = value
        return gb

    monkeypatch.setattr(conv, "grad_bias", wrong)
    argv = ["--device", "emulator", "--cases", "lenet5 conv2", "--pass", "grad_bias"]
    status, out, _ = bench(capsys, "conv2d", *argv)
    assert status == 1
    assert "FAILED: lenet5 conv2 conv2d.grad_bias naive fp32: output 0 is " in out
    assert ("not finite everywhere" if value != value else "off by") in out


@emulated
def test_a_kernel_that_breaks_down_fails_its_row_alone(capsys, monkeypatch):
    old = OPERATIONS["conv2d.grad_bias"]

    def broken(*args):
        raise RuntimeError("index 9 is out of bounds\nand more")

    extra = replace(old.variants[0], name="broken", plan=broken)
    monkeypatch.setattr(old, "variants", (extra, *old.variants))
    argv = ["--device", "emulator", "--cases", "lenet5 conv2", "--pass", "grad_bias"]
    status, out, _ = bench(capsys, "conv2d", *argv)
    assert status == 1
    assert "FAILED: RuntimeError: index 9 is out of bounds\n" in out
    assert sum(line.startswith("grad_bias") for line in out.splitlines()) == 2


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--cases", "lenett"], "unknown case of conv2d 'lenett'; did you mean 'lenet'? choose from "),
        (["--cases", "lenet5 conv3"], "did you mean 'lenet5 conv"),
        (["--variants", "naiv"], "unknown variant of conv2d 'naiv'; did you mean 'naive'? choose from "),
        (["--pass", "grad_imput"], "unknown pass of conv2d 'grad_imput'; did you mean 'grad_input'?"),
        (["--precision", "f32"], "unknown precision 'f32'; did you mean 'tf32'? choose from fp32, tf32, fp64"),
        (["--against", "tourch"], "unknown rival 'tourch'; did you mean 'torch'?"),
        (["--device", "emulatr"], "'emulatr' is no device; expected 'cpu', 'cuda', 'cuda:1' or 'emulator'"),
        (["--fail-above", "1.05"], "--fail-above compares with a run; name it with --baseline FILE.json"),
        (["--baseline", "/no/such.json"], "/no/such.json: cannot be read as a file of results"),
    ],
)
def test_unknown_names(argv, said, capsys):
    device = [] if "--device" in argv else ["--device", "cpu"]
    status, _, err = bench(capsys, "conv2d", *device, *argv)
    assert status == 2
    assert said in err


@pytest.mark.parametrize("suite", ["optim", "recurrent", "launch"])
def test_suites_without_kernels_refuse_the_emulator(suite, capsys):
    if not backend.is_available("emulator"):
        pytest.skip("no C++ compiler for the emulator")
    status, _, err = bench(capsys, suite, "--device", "emulator")
    assert status == 2
    assert f"bench: error: {suite}: " in err and "choose --device cpu or cuda" in err


def test_unknown_suite(capsys):
    assert main(["conf2d"]) == 2
    out = capsys.readouterr()
    assert "there is no suite 'conf2d'; did you mean 'conv2d'?" in out.err
    assert all(suite in out.out for suite in run.SUITES)
    assert main([]) == 0


def test_a_case_too_large_for_memory_is_skipped_with_its_size(capsys, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda field: 1_000_000)
    status, out, _ = bench(capsys, "conv2d", "--device", "cpu", "--cases", "vgg conv1_1", "--against", "none")
    assert status == 0
    assert "skipped: needs about 54 MB of host memory, 1 MB are free; use --batch" in out


def test_out_of_memory_while_measuring(capsys, monkeypatch):
    def fail(*args):
        raise MemoryError("no more")
        yield

    monkeypatch.setitem(FAMILIES, "conv2d", fail)
    status, out, _ = bench(capsys, "conv2d", "--device", "cpu", "--cases", "vgg conv1_1", "--against", "none")
    assert status == 0
    assert "skipped: out of memory: 27 MB of arrays and results (no more)" in out


def test_a_precision_that_the_device_lacks_is_a_row(capsys):
    argv = ["--device", "cpu", "--cases", "lenet5 fc1", "--precision", "fp16", "--against", "none"]
    out = bench(capsys, "gemm", *argv)[1]
    assert "skipped: fp16 on cpu is fp32, then rounded: its time says nothing" in out
    argv[3] = "gemm"
    launched = bench(capsys, "launch", *argv)[1]
    assert "skipped: fp16 on cpu is fp32, then rounded" in launched


def test_optimisers_have_one_precision(capsys):
    status, _, err = bench(capsys, "optim", "--device", "cpu", "--precision", "bf16")
    assert status == 2 and "weights, gradients and state are float32 in every precision; leave --precision away" in err


def test_a_wrong_sequence_is_not_measured(capsys, monkeypatch):
    from gpunn.cpu import recurrent_steps as steps

    right = steps.FORWARD["RNN_TANH"]

    def wrong(gates, product, *others):
        right(gates, product * 1.01 if gates.dtype == np.float32 else product, *others)

    monkeypatch.setitem(steps.FORWARD, "RNN_TANH", wrong)
    argv = ["--device", "cpu", "--cases", "mnist rows 128x28x128", "--pass", "rnn_forward", "--against", "none"]
    status, out, _ = bench(capsys, "recurrent", *argv)
    assert status == 1 and "FAILED: mnist rows 128x28x128 recurrent.rnn_forward - fp32: output 0 is off by" in out
    status, _, err = bench(capsys, "recurrent", "--device", "cpu", "--precision", "bf16")
    assert status == 2 and "recurrent: cases are float32 of one batch size; leave --precision and --batch away" in err


@emulated
def test_rows_name_their_precision_and_leave_out_variants_of_others(capsys, tmp_path):
    file = tmp_path / "products.json"
    argv = ["--device", "emulator", "--cases", "resnet20 fc", "--against", "none", "--json", str(file)]
    assert bench(capsys, "gemm", *argv, "--precision", "tf32,fp16", "--variants", "naive,fp16_64x64")[0] == 0
    rows = [(row["variant"], row["precision"], row["status"]) for row in json.loads(file.read_text())["rows"]]
    assert rows[:2] == [("fp16_64x64", "tf32", "refused"), ("naive", "tf32", "ok")]
    assert rows[2:] == [("fp16_64x64", "fp16", "refused"), ("naive", "fp16", "ok")]
    kinds = SimpleNamespace(kind="emulator", args=SimpleNamespace(variants=None), variants=["naive", "fp16_64x64"])
    subject = SimpleNamespace(operation="matmul.product", precision="tf32")
    assert suite._variants(subject, kinds) == ["naive"]


def test_interrupt_writes_what_was_measured(capsys, monkeypatch, tmp_path):
    real = suite.rows

    def rows(*args):
        for number, row in enumerate(real(*args)):
            if number == 2:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(suite, "rows", rows)
    file = tmp_path / "part.json"
    argv = ["--device", "cpu", "--cases", "all", "--repeats", "2", "--against", "none", "--json", str(file)]
    status, _, err = bench(capsys, "gemm", *argv)
    assert status == 130
    assert "interrupted after 2 rows" in err
    document = results.load(file)
    assert document["interrupted"] and len(document["rows"]) == 2


def test_batches_follow_the_device():
    (small,) = cases.choose("conv2d", "resnet50 stem", "emulator", None)
    (large,) = cases.choose("conv2d", "resnet50 stem", "cuda", None)
    (asked,) = cases.choose("conv2d", "resnet50 stem", "cpu", 3)
    assert (small.x[0], large.x[0], asked.x[0]) == (1, 64, 3)
    assert not any(cases.group_of(case) == cases.ODD for case in cases.choose("conv2d", "all", "cuda", None))

"""Suites on the CPU and the emulator: what they verify, measure and say; their files follow the schema."""

import json

import numpy as np
import pytest

from bench import clocks, run
from bench.kernels import cases, oracle, suite
from bench.kernels.subjects import FAMILIES, Subject, operations
from bench.output import results
from gpunn import backend
from gpunn.cuda.variants import OPERATIONS, Variant
from gpunn.errors import UsageError

emulated = pytest.mark.skipif(not backend.is_available("emulator"), reason="no C++ compiler for the emulator")


def bench(capsys, suite, *argv):
    """(exit status, what was printed) of one run."""
    status = run.guarded(run.main, suite, list(argv))
    out = capsys.readouterr()
    return status, out.out, out.err


@emulated
@pytest.mark.parametrize("suite", ["conv2d", "pool2d", "batchnorm"])
def test_emulator_counts_every_variant(suite, capsys, tmp_path):
    file = tmp_path / "counts.json"
    status, out, _ = bench(
        capsys, suite, "--device", "emulator", "--cases", "lenet", "--batch", "2", "--json", str(file)
    )
    assert status == 0
    assert max(map(len, out.splitlines())) <= 120
    document = json.loads(file.read_text())
    assert results.complaints(document) == []
    rows = document["rows"]
    wanted = {(name, v.name) for name in operations(suite) for v in OPERATIONS[name].variants if "adaptive" not in name}
    assert {(row["operation"], row["variant"]) for row in rows} == wanted
    for row in rows:
        assert row["status"] == "ok" or (row["status"] == "refused" and row["reason"])
        if row["status"] == "ok":
            assert row["counts"]["sectors"] >= row["counts"]["ideal_sectors"] > 0
            assert row["verified"]["worst"] <= 1


@pytest.mark.parametrize("suite", ["conv2d", "pool2d", "batchnorm", "gemm"])
def test_cpu_times_every_pass(suite, capsys, tmp_path):
    file = tmp_path / "times.json"
    argv = ["--device", "cpu", "--cases", "lenet", "--repeats", "2", "--against", "none", "--json", str(file)]
    status, out, _ = bench(capsys, suite, *argv)
    assert status == 0
    assert "measured: copy" in out
    assert max(map(len, out.splitlines())) <= 120
    document = json.loads(file.read_text())
    assert results.complaints(document) == []
    assert {row["status"] for row in document["rows"]} == {"ok"}
    assert all(row["roofline"] > 0 for row in document["rows"])


@pytest.mark.parametrize(
    ("suite", "more"),
    [("optim", ["--cases", "lenet5"]), ("step", ["--cases", "lenet5", "--batch", "4"]), ("launch", [])],
)
def test_the_other_suites(suite, more, capsys, tmp_path):
    file = tmp_path / "rows.json"
    argv = ["--device", "cpu", "--repeats", "2", "--against", "none", "--json", str(file), *more]
    assert bench(capsys, suite, *argv)[0] == 0
    document = json.loads(file.read_text())
    assert results.complaints(document) == []
    assert document["rows"] and {row["status"] for row in document["rows"]} == {"ok"}


@emulated
def test_a_new_variant_appears_by_itself(capsys, monkeypatch):
    old = OPERATIONS["conv2d.grad_bias"]
    extra = Variant("brandnew", old.variants[0].sources, "all", lambda job: "", old.variants[0].run)
    monkeypatch.setattr(old, "variants", (extra, *old.variants))
    argv = ["--device", "emulator", "--cases", "lenet5 conv2", "--pass", "grad_bias"]
    assert "brandnew" in bench(capsys, "conv2d", *argv)[1]


@emulated
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_wrong_result_is_not_measured(value, capsys, monkeypatch):
    old = OPERATIONS["conv2d.grad_bias"]

    right = old.variants[-1].run

    def wrong(job, gy, gb):
        right(job, gy, gb)
        gb[-1] = value

    broken = Variant("broken", old.variants[0].sources, "all", lambda job: "", wrong)
    monkeypatch.setattr(old, "variants", (broken,))
    argv = ["--device", "emulator", "--cases", "lenet5 conv2", "--pass", "grad_bias"]
    status, out, _ = bench(capsys, "conv2d", *argv)
    assert status == 1
    assert "FAILED: lenet5 conv2 conv2d.grad_bias broken fp32: output 0 is " in out
    assert ("not finite everywhere" if value != value else "off by") in out


@emulated
def test_a_kernel_that_breaks_down_fails_its_row_alone(capsys, monkeypatch):
    old = OPERATIONS["conv2d.grad_bias"]

    def broken(job, gy, gb):
        raise RuntimeError("index 9 is out of bounds\nand more")

    extra = Variant("broken", old.variants[0].sources, "all", lambda job: "", broken)
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
        (["--precision", "f32"], "unknown precision 'f32'; did you mean 'fp32'? choose from fp32, fp64, fp16, bf16"),
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


@pytest.mark.parametrize("suite", ["optim", "launch"])
def test_suites_without_kernels_refuse_the_emulator(suite, capsys):
    if not backend.is_available("emulator"):
        pytest.skip("no C++ compiler for the emulator")
    status, _, err = bench(capsys, suite, "--device", "emulator")
    assert status == 2
    assert f"bench: error: {suite}: " in err and "choose --device cpu or cuda" in err


def test_unknown_suite(capsys):
    from bench.__main__ import main

    assert main(["conf2d"]) == 2
    out = capsys.readouterr()
    assert "there is no suite 'conf2d'; did you mean 'conv2d'?" in out.err
    assert all(suite in out.out for suite in run.SUITES)
    assert main([]) == 0


def test_a_case_too_large_for_memory_is_skipped_with_its_size(capsys, monkeypatch):
    monkeypatch.setattr(suite, "free_memory", lambda: 1_000_000)
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
    assert "skipped: the NumPy twins compute in fp32 and fp64" in bench(capsys, "gemm", *argv)[1]


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


@pytest.mark.parametrize("name", ["all primes", "unequal everything", "groups 3, stride 2, no bias", "3x3, stride 2"])
@pytest.mark.parametrize("pass_", ["forward", "grad_input", "grad_weight"])
def test_sampled_oracle_agrees_with_the_loops(name, pass_, monkeypatch):
    (case,) = (c for group in cases.groups("conv2d").values() for c in group if c.name == name)
    arrays = case.arrays()
    (whole,) = oracle.conv(pass_, case, *arrays)
    monkeypatch.setattr(oracle, "LOOPS", 0)
    (sampled,) = oracle.conv(pass_, case, *arrays)
    assert whole.pick is None and sampled.pick is not None
    np.testing.assert_allclose(sampled.want, sampled.pick(whole.want), rtol=1e-12, atol=1e-12)


def test_samples_hold_the_corners():
    points = oracle.sample((5, 7, 9, 11), 96)
    assert len(points) == 96
    assert {tuple(p) for p in points} >= {(a, b, c, d) for a in (0, 4) for b in (0, 6) for c in (0, 8) for d in (0, 10)}
    assert len(oracle.sample((2, 3), 96)) == 6
    assert oracle.sample((0, 3), 96).shape == (0, 2)


def test_work_is_what_the_headers_state():
    (case,) = cases.choose("conv2d", "lenet5 conv2", "cpu", None)
    subject = next(FAMILIES["conv2d"](case, "cpu", "fp32", ["conv2d.forward"]))
    n, k, p, q = case.y
    assert subject.floor == (2 * n * k * p * q * 6 * 25, 4 * (8 * 6 * 14 * 14 + n * k * p * q + k * 6 * 25))
    (norm,) = cases.choose("batchnorm", "resnet20 stage1 norm", "cpu", None)
    subject = next(FAMILIES["batchnorm"](norm, "cpu", "fp32", ["batch_norm.train_forward"]))
    assert subject.floor[1] == 3 * 4 * np.prod(norm.x)  # the scratch of split sums costs nothing here


def test_turns_alternate_and_pair():
    order = []

    class Clock:
        def once(self, call):
            call()
            return float(len(order)), None

    calls = [lambda: order.append("a"), lambda: order.append("b")]
    first, second = clocks.by_turns(calls, Clock(), 3, 100.0)
    assert "".join(order) == "aabb" + "ba" + "ab" + "ba"
    assert len(first.device) == len(second.device) == 3
    assert suite.versus(first, {"other": second})["other"]["speed"] > 0


def test_rivals_are_verified_too(capsys, monkeypatch):
    from bench.kernels import rivals

    monkeypatch.setattr(rivals, "present", lambda names, device: dict.fromkeys(names, "9.9"))
    monkeypatch.setattr(rivals, "call", lambda name, subject, device: lambda: np.zeros((64, 120), np.float32))
    argv = ["--device", "cpu", "--cases", "lenet5 fc1", "--repeats", "2", "--against", "torch"]
    assert "no figure of torch: its result differs from the oracle's" in bench(capsys, "gemm", *argv)[1]


def _subjects(family):
    for case in cases.choose(family, "lenet,resnet20", "cpu", 2):
        yield from FAMILIES[family](case, "cpu", "fp32", operations(family))


def _check(subject: Subject, module):
    from bench.kernels.rivals import Unsupported

    if subject.prepare:
        subject.prepare()
    try:
        found = module.call(subject, "cpu")()
    except Unsupported:
        return 0
    first = found[0] if isinstance(found, tuple) else found
    assert suite._near(first, subject), f"{subject.operation} of {subject.case}"
    return 1


@pytest.mark.parametrize("family", list(FAMILIES))
def test_torch_computes_the_same(family):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from bench.kernels.rivals import eager

    assert all(_check(subject, eager) for subject in _subjects(family))


@pytest.mark.parametrize("family", list(FAMILIES))
def test_array_expressions_compute_the_same(family):
    from bench.kernels.rivals import im2col

    assert sum(_check(subject, im2col) for subject in _subjects(family)) >= 2


def test_missing_rivals_say_so():
    from bench.kernels import rivals

    said = rivals.present(["cupy", "cudnn"], "cpu")
    assert all(text.startswith("missing: ") for text in said.values())
    assert rivals.names_of(None, "cuda") == ["torch", "compiled", "cupy", "cudnn"]
    assert rivals.names_of("none", "cuda") == []
    with pytest.raises(UsageError, match="unknown rival"):
        rivals.names_of("jax", "cpu")

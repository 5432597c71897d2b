"""`python -m bench scaling`: the simulation against figures worked out by hand, and what is measured and written."""

import json
import os

import numpy as np
import pytest

from bench import __main__ as suites
from bench.output import report, results, schema
from bench.training import scaling
from bench.training.networks import Network, our_model
from bench.training.scaling_measure import profile
from bench.training.scaling_model import Bucket, Interconnect, Profile, buckets, fitted, predicted, simulated
from gpunn.errors import UsageError

SLOW = Interconnect(latency=1e-3, bandwidth=1e6)
FREE = Interconnect(latency=0.0, bandwidth=1e30)
# Forward until 2 s, backward until 4, the update until 5; three gradients, the last parameter's ready first.
STEP = Profile(batch=8, forward=2.0, backward=4.0, step=5.0, ready=(4.0, 3.0, 2.5), sizes=(1_000_000, 400_000, 600_000))
LEAST = Profile(batch=1, forward=0.25, backward=0.5, step=1.5, ready=(0.5, 0.4, 0.3), sizes=STEP.sizes)
AGREED = Bucket(4.0, 40)  # float64 of the samples, whether any counts, and which of three gradients there are


@pytest.mark.parametrize(
    ("ranks", "algorithm", "seconds"),
    [
        (2, "ring", 2e-3 + 1.0),  # two messages of half the array
        (4, "ring", 6e-3 + 1.5),
        (4096, "ring", 8190e-3 + 2 * 4095 / 4096),
        (2, "tree", 2e-3 + 2.0),  # up and down, the whole array each time
        (4, "tree", 4e-3 + 4.0),
        (5, "tree", 6e-3 + 6.0),  # a third level for the fifth
        (4096, "tree", 24e-3 + 24.0),
    ],
)
def test_an_all_reduce_of_a_megabyte(ranks, algorithm, seconds):
    assert SLOW.all_reduce(ranks, 1_000_000, algorithm) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("cap", "expected"),
    [
        (2e6, [Bucket(4.0, 2_000_000)]),
        (1e6, [Bucket(3.0, 1_000_000), Bucket(4.0, 1_000_000)]),
        (6e5, [Bucket(2.5, 600_000), Bucket(4.0, 1_400_000)]),
        (1, [Bucket(2.5, 600_000), Bucket(3.0, 400_000), Bucket(4.0, 1_000_000)]),
    ],
)
def test_buckets_fill_from_the_last_parameter(cap, expected):
    assert buckets(STEP, cap) == [*expected, AGREED]


def test_buckets_go_one_after_the_other_and_the_update_waits():
    step = simulated(STEP, [Bucket(2.5, 1_000_000), Bucket(3.0, 500_000)], 2, Interconnect(0.25, 1e6))
    assert step.reduces == ((2.5, 4.0), (4.0, 5.0))  # 0.5 + 1 s, then 0.5 + 0.5 s
    assert (step.forward, step.backward, step.update) == ((0.0, 2.0), (2.0, 4.0), (5.0, 6.0))
    assert (step.step, step.exposed) == (6.0, 1.0)


def test_a_bucket_waits_for_its_gradients_and_may_hide_behind_backward():
    step = simulated(STEP, [Bucket(2.5, 500_000), Bucket(3.5, 250_000)], 2, Interconnect(0.0, 1e6))
    assert step.reduces == ((2.5, 3.0), (3.5, 3.75))
    assert (step.step, step.exposed) == (5.0, 0.0)


def test_one_rank_sends_nothing():
    step = simulated(STEP, buckets(STEP, 1), 1, SLOW)
    assert (step.reduces, step.step) == ((), 5.0)
    assert vars(predicted(STEP, LEAST, 1, 1, SLOW)) == {
        "ranks": 1, "step": 5.0, "exposed": 0.0, "weak": 1.0, "strong": 1.0, "best": 1.0, "best_bucket": 1
    }  # fmt: skip


def test_efficiencies():
    found = predicted(STEP, LEAST, 2e6, 2, Interconnect(0.25, 1e6))
    waiting = 0.5 + 2.0 + 0.5 + 4e-5  # one bucket and what is agreed, both behind backward
    assert (found.step, found.exposed, found.weak) == pytest.approx((5 + waiting, waiting, 5 / (5 + waiting)))
    half = STEP.at(4, LEAST)  # backward ends at 0.5 + 3/7 * 3.5 = 2, the step at 1.5 + 3/7 * 3.5 = 3
    assert (half.backward, half.step) == pytest.approx((2.0, 3.0))
    assert found.strong == pytest.approx(5.0 / 2 / (3.0 + waiting))
    assert predicted(STEP, LEAST, 2e6, 16, SLOW).strong is None  # more ranks than samples
    # Gradients of 0.6, 0.4 and 1 MB are through at 3.1, 3.5 and 5 s one by one, at 6 s together.
    found = predicted(STEP, LEAST, 2e6, 2, Interconnect(0.0, 1e6))
    assert (found.weak, found.best) == pytest.approx((5 / (7 + 4e-5), 5 / (6 + 4e-5)))
    assert found.best_bucket == 2.0**14
    for ranks in (2, 64, 4096):
        assert predicted(STEP, LEAST, 1e6, ranks, FREE).weak == pytest.approx(1.0, abs=1e-12)


def test_more_ranks_never_wait_less():
    for algorithm in ("ring", "tree"):
        steps = [predicted(STEP, LEAST, 1e6, 2**i, SLOW, algorithm).step for i in range(13)]
        assert steps == sorted(steps)


def test_a_slower_machine_has_the_same_step_stretched():
    slow = STEP.slowed(3)
    assert (slow.forward, slow.backward, slow.step, slow.ready) == (6.0, 12.0, 15.0, (12.0, 9.0, 7.5))
    assert (slow.batch, slow.sizes) == (STEP.batch, STEP.sizes)


@pytest.mark.parametrize("algorithm", ["ring", "tree"])
def test_the_fit_finds_what_made_the_samples(algorithm):
    net = Interconnect(20e-6, 3e9)
    samples = [(n, size, net.all_reduce(n, size, algorithm)) for n in (2, 4) for size in (4, 4096, 1 << 20)]
    found = fitted(samples, algorithm)
    assert (found.latency, found.bandwidth) == pytest.approx((20e-6, 3e9), rel=1e-6)


def test_a_fit_has_no_latency_below_zero():
    found = fitted([(2, 1e6, 1.0), (2, 2e6, 4.0)])
    assert found.latency == 0.0 and found.bandwidth > 0
    with pytest.raises(UsageError, match="0 all-reduces of 0 s do not tell a bandwidth; measure larger ones"):
        fitted([])


# ---------------------------------------------------------------- measuring
def test_gradients_are_ready_from_the_last_layer_to_the_first():
    found = profile(Network("lenet5", (4, 1, 28, 28)), 0, 3)
    model = our_model(Network("lenet5", (4, 1, 28, 28)), 0)
    assert found.sizes == tuple(p.array.nbytes for p in model.parameters())
    weights = found.ready[::2]
    assert list(weights) == sorted(weights, reverse=True) and len(set(weights)) == 5
    assert 0 < found.forward < min(found.ready) and max(found.ready) <= found.backward < found.step


RANKS = {
    "all_reduce": [[4, 1e-5], [4096, 1.2e-5], [1 << 20, 1e-3]],
    "lenet5": {
        name: {"median": 1e-3 * ms, "p10": 0.9e-3 * ms, "p90": 1.1e-3 * ms, "repeats": 3}
        for name, ms in (("alone", 2), ("together", 2.5), ("parallel", 2.5))
    }
    | {"images": 1.6, "images_of_best": 1.7},
}
ARGUMENTS = ["scaling", "--networks", "lenet5", "--batch", "2", "--repeats", "1"]


def test_a_run_is_printed_written_and_drawn(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setattr(scaling, "_no_mpi", lambda: "")
    monkeypatch.setattr(scaling, "_measured", lambda ranks, args: RANKS)
    files = ["--json", str(tmp_path / "s.json"), "--plot", str(tmp_path / "s.png")]
    assert suites.main([*ARGUMENTS, "--ranks", "2,4", "--network", "20/3", *files]) == 0
    out = capsys.readouterr().out
    assert "ring over 20/3 (latency 20 us, 3 GB/s)" in out
    assert "lenet5: batch 2 a rank" in out and "0.25 MB of gradients in 1 bucket" in out
    assert (tmp_path / "s.png").read_bytes()[:4] == (tmp_path / "s-efficiency.png").read_bytes()[:4] == b"\x89PNG"

    document = json.loads((tmp_path / "s.json").read_text())
    assert schema.complaints(document) == []
    found = document["scaling"]
    (one,) = found["networks"]
    assert [row["ranks"] for row in one["predicted"]] == [2**i for i in range(1, 13)]
    step = Profile.read(one["profile"])
    shared = {n: max(1, n / found["cores"]) for n in (2, 4)}  # ranks on one core
    net = fitted([(n, size, took / shared[n]) for n in shared for size, took in RANKS["all_reduce"]])
    assert found["fitted"] == {"latency": net.latency, "bandwidth": net.bandwidth}
    two, four = one["measured"]
    assert [two[name] for name in ("images_per_second", "images", "images_of_best")] == [2 * 2 / 2.5e-3, 1.6, 1.7]
    for row in (two, four):
        n, slow = row["ranks"], step.slowed(2.5e-3 / step.step)
        among = Interconnect(net.latency * shared[n], net.bandwidth / shared[n])
        seconds = simulated(slow, buckets(slow, one["bucket_bytes"]), n, among).step
        assert (row["expected"], row["expected_images"]) == pytest.approx((seconds, n * 2e-3 / seconds))

    run = results.load(tmp_path / "s.json")
    assert [row.key[1:4] for row in run["rows"]][:3] == [
        ("lenet5", "scaling.alone", "2 ranks"), ("lenet5", "scaling.together", "2 ranks"),
        ("lenet5", "scaling.parallel", "2 ranks"),
    ]  # fmt: skip
    text = report.markdown(run)
    assert "| ranks | step, ms | waiting, ms | images/s | weak scaling | strong | best | with buckets of MB |" in text
    assert "| 4,096 |" in text and "| 2 | 2.00 | 2.50 |" in text
    page = report.html({"scaling": run})
    assert page.count("<figure>") == 2 and "timeline of scaling on cpu" in page


def test_a_file_without_its_predictions_is_refused():
    head = {
        "schema": schema.SCHEMA,
        "suite": "scaling",
        "device": "cpu",
        "date": "",
        "commit": "",
        "numpy": "",
        "seed": 0,
    }
    assert schema.complaints({**head, "rows": []}) == ["scaling is missing, expected what was predicted"]
    found = schema.complaints({**head, "rows": [], "scaling": {"latency": 1}})
    assert found and found[0].startswith("scaling.bandwidth is missing")


def test_a_profile_must_fit_together():
    step = {**vars(STEP), "ready": STEP.ready[1:]}
    one = {"network": "lenet5", "bucket_bytes": 1, "profile": step, "least": vars(LEAST), "predicted": [],
           "measured": []}  # fmt: skip
    about = {"interconnect": "x", "algorithm": "ring", "faster": 1, "cores": 2, "latency": 1, "bandwidth": 1}
    head = {"schema": schema.SCHEMA, "suite": "scaling", "device": "cpu", "seed": 0, "rows": []}
    document = {**head, **dict.fromkeys(("date", "commit", "numpy"), ""), "scaling": {**about, "networks": [one]}}
    assert schema.complaints(document) == ["lenet5 has other numbers of ready and of sizes"]
    about["algorithm"] = "star"
    document["scaling"] = {**about, "networks": [one]}
    assert schema.complaints(document)[0].startswith("scaling.algorithm is 'star', expected one of ring, tree")


def test_without_mpi_a_run_says_so(capsys, monkeypatch):
    monkeypatch.setattr(scaling.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("bench.machine.torch_or_none", lambda: None)
    assert suites.main(ARGUMENTS) == 0
    assert 'not measured: mpi4py is missing; pip install "gpunn[mpi]"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--networks", "lenet6"], "unknown network of scaling 'lenet6'; did you mean 'lenet5'"),
        (["--network", "ethernet"], "got 'ethernet', expected ethernet10, infiniband, nvlink, or microseconds/GB"),
        (["--network", "3/0"], "got '3/0', expected"),
        (["--network", "nan/1"], "got 'nan/1', expected"),
        (["--ranks", "0"], "--ranks"),
        (["--bucket-mb", "-1"], "--bucket-mb"),
    ],
)
def test_bad_options_are_named(arguments, words, capsys):
    try:
        status = suites.main(["scaling", *arguments])
    except SystemExit as error:
        status = error.code
    assert status == 2 and words in capsys.readouterr().err


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts two ranks: in CI")
def test_two_ranks_are_measured(tmp_path):
    if words := scaling._no_mpi():
        pytest.skip(words)
    file = tmp_path / "s.json"
    assert suites.main([*ARGUMENTS, "--ranks", "2", "--json", str(file)]) == 0
    found = json.loads(file.read_text())["scaling"]
    (row,) = found["networks"][0]["measured"]
    assert row["ranks"] == 2 and min(row["alone"], row["together"], row["parallel"]) > 0
    assert len(found["all_reduce"]) == 9 and found["fitted"]["bandwidth"] > 0
    assert np.isfinite(row["expected_images"])

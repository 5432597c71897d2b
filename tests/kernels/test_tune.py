"""`gpunn tune`: what it measures, keeps and chooses by; a stand-in clock tells the times."""

import json

import numpy as np
import pytest

from gpunn import emulator as host
from gpunn.backend.streams import EMULATOR
from gpunn.cli import main
from gpunn.cuda import matmul, tuned, tuning
from gpunn.cuda.variants import OPERATIONS, Operation, tracing, use_variant

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache folder of the test's own, which is read, and kernels where they were."""
    monkeypatch.setattr(tuned, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv(tuned.SWITCH)
    tuned.forget()
    tuned.say.cache_clear()
    matmul._product.cache_clear()
    yield tmp_path / "tuned"
    tuned.forget()
    matmul._product.cache_clear()


def numbers(m, n, seed=0):
    return host.EmulatedArray.of(np.random.default_rng(seed).standard_normal((m, n)).astype(np.float32))


def times(a, b):
    """The product, the variant that made it, and why."""
    with tracing() as calls:
        made = matmul.matmul(a, b)
    return np.asarray(made), calls[0].variant, calls[0].why


def asked(a, b):
    return tuning.collected(lambda: matmul.matmul(a, b))


class Stopwatch:
    """A clock by which the n-th of the variants that a round takes needs so many microseconds."""

    def __init__(self, **microseconds):
        self.microseconds = microseconds

    def __call__(self, call):
        with tracing() as calls:
            call()
        return self.microseconds.get(calls[0].variant, 100.0) / 1e6


def test_the_fastest_is_measured_kept_and_taken(cache):
    a, b = numbers(5, 7), numbers(7, 3)
    plain, before, _ = times(a, b)
    matmul._product.cache_clear()
    (found,) = tuning.measure(asked(a, b), Stopwatch(naive=41.2, tile32=44.0))
    assert before == found.before
    assert found.choice.times[:2] == (("naive", 41.2), ("tile32", 44.0))
    path = tuned.write(EMULATOR, {tuned.key_of(found.operation, found.problem): found.choice})
    assert path == cache / "emulator.json"
    matmul._product.cache_clear()
    made, variant, why = times(a, b)
    assert (variant, why) == ("naive", "tuned on emulator: 41.2 us, next tile32 44.0")
    np.testing.assert_allclose(made, plain, rtol=1e-5, atol=1e-6)
    with use_variant("matmul.product", "naive"):
        np.testing.assert_array_equal(times(a, b)[0], made)  # the bits of the variant itself
    with use_variant("matmul.product", "tile32"):
        assert times(a, b)[1:] == ("tile32", "asked for by use_variant")
    assert times(a, numbers(7, 4))[1] == before  # another problem


def test_the_switch_leaves_it_unread(cache, monkeypatch):
    a, b = numbers(5, 7), numbers(7, 3)
    keep(a, b)
    assert times(a, b)[1] == "naive"
    matmul._product.cache_clear()
    monkeypatch.setenv(tuned.SWITCH, "0")
    assert times(a, b)[1] != "naive"


def keep(a, b):
    """What makes naive the choice."""
    (one,) = asked(a, b)
    choice = tuned.Choice((("naive", 1.0),), tuned.kernels_of(OPERATIONS[one.operation].variants))
    path = tuned.write(EMULATOR, {tuned.key_of(one.operation, one.problem): choice})
    matmul._product.cache_clear()
    return path


@pytest.mark.parametrize("damage", ["cut", "a number", "another name"])
def test_a_damaged_file_is_said_and_passed_over(cache, capsys, damage):
    a, b = numbers(5, 7), numbers(7, 3)
    path = keep(a, b)
    text = path.read_text()
    if damage == "cut":
        path.write_text(text[: len(text) // 2])
    elif damage == "a number":
        path.write_text(text.replace("1.0", "2.0"))
    else:
        found = json.loads(text)
        found["choices"] = {key.replace("matmul", "linear"): one for key, one in found["choices"].items()}
        path.write_text(json.dumps(found))
    tuned.forget()
    assert times(a, b)[1] != "naive"
    said = f"gpunn: {path} is damaged; variants are chosen without it: `gpunn tune` measures anew"
    assert said in capsys.readouterr().err


def test_a_changed_kernel_or_driver_is_not_chosen_by_what_was_measured_before(cache, capsys, monkeypatch):
    a, b = numbers(5, 7), numbers(7, 3)
    keep(a, b)
    with monkeypatch.context() as patch:
        patch.setattr(tuned, "kernels_of", lambda variants: "another")
        assert times(a, b)[1] != "naive"
    matmul._product.cache_clear()
    tuned.forget()
    monkeypatch.setattr(tuned, "device_words", lambda device: ("emulator", "driver 2"))
    assert times(a, b)[1] != "naive"
    assert "emulator.json is of -, here is driver 2; `gpunn tune` measures anew" in capsys.readouterr().err


def test_a_choice_that_no_longer_takes_the_problem_is_passed_over(cache, monkeypatch):
    a, b = numbers(5, 7), numbers(7, 3)
    keep(a, b)
    monkeypatch.setattr("gpunn.cuda.variants.lacking", lambda variant, *rest: "gone" if variant.name == "naive" else "")
    assert times(a, b)[1] != "naive"


def test_variants_far_too_slow_are_measured_once():
    calls = {"quick": lambda: None, "slow": lambda: None}
    told = {calls["quick"]: 1e-6, calls["slow"]: 1e-3}
    count = dict.fromkeys(told, 0)

    def clock(call):
        count[call] += 1
        return told[call]

    assert tuning._by_turns(calls, clock) == {"quick": 1.0, "slow": 1000.0}
    assert count[calls["slow"]] == 1 and count[calls["quick"]] == tuning.ROUNDS


def test_arrays_are_as_the_call_had_them():
    wide = numbers(9, 24)[:, :16]
    (one,) = asked(wide.T, numbers(9, 4))
    layout = one.inputs["a"]
    made = tuning._array(layout, EMULATOR)
    assert (made.shape, made.strides, made.dtype) == (layout.shape, layout.strides, layout.dtype)
    assert isinstance(made, host.EmulatedArray) and isinstance(OPERATIONS["matmul.product"], Operation)


def test_the_command_measures_lists_and_clears(cache, capsys, monkeypatch):
    clock = Stopwatch(naive=3.0)
    monkeypatch.setattr(tuning, "clock_of", lambda device: clock)
    a, b = numbers(6, 7), numbers(7, 3)
    monkeypatch.setattr("gpunn.cli.tune.run_step", lambda *args, **how: matmul.matmul(a, b))
    assert main(["tune", "lenet5", "--device", "emulator"]) == 0
    out = capsys.readouterr().out
    assert "matmul.product naive 3.0 us, next tile64 100.0, was tile32: M6 N3 K7 G1 float32" in out
    assert "times on the emulator mean nothing of a card" in out
    assert f"1 problems measured, kept in {cache / 'emulator.json'}" in out
    assert main(["tune", "--list", "--device", "emulator"]) == 0
    out = capsys.readouterr().out
    assert "emulator, -: 1 problems in" in out and "naive 3.0 us, tile64 100.0 us" in out
    assert main(["tune", "--clear"]) == 0
    assert "1 files removed from" in capsys.readouterr().out and not list(cache.glob("*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("lenet7 --device emulator", "unknown network or convolution 'lenet7'; did you mean 'lenet5'?"),
        ("lenet5 --device cpu", "tune: --device cpu runs no kernel; choose cuda or emulator"),
        ("--device emulator", "tune: of which network? choose from mlp, lenet5"),
        ("lenet5 --device emulator --precision bf61", "--precision: got 'bf61'; expected one of fp32,"),
        ("lenet5 --device emulator --batch 0", "--batch"),
    ],
)
def test_refusals(capsys, options, words):
    try:
        assert main(["tune", *options.split()]) == 2
    except SystemExit as end:
        assert end.code == 2
    assert words in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_an_error_in_words(cache):
    cache.parent.joinpath("tuned").write_text("a file in the folder's place")
    a, b = numbers(5, 7), numbers(7, 3)
    (one,) = asked(a, b)
    choice = tuned.Choice((("naive", 1.0),), "-")
    with pytest.raises(tuned.UsageError, match=r"cannot be kept in .*tuned \(.*\); set XDG_CACHE_HOME to"):
        tuned.write(EMULATOR, {tuned.key_of(one.operation, one.problem): choice})


@pytest.fixture
def card(monkeypatch, tmp_path):
    """The emulator as a card of compute capability 9.0, and a folder of shipped choices."""
    monkeypatch.setattr(tuned, "EMULATOR", None)
    monkeypatch.setattr(tuned, "capability", lambda device: 90)
    monkeypatch.setattr(tuned, "device_words", lambda device: ("Card", "driver 1"))
    monkeypatch.setattr(tuned, "shipped_file", lambda architecture: tmp_path / f"sm_{architecture}.json")
    return tmp_path / "sm_90.json"


def test_what_is_exported_ships_for_all_devices_of_its_architecture(cache, card, monkeypatch, capsys):
    a, b = numbers(5, 7), numbers(7, 3)
    keep(a, b)
    assert tuned.export(EMULATOR, card) == 1
    assert len(tuned.clear()) == 1
    monkeypatch.setattr(tuned, "device_words", lambda device: ("Another", "driver 2"))
    assert times(a, b)[1:] == ("naive", "shipped, tuned on Card: 1.0 us")
    assert capsys.readouterr().err == ""
    with pytest.raises(tuned.UsageError, match="nothing is kept of Another to export; `gpunn tune NETWORK` measures"):
        tuned.export(EMULATOR, card)
    matmul._product.cache_clear()
    tuned.forget()
    monkeypatch.setattr(tuned, "kernels_of", lambda variants: "another")
    assert times(a, b)[1] != "naive"  # the kernels have changed since


def test_what_was_measured_on_the_device_goes_before_what_ships(card):
    a, b = numbers(5, 7), numbers(7, 3)
    keep(a, b)
    tuned.export(EMULATOR, card)
    (one,) = asked(a, b)
    choice = tuned.Choice((("tile32", 2.0),), tuned.kernels_of(OPERATIONS[one.operation].variants))
    tuned.write(EMULATOR, {tuned.key_of(one.operation, one.problem): choice})
    matmul._product.cache_clear()
    assert times(a, b)[1:] == ("tile32", "tuned on Card: 2.0 us")


def test_what_ships_is_of_the_kernels_as_they_are():
    """A shipped file is whole, and some of its choices can be made: else it is measured anew or taken away."""
    for path in (tuned.source.folder() / "tuned").glob("*"):
        _, choices = tuned._read(path, None)
        now = {name: tuned.kernels_of(operation.variants) for name, operation in OPERATIONS.items()}
        assert choices and any(now[key.partition(":")[0]] == choice.kernels for key, choice in choices.items()), path


def test_ctrl_c_keeps_what_was_measured(cache, monkeypatch):
    a, b = numbers(6, 7), numbers(7, 3)
    monkeypatch.setattr("gpunn.cli.tune.run_step", lambda *args, **how: matmul.matmul(a, b))
    one = next(tuning.measure(asked(a, b), Stopwatch(naive=3.0)))
    matmul._product.cache_clear()

    def measure(asked):
        yield one
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "measure", measure)
    main(["tune", "lenet5", "--device", "emulator"])
    assert len(tuned.read(cache / "emulator.json", "-")) == 1

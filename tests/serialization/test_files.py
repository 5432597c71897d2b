"""gpunn.save and gpunn.load: trees come back as they were, files are exchanged with PyTorch, all else is refused."""

import io
from collections import Counter, OrderedDict

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, optim
from gpunn.errors import CheckpointError
from gpunn.serialization.types import STORAGE_OF
from tests.parity import torch

DEVICES = [name for name in ("cpu", "emulator", "cuda") if gpunn.is_available(name)]


def loaded(file, **options):
    file.seek(0)
    return gpunn.load(file, **options)


def through(tree, **options):
    file = io.BytesIO()
    gpunn.save(tree, file)
    return loaded(file, **options)


def same(a, b):
    if isinstance(a, (Tensor, np.ndarray)):
        x, y = np.asarray(a), np.asarray(b)
        assert type(a) is type(b) and x.dtype == y.dtype and x.shape == y.shape and np.array_equal(x, y)
    elif isinstance(a, dict):
        assert type(a) is type(b) and list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b) and len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            same(one, other)
    else:
        assert type(a) is type(b) and (a == b or a != a)


PLAIN = {
    "numbers": [0, 1, -3, 2**31, -(2**63), 2**200, 1.5, float("inf"), float("nan"), True, False, None],
    "texts": ["", "é\n", "\ud800", b"", b"a\xff"],
    "nests": {"a": [{"b": ((), (1, (2, "x")))}], 3: {0.5: None, (1, "k"): True, None: 1}},
    "others": [
        {1, "a"},
        frozenset([2]),
        OrderedDict(b=1, a=2),
        Counter("aab"),
        np.dtype("float16"),
        gpunn.device("cuda:1"),
    ],
}


@pytest.mark.parametrize("tree", PLAIN.values(), ids=PLAIN)
def test_plain_values_come_back(tree):
    same(tree, through(tree))


@pytest.mark.parametrize("dtype", [*STORAGE_OF, "uint16", "uint64"])
def test_tensors_and_arrays_come_back(dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    x = gpunn.randint(0, 2, (2, 3), dtype=dtype)
    tree = {
        "x": x,
        "T": x.T,
        "part": x[:, ::2],
        "none": gpunn.zeros(0, 3, dtype=dtype),
        "one": gpunn.ones((), dtype=dtype),
    }
    if dtype != "bfloat16":
        tree |= {"array": np.asarray(x), "F": np.asfortranarray(np.asarray(x)), "0-d": np.asarray(x[0, 0])}
    same(tree, through(tree))


def test_parameters_and_wishes_for_gradients_come_back():
    p = through([nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2), requires_grad=False)])
    assert [type(x) for x in p] == [nn.Parameter] * 2 and [x.requires_grad for x in p] == [True, False]
    x = through(gpunn.ones(2, requires_grad=True))
    assert type(x) is Tensor and x.requires_grad


def test_what_was_shared_is_shared_again():
    a, x, numbers = np.arange(6, dtype=np.float32), gpunn.ones(3), [1]
    tree = {"all": Tensor(a), "end": Tensor(a[4:]), "x": x, "again": x, "numbers": numbers, "too": numbers}
    got = through(tree)
    assert np.shares_memory(np.asarray(got["all"]), np.asarray(got["end"])) and got["end"].tolist() == [4, 5]
    assert got["x"] is got["again"] and got["numbers"] is got["too"]
    numbers.append(numbers)
    loop = through(numbers)
    assert loop[1] is loop


def test_a_part_does_not_bring_the_whole():
    file = io.BytesIO()
    gpunn.save(Tensor(np.zeros(100_000, np.float32)[:2]), file)
    assert len(file.getvalue()) < 2000


def test_memory_order_is_kept():
    x = gpunn.zeros(2, 3, 4, 5).permute(0, 3, 1, 2)
    assert np.asarray(through(x)).strides == np.asarray(x).strides


@pytest.mark.parametrize("device", DEVICES)
def test_a_model_and_its_optimiser_go_on_from_a_file(device, tmp_path):
    def step(model, optimizer):
        optimizer.zero_grad()
        model(gpunn.ones(2, 3, device=device)).sum().backward()
        optimizer.step()

    model = nn.Linear(3, 2).to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    step(model, optimizer)
    path = tmp_path / "state.pt"
    gpunn.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    step(model, optimizer)
    other = nn.Linear(3, 2).to(device)
    resumed = optim.Adam(other.parameters(), lr=0.1)
    saved = gpunn.load(path, map_location=device)
    other.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    step(other, resumed)
    assert np.array_equal(gpunn.to_numpy(model.weight), gpunn.to_numpy(other.weight))


def test_equal_trees_give_equal_bytes(tmp_path):
    for name in "ab":
        gpunn.save({"x": gpunn.ones(3), "n": [1, 2]}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
def test_files_of_pytorch_are_read(zipped):
    t = torch()
    model = t.nn.Sequential(t.nn.Conv2d(1, 2, 3), t.nn.BatchNorm2d(2))
    adam = t.optim.Adam(model.parameters())
    model(t.ones(2, 1, 5, 5)).sum().backward()
    adam.step()
    x = t.arange(12.0).reshape(3, 4)
    kinds = {str(k): t.ones(2, dtype=k) for k in (t.float64, t.float16, t.bfloat16, t.int64, t.int8, t.uint8, t.bool)}
    kinds |= {"uint16": t.ones(2, dtype=t.uint16)} if zipped else {}
    tree = {"model": model.state_dict(), "adam": adam.state_dict(), "x": x, "T": x.T, "part": x[1:, ::2], **kinds}
    rest = {"p": model[0].weight, "a": np.arange(3.0), "n": np.float32(2), "s": t.Size([1, 2]), "d": t.float16}
    rest |= {"b": b"", "c": b"\xff"}
    file = io.BytesIO()
    t.save({**tree, **rest}, file, _use_new_zipfile_serialization=zipped)
    got = loaded(file)

    def check(mine, their):
        if isinstance(their, dict):
            assert list(mine) == list(their)
            for key in their:
                check(mine[key], their[key])
        elif isinstance(their, t.Tensor):
            assert isinstance(mine, Tensor) and tuple(mine.shape) == tuple(their.shape)
            assert f"torch.{mine.dtype}" == str(their.dtype)
            assert np.array_equal(np.asarray(mine).astype(float), their.detach().to(t.float64).numpy())
        elif isinstance(their, (list, tuple)):
            for one, other in zip(mine, their, strict=True):
                check(one, other)
        else:
            assert np.array_equal(mine, their)

    check({key: got[key] for key in tree}, tree)
    assert isinstance(got["p"], nn.Parameter) and got["n"] == 2.0 and got["s"] == (1, 2) and got["d"] == np.float16
    assert got["b"] == b"" and got["c"] == b"\xff"
    assert np.array_equal(got["a"], np.arange(3.0))
    assert np.shares_memory(np.asarray(got["x"]), np.asarray(got["T"]))
    whole = io.BytesIO()
    t.save(model, whole, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"names torch.nn.modules.container.Sequential, a class, whose code"):
        loaded(whole)


def test_pytorch_reads_our_files_with_weights_only():
    t, a = torch(), np.arange(6, dtype=np.float32)
    model = nn.Linear(3, 2)
    file = io.BytesIO()
    tree = {
        "m": {k: Tensor(v) for k, v in model.state_dict().items()},
        "p": model.weight,
        "v": [Tensor(a), Tensor(a[2:4])],
        "n": (1, 2.5, None, "x", {3}),
    }
    gpunn.save({**tree, "b": gpunn.ones(2, dtype="uint16"), "d": np.dtype("int8"), "c": Counter("ab")}, file)
    file.seek(0)
    got = t.load(file, weights_only=True)
    assert np.array_equal(got["m"]["weight"].numpy(), np.asarray(model.weight)) and got["n"] == tree["n"]
    assert isinstance(got["p"], t.nn.Parameter) and got["b"].dtype == t.uint16 and got["d"] == t.int8
    got["v"][0][2] = 99
    assert got["v"][1].tolist() == [99, 3]


def test_devices_are_mapped():
    t, emulated = gpunn.ones(2), "emulator" if "emulator" in DEVICES else "cpu"
    assert str(through(t, map_location=emulated).device) == emulated
    assert str(through(t, map_location={"cpu": emulated}).device) == emulated
    assert str(through(t, map_location=gpunn.device(emulated)).device) == emulated
    assert str(through(t, map_location=lambda storage, where: storage).device) == "cpu"
    assert str(through(t, map_location=lambda storage, where: storage.to(emulated)).device) == emulated


@pytest.mark.skipif("cuda" in DEVICES, reason="there is a GPU")
def test_a_device_that_is_not_here_is_named():
    file = io.BytesIO()
    gpunn.save(gpunn.ones(2), file)
    with pytest.raises(CheckpointError, match=r"load: the file has tensors of device 'cuda:0', which is not here"):
        loaded(file, map_location={"cpu": "cuda:0"})
    with pytest.raises(CheckpointError, match="pass map_location='cpu'"):
        loaded(file, map_location={"cpu": "mps"})


class Own:
    pass


REFUSED = {
    "a model": (lambda: nn.ReLU(), "save: obj is a ReLU, whose code no file holds; pass model.state_dict()"),
    "an optimiser": (
        lambda: {"o": optim.SGD(nn.Linear(1, 1).parameters(), lr=1)},
        r"save: obj\['o'\] is a SGD, whose code no file holds; pass optimizer.state_dict\(\)",
    ),
    "a function": (lambda: [len], r"save: obj\[0\] is a builtin_function_or_method, whose code no file holds"),
    "a class": (lambda: Own, "save: obj is a type, whose code no file holds"),
    "an object": (lambda: {"a": [Own()]}, r"save: obj\['a'\]\[0\] is a tests Own, expected Tensors, arrays, numbers"),
    "complex": (lambda: np.ones(2, np.complex64), "save: obj is of complex64, expected one of float32"),
    "objects": (lambda: np.array([None]), "save: obj is of object, expected one of"),
    "a key": (lambda: {Own: 1}, "has the key <class"),
}


@pytest.mark.parametrize(("tree", "words"), REFUSED.values(), ids=REFUSED)
def test_what_no_file_holds_is_named(tree, words, tmp_path):
    with pytest.raises(TypeError, match=words):
        gpunn.save(tree(), tmp_path / "x.pt")
    assert not list(tmp_path.iterdir())


def test_a_nest_too_deep_and_another_module_are_refused(tmp_path):
    nest = []
    for _ in range(200):
        nest = [nest]
    with pytest.raises(ValueError, match="nests deeper than 100, expected less; flatten it"):
        gpunn.save(nest, tmp_path / "x.pt")
    with pytest.raises(TypeError, match=r"load: pickle_module is .*, expected None: nothing in a file is run"):
        gpunn.load(tmp_path / "x.pt", pickle_module=io)
    with pytest.raises(TypeError, match="save: f is a dict, expected a path or an open binary file; pass the values f"):
        gpunn.save(tmp_path / "x.pt", {"a": 1})
    with pytest.raises(TypeError, match="load: f is a dict, expected a path or an open binary file"):
        gpunn.load({"a": 1})


def test_a_file_that_cannot_be_written_or_read_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"save: cannot write .*no/x.pt"):
        gpunn.save([1], tmp_path / "no" / "x.pt")
    with pytest.raises(CheckpointError, match=r"load: cannot read .*x.pt: No such file"):
        gpunn.load(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"load: the file is at its end, expected its beginning; call f.seek"):
        gpunn.load(io.BytesIO())
    (tmp_path / "x.pt").write_text("weights")
    with pytest.raises(CheckpointError, match=r"x.pt is damaged, or none of PyTorch's"):
        gpunn.load(tmp_path / "x.pt")


def test_tensors_of_a_gpu_go_back_to_it(look_alike):
    x = gpunn.arange(6.0, device="cuda")
    file = io.BytesIO()
    gpunn.save({"x": x, "T": x.reshape(2, 3).T}, file)
    got = loaded(file)
    assert str(got["x"].device) == str(got["T"].device) == "cuda" and got["T"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert str(loaded(file, map_location="cpu")["x"].device) == "cpu"

"""Arrays as files and other programs lay them out: the same numbers at every entrance, or a refusal."""


import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, nn, no_grad, ops, optim
from gpunn.nn import init
from gpunn.nn.state import copied
from tests.ops.places import host
from tests.ops.test_raw_arrays import CALLS

RNG = np.random.default_rng(5)


def swapped(a):
    return a.astype(a.dtype.newbyteorder())


def unaligned(a):
    return np.frombuffer(b"?" + a.tobytes(), np.uint8)[1:].view(np.uint8)[: a.nbytes].view(a.dtype).reshape(a.shape)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def packed_field(a):
    records = np.zeros(a.shape, [("tag", "u1"), ("value", a.dtype)])
    records["value"] = a
    return records["value"]


def aligned_field(a):
    records = np.zeros(a.shape, [("value", a.dtype), ("other", "f8")])
    records["value"] = a
    return records["value"]


def backwards(a):
    flips = (slice(None, None, -1),) * a.ndim
    return a[flips].copy()[flips]


def spread(a):
    wide = np.zeros([2 * n for n in a.shape], a.dtype)
    part = wide[(*[slice(None, None, 2)] * a.ndim, ...)]
    part[...] = a
    return part


def mapped(a):
    return a.view(np.memmap)


LAID_OUT = (swapped, unaligned, read_only, packed_field, aligned_field, backwards, spread, mapped)
DEVICES = ("cpu", "emulator", "cuda")
# What sees memory in another shape refuses what lies otherwise.
PAIRS = [(name, device) for name in sorted(set(CALLS) - {"view"}) for device in DEVICES]


def given(device, request):
    if device != "cpu" and not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    if device == "cuda":
        request.getfixturevalue("look_alike")


def single(a):
    return a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


@pytest.mark.parametrize(("name", "device"), PAIRS)
def test_ops_read_them_as_they_read_others(name, device, request):
    given(device, request)
    function, *arguments = CALLS[name]
    arguments = [single(a) for a in arguments]

    def result(lay, wrap):
        moved = [gpunn.to_device(lay(a), device) if isinstance(a, np.ndarray) else a for a in arguments]
        floats = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arguments]
        return host(function(*(Tensor(a) if f and wrap else a for a, f in zip(moved, floats, strict=True))))

    want = result(lambda a: a, False)
    for lay in LAID_OUT:
        for wrap in (False, True):
            got = result(lay, wrap)
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=f"{name} of {lay.__name__} on {device}")


@pytest.mark.parametrize("lay", LAID_OUT)
def test_arrays_that_were_changed_on_the_emulator_are_read_right(lay, request):
    """An EmulatedArray is a NumPy array, which can be viewed and converted as one."""
    given("emulator", request)
    x, w = (RNG.normal(size=shape).astype(np.float32) for shape in ((1, 2, 6, 6), (3, 2, 3, 3)))
    kind = gpunn.backend.require_emulator().EmulatedArray
    got = ops.conv2d(lay(x).view(kind), lay(w).view(kind))
    np.testing.assert_allclose(host(got), ops.conv2d(x, w), rtol=1e-5, atol=1e-5)
    mean, var = np.ones(2, np.float32), np.full(2, 2, np.float32)
    want = ops.batch_norm(x, mean, var)
    got = ops.batch_norm(x.view(kind), lay(mean).view(kind), lay(var).view(kind))
    np.testing.assert_allclose(host(got), want, rtol=1e-5, atol=1e-5)


WHOLE = [(device, lay) for lay in LAID_OUT for device in DEVICES]


@pytest.mark.parametrize(("device", "lay"), WHOLE)
def test_a_step_of_training_on_them(device, lay, request):
    given(device, request)
    x = RNG.normal(size=(6, 1, 5, 5)).astype(np.float32)
    labels = np.arange(6) % 3

    def weights(lay):
        gpunn.manual_seed(3)
        model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 3))
        model.load_state_dict({name: lay(value) for name, value in copied(model).items()})
        model.to(device)
        loader = data.DataLoader(data.ArrayDataset(lay(x), lay(labels)), 3, device=device)
        sgd = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for images, targets in loader:
            sgd.zero_grad()
            ops.cross_entropy(model(images), targets).backward()
            sgd.step()
        return {name: host(value) for name, value in copied(model).items()}

    got, want = weights(lay), weights(lambda a: a)
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("lay", (swapped, unaligned, read_only, packed_field))
@pytest.mark.parametrize("device", ("cpu", "emulator"))
def test_what_is_changed_in_place_must_be_what_was_given(device, lay, request):
    given(device, request)
    kind = np.ndarray if device == "cpu" else gpunn.backend.require_emulator().EmulatedArray
    x = gpunn.to_device(RNG.normal(size=(4, 3)).astype(np.float32), device)
    fine, odd = np.ones(3, np.float32).view(kind), lay(np.ones(3, np.float32)).view(kind)
    got = {swapped: "of dtype >f4", read_only: "read-only"}.get(lay, "unaligned")
    pairs = x[..., None][:, :, [0, 0]]
    calls = (lambda: ops.batch_norm(x, odd, fine, training=True), lambda: ops.instance_norm(pairs, odd, fine))
    for call in calls:
        with pytest.raises(ValueError, match=f"norm: running_mean is {got}, expected an array that can be written to"):
            call()
    assert odd.tolist() == [1, 1, 1] and fine.tolist() == [1, 1, 1]
    p = Tensor(gpunn.to_device(np.ones(3, np.float32), device), requires_grad=True)
    p.gradient = odd
    if lay is not read_only:
        with pytest.raises(ValueError, match=r"SGD: a gradient of shape \(3,\) is [<>]f4.* assign .grad a copy"):
            optim.SGD([p], 0.1).step()
        with pytest.raises(ValueError, match=r"clip_grad_norm_: a gradient of shape \(3,\) is [<>]f4"):
            optim.clip_grad_norm_([p], 0.1)
        assert host(p.detach()).tolist() == [1, 1, 1]


def test_a_running_statistic_that_is_no_array_is_refused():
    with pytest.raises(ValueError, match="batch_norm: running_mean is a list, expected an array that can be"):
        ops.batch_norm(np.ones((4, 2)), [0.0, 0.0], np.ones(2), training=True)


@pytest.mark.parametrize("lay", LAID_OUT)
def test_initialisers_fill_the_very_array(lay):
    array = lay(np.zeros((3, 4), np.float32))
    for fill in (init.ones_, init.normal_, init.xavier_uniform_, init.orthogonal_):
        if lay is read_only or not array.flags.writeable:
            with pytest.raises(ValueError, match=r"init: tensor \(3, 4\) is read-only, expected memory to fill"):
                fill(array)
            continue
        gpunn.manual_seed(1)
        want = fill(np.zeros((3, 4), np.float32))
        gpunn.manual_seed(1)
        assert fill(array) is array and np.array_equal(array, want)
    with pytest.raises(TypeError, match="init: tensor is a list, expected a Tensor or an array to fill"):
        init.normal_([[1.0, 2.0]])


@pytest.mark.parametrize("enter", (Tensor, gpunn.tensor, nn.Parameter, ops.relu, lambda a: gpunn.to_device(a, "cpu")))
def test_records_and_objects_are_refused(enter):
    records = np.zeros(3, [("x", "f4"), ("y", "f4")])
    with pytest.raises(TypeError, match=r"got an array of records .* expected numbers; pass one field, .*array\['x'\]"):
        enter(records)
    if enter in (Tensor, gpunn.tensor, nn.Parameter, ops.relu):
        with pytest.raises(TypeError, match="object"):
            enter(np.array([1.0, None]))


def test_views_of_a_tensor_are_changed_through_it_where_they_can_be():
    """A Tensor keeps an array; one in another order it copies, as it must: that is said in its docstring."""
    kept, other = np.ones(2, np.float32), np.ones(2, ">f4")
    with no_grad():
        for array in (kept, other):
            x = Tensor(array)
            x += 1
            assert host(x).tolist() == [2, 2]
    assert kept.tolist() == [2, 2] and other.tolist() == [1, 1]


def test_state_of_a_module_is_taken_in_any_layout():
    layer = nn.BatchNorm1d(2)
    layer.running_mean = np.array([3, 4], ">f4")
    assert layer.running_mean.dtype.isnative and layer.running_mean.tolist() == [3, 4]
    layer(RNG.normal(size=(4, 2)).astype(np.float32))
    assert layer.running_mean.tolist() != [3, 4]


def test_torch_bfloat16_comes_in():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    values = torch.tensor([[1.5, -2.0], [3.0, 0.1]], dtype=torch.bfloat16)
    for enter in (Tensor, gpunn.tensor):
        for tensor in (values, values.T, values[0, 0], values[:, 1]):
            got = enter(tensor)
            assert got.dtype.name == "bfloat16" and got.to("float32").tolist() == tensor.float().tolist()
    assert gpunn.tensor(values, dtype="float32").tolist() == values.float().tolist()
    layer = nn.Linear(2, 2, bias=False)
    layer.load_state_dict({"weight": values})
    assert layer.weight.tolist() == values.float().tolist()
    for tensor in (torch.ones(2, requires_grad=True), values.clone().requires_grad_(), torch.ones(2).to_sparse()):
        with pytest.raises(TypeError, match=r"got a torch Tensor of torch\.\w+ that cannot be taken over .*; expected"):
            gpunn.tensor(tensor)
        with pytest.raises(TypeError, match=r"conv1d: w: got a torch Tensor of torch\.\w+ that cannot be taken over"):
            ops.conv1d(np.ones((1, 1, 3), np.float32), tensor)


def test_format():
    assert f"{gpunn.tensor(1.23456):.3f} {gpunn.tensor([[2]]):>4}" == "1.235    2"
    assert f"{gpunn.tensor([1.0, 2.0])}" == "Tensor([1., 2.])"
    with pytest.raises(TypeError, match=r"format: got a Tensor of shape \(2,\) and '.3f', expected one element"):
        f"{gpunn.tensor([1.0, 2.0]):.3f}"

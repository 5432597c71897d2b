"""Module: what it holds, how it moves, prints, saves and loads."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import gpunn
from gpunn import CheckpointError, Tensor, nn, ops
from gpunn.nn.state import copied


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 6 * 6, 5))

    def forward(self, x):
        return self.head(self.bn1(self.conv1(x), relu=True))


KEYS = [
    "conv1.weight",
    "conv1.bias",
    "bn1.weight",
    "bn1.bias",
    "bn1.running_mean",
    "bn1.running_var",
    "bn1.num_batches_tracked",
    "head.1.weight",
    "head.1.bias",
]


def batch(n=3):
    return np.random.default_rng(0).standard_normal((n, 1, 6, 6)).astype(np.float32)


def test_names_of_contents():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [k for k in KEYS if "running" not in k and "num_" not in k]
    assert [name for name, _ in net.named_buffers()] == KEYS[4:7]
    assert [name for name, _ in net.named_children()] == ["conv1", "bn1", "head"]
    assert [name for name, _ in net.named_modules()] == ["", "conv1", "bn1", "head", "head.0", "head.1"]
    assert len(list(net.modules())) == 6 and len(list(net.children())) == 3 and len(list(net.buffers())) == 3


def test_shared_parameters_count_once_but_are_saved_under_each_name():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_state_dict_shares_memory():
    """As PyTorch's: also while operations are recorded, and of weights that a graph has read."""
    net = Net()
    net(batch())
    state = net.state_dict()
    assert list(state) == KEYS and not any(value.requires_grad for value in state.values())
    state["conv1.weight"][0] = 7
    state["bn1.running_mean"].fill_(3)
    assert (net.conv1.weight.array[0] == 7).all() and (net.conv1.weight.array[1] != 7).all()
    assert (net.bn1.running_mean.array == 3).all()
    net.conv1.weight.data.zero_()
    assert not state["conv1.weight"].array.any()


def test_state_moves_to_pytorch_and_back():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: no state_dict to exchange")

    class TorchNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 4, 3, padding=1)
            self.bn1 = torch.nn.BatchNorm2d(4)
            self.head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4 * 6 * 6, 5))

        def forward(self, x):
            return self.head(torch.relu(self.bn1(self.conv1(x))))

    theirs, ours, x = TorchNet(), Net(), batch()
    theirs(torch.from_numpy(x))  # moves the running statistics
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    want = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(x).numpy(), want, rtol=1e-5, atol=1e-5)
    ours = Net()
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.named_arrays().items()})
    want = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(x).numpy(), want, rtol=1e-5, atol=1e-5)


def test_load_accepts_parameters_that_require_gradients_and_tensors():
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    b.load_state_dict({"weight": a.weight, "bias": Tensor(a.bias.array)})
    assert np.array_equal(a.weight.array, b.weight.array) and b.weight.array is not a.weight.array


def test_load_keeps_arrays_in_place():
    net = nn.Linear(3, 2)
    held = net.weight.array
    net.load_state_dict({name: array + 1 for name, array in copied(net).items()})
    assert net.weight.array is held


def test_load_lists_every_key_that_does_not_fit_and_changes_nothing():
    net = Net()
    before, state = copied(net), copied(net)
    del state["conv1.bias"], state["bn1.weight"]
    state["extra"], state["other"] = np.zeros(1), np.zeros(1)
    state["head.1.weight"] = np.zeros((10, 84))
    with pytest.raises(CheckpointError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict: the state does not fit Net: missing conv1.bias, bn1.weight; unexpected extra, other; "
        "head.1.weight is (5, 144) but got (10, 84). Nothing was changed; "
        "build the model with the options it was saved with"
    )
    for name, array in copied(net).items():
        assert np.array_equal(array, before[name])


def test_load_refuses_what_is_no_array_of_numbers_and_changes_nothing():
    net = nn.Linear(3, 2)
    before = copied(net)
    with pytest.raises(TypeError, match=r"load_state_dict: bias is .*, expected"):
        net.load_state_dict({"weight": np.ones((2, 3)), "bias": np.array(["a", "b"])})
    with pytest.raises(TypeError, match=r"load_state_dict: bias is .*, expected"):
        net.load_state_dict({"weight": np.ones((2, 3)), "bias": object()})
    assert all(np.array_equal(copied(net)[name], array) for name, array in before.items())


def test_load_not_strict_passes_over_missing_and_unexpected_keys():
    net = nn.Linear(3, 2)
    keys = net.load_state_dict({"weight": np.ones((2, 3)), "extra": np.zeros(1)}, strict=False)
    assert keys.missing_keys == ["bias"] and keys.unexpected_keys == ["extra"]
    assert np.array_equal(net.weight.array, np.ones((2, 3)))
    with pytest.raises(CheckpointError, match=r"weight is \(2, 3\) but got \(3, 2\)"):
        net.load_state_dict({"weight": np.ones((3, 2))}, strict=False)
    with pytest.raises(CheckpointError, match=r"missing weight, bias.*or pass strict=False"):
        net.load_state_dict({})
    with pytest.raises(TypeError, match=r"state is a list, expected a mapping"):
        net.load_state_dict([1])  # pyright: ignore[reportArgumentType]


def test_train_eval_apply():
    net, seen = Net(), []
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert net.train() is net and all(m.training for m in net.modules())
    net.apply(seen.append)
    assert seen[-1] is net and len(seen) == 6


def test_to_dtype_converts_gradients_and_later_backward_passes():
    net, x = Net(), batch()
    ops.sum(net(x)).backward()
    net.to("float64")
    assert {p.dtype for p in net.parameters()} == {np.dtype("float64")}
    assert {p.gradient.dtype for p in net.parameters()} == {np.dtype("float64")}
    assert net.bn1.running_mean.dtype == np.float64 and net.bn1.num_batches_tracked.dtype == np.int64
    net.zero_grad()
    assert all(p.gradient is None for p in net.parameters())
    ops.sum(net(x.astype(np.float64))).backward()
    assert {p.gradient.dtype for p in net.parameters()} == {np.dtype("float64")}
    assert net.to("cpu") is net


def test_to_refuses_what_is_neither_device_nor_floating_dtype():
    with pytest.raises(TypeError, match=r"expected a device .* or a floating dtype"):
        Net().to("tpu")
    with pytest.raises(TypeError, match=r"parameters cannot be int64; expected a floating dtype"):
        Net().to("int64")


def test_requires_grad_freezes():
    net = Net()
    net.conv1.requires_grad_(False)
    ops.sum(net(batch())).backward()
    assert net.conv1.weight.gradient is None and net.bn1.weight.gradient is not None


def test_deepcopy_and_pickle_leave_the_graph_behind():
    net, x = Net(), batch()
    ops.sum(net(x)).backward()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.zero_grad()
        before = net.conv1.weight.gradient.copy()
        ops.sum(other(x)).backward()
        assert other.conv1.weight.gradient is not None
        assert np.array_equal(net.conv1.weight.gradient, before)


def test_forgotten_super_init_is_named():
    class Forgot(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

    class ForgotToo(nn.Module):
        def __init__(self):
            self.width = 3

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"Forgot: fc is set before super\(\).__init__\(\) has run; call it first"):
        Forgot()
    with pytest.raises(AttributeError, match=r"ForgotToo: super\(\).__init__\(\) has not run"):
        ForgotToo()(1)


def test_arrays_do_not_replace_parameters():
    net = nn.Linear(2, 3)
    with pytest.raises(
        TypeError, match=r"Linear.weight is a Parameter, but got ndarray; .*weight.array\[...\] = array"
    ):
        net.weight = np.zeros((3, 2))
    net.weight = nn.Parameter(np.ones((3, 2), np.float32))
    net.bias = None
    assert list(net.state_dict()) == ["weight"]
    with pytest.raises(TypeError, match=r"Net.conv1 is a Module, but got int; assign a Module, or None"):
        Net().conv1 = 3
    with pytest.raises(AttributeError, match=r"Linear has no attribute 'wieght'"):
        _ = net.wieght


def test_buffers():
    net = nn.Module()
    net.register_buffer("scale", [1.0, 2.0])
    net.register_buffer("scratch", np.zeros(2), persistent=False)
    net.register_buffer("later", None)
    assert list(net.state_dict()) == ["scale"] and net.scale.dtype == np.float32
    assert [name for name, _ in net.named_buffers()] == ["scale", "scratch"]
    with pytest.raises(KeyError, match="training is an attribute already"):
        net.training = True
        net.register_buffer("training", None)
    with pytest.raises(TypeError, match=r"Module.scale is a buffer, but got str"):
        net.scale = "two"


def test_module_without_forward():
    with pytest.raises(TypeError, match="Module defines no forward; add `def forward"):
        nn.Module()(1)


def test_forward_hooks_see_and_change_the_output():
    net, seen = nn.ReLU(), []
    remove = net.register_forward_hook(lambda module, args, y: seen.append((module, args[0].shape)))
    change = net.register_forward_hook(lambda module, args, y: y + 1)
    assert np.array_equal(net(np.array([-1.0, 2.0])), [1, 3]) and seen == [(net, (2,))]
    remove()
    change()
    assert np.array_equal(net(np.array([-1.0, 2.0])), [0, 2]) and len(seen) == 1


def test_sequential():
    a, b = nn.ReLU(), nn.Tanh()
    for net in (nn.Sequential(OrderedDict(first=a, second=b)), nn.Sequential({"first": a, "second": b})):
        assert net[0] is a and net[-1] is b and net.second is b and len(net) == 2 and list(net) == [a, b]
        assert [name for name, _ in net[1:].named_children()] == ["second"]
    net = nn.Sequential(a).append(b)
    assert [name for name, _ in net.named_children()] == ["0", "1"]
    net[0] = c = nn.Sigmoid()
    assert net[0] is c
    np.testing.assert_allclose(net(np.zeros(1)), np.tanh(0.5))
    with pytest.raises(IndexError, match="Sequential: index 5 is outside its 2 modules"):
        net[5]
    with pytest.raises(TypeError, match="Sequential: 0 is a function, expected a Module"):
        nn.Sequential(ops.relu)
    with pytest.raises(KeyError, match="cannot name a Module"):
        nn.Sequential({"a.b": a})


def edited(net, a, b, c, d):
    """One of each way to change the order, with what must then be there."""
    yield net[1:].append(d), [b, c, d]
    yield net[::2].extend([d, a]), [a, c, d, a]
    yield net[:2] + net[2:] + [d], [a, b, c, d]
    net.insert(1, d)
    yield net, [a, d, b, c]
    net.insert(-1, d)
    yield net, [a, d, b, d, c]
    assert net.pop(1) is d and net.pop() is c
    yield net, [a, b, d]
    del net[0]
    yield net, [b, d]
    net[1:] = [c, a]
    yield net, [b, c, a]
    net[0] = d
    yield net, [d, c, a]
    del net[::2]
    yield net, [c]
    net += net
    yield net, [c, c]


@pytest.mark.parametrize("kind", (nn.Sequential, lambda *layers: nn.ModuleList(layers)), ids=("Sequential", "List"))
def test_containers_change_as_lists_do(kind):
    layers = [nn.Linear(2, 2) for _ in range(4)]
    for net, expected in edited(kind(*layers[:3]), *layers):
        assert list(net) == expected and net[-1] is expected[-1]
        assert list(net._modules) == [str(i) for i in range(len(expected))]
        assert list(net.state_dict()) == [f"{i}.{name}" for i in range(len(expected)) for name in ("weight", "bias")]
    before = list(net)
    with pytest.raises(TypeError, match=r"(Sequential|ModuleList): 1 is a function, expected a Module"):
        net.extend([layers[0], ops.relu])
    with pytest.raises(IndexError, match=r"(Sequential|ModuleList): index 2 is outside its 2 modules"):
        net.pop(2)
    assert list(net) == before


def test_changed_containers_keep_words_and_run_in_order():
    net = nn.Sequential({"first": nn.ReLU(), "5": nn.Tanh(), "last": nn.Sigmoid()})
    net.insert(0, nn.Tanh())
    assert [name for name, _ in net.named_children()] == ["0", "first", "2", "last"]
    x = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(net(x), 1 / (1 + np.exp(-np.tanh(np.maximum(np.tanh(x), 0)))))


def test_module_list():
    net = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    first = nn.Linear(2, 2)
    net.insert(0, first)
    assert len(net) == 4 and net[0] is first and len(list(net.parameters())) == 8
    assert [name for name, _ in net.named_children()] == ["0", "1", "2", "3"] and len(net[1:3]) == 2
    with pytest.raises(TypeError, match="ModuleList cannot be called; loop over its modules"):
        net(1)


def test_repr():
    assert repr(Net()) == (
        "Net(\n"
        "  conv1: Conv2d(1->4, 3x3, stride 1, padding 1)\n"
        "  bn1: BatchNorm2d(4)\n"
        "  head: Sequential(\n"
        "    0: Flatten()\n"
        "    1: Linear(144->5)\n"
        "  )\n"
        ")"
    )


@pytest.mark.parametrize(
    "layer, text",
    [
        (nn.Conv2d(6, 16, 5), "Conv2d(6->16, 5x5, stride 1, padding 0)"),
        (
            nn.Conv2d(4, 8, (3, 1), stride=(2, 1), padding="valid", dilation=2, groups=2, bias=False),
            "Conv2d(4->8, 3x1, stride 2x1, padding valid, dilation 2, groups 2, no bias)",
        ),
        (nn.Conv1d(2, 3, 3, padding_mode="circular", padding=1), None),
        (nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), "ConvTranspose2d(2->3, 3x3, stride 2, padding 1, output_padding 1)"),
        (nn.MaxPool2d(3, 2, ceil_mode=True), "MaxPool2d(3x3, stride 2, padding 0, ceil_mode)"),
        (nn.AvgPool2d(2, count_include_pad=False), "AvgPool2d(2x2, stride 2, padding 0, padding not counted)"),
        (nn.AdaptiveAvgPool2d((None, 2)), "AdaptiveAvgPool2d(to *x2)"),
        (nn.BatchNorm1d(3, momentum=None, affine=False), "BatchNorm1d(3, momentum None, not affine)"),
        (nn.Linear(3, 4, bias=False), "Linear(3->4, no bias)"),
        (nn.LeakyReLU(0.2), "LeakyReLU(slope 0.2)"),
        (nn.Dropout(), "Dropout(p 0.5)"),
        (nn.Softmax(1), "Softmax(dim 1)"),
        (nn.StochasticDepth(0.2, "row"), "StochasticDepth(p 0.2, row)"),
        (nn.GELU("tanh"), "GELU(tanh)"),
        (nn.PReLU(3), "PReLU(3)"),
        (nn.ELU(), "ELU(alpha 1.0)"),
        (nn.GroupNorm(2, 6, affine=False), "GroupNorm(6 in 2 groups, not affine)"),
        (nn.LayerNorm((3, 5)), "LayerNorm(3x5)"),
        (nn.InstanceNorm2d(3, affine=True), "InstanceNorm2d(3, affine)"),
        (nn.LocalResponseNorm(5), "LocalResponseNorm(5 channels, alpha 0.0001, beta 0.75, k 1.0)"),
        (nn.ZeroPad2d(1), "ZeroPad2d(1)"),
        (nn.ConstantPad2d((1, 0, 2, 3), 0.5), "ConstantPad2d((1, 0, 2, 3), value 0.5)"),
        (nn.Upsample(scale_factor=2), "Upsample(times 2, nearest)"),
        (nn.Upsample((4, 6), mode="bilinear", align_corners=True), "Upsample(to (4, 6), bilinear, align_corners)"),
        (nn.CrossEntropyLoss(), "CrossEntropyLoss(mean)"),
    ],
)
def test_layers_print_themselves(layer, text):
    assert repr(layer) == (text or "Conv1d(2->3, 3, stride 1, padding 1, padding_mode circular)")


def test_summary_counts_a_known_net():
    """LeNet-5's layers by hand: conv 2*N*K*P*Q*C*R*S, linear 2*N*in*out."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Flatten(),
        nn.Linear(1600, 10),
    )
    net[1].eval()
    lines = net.summary((2, 1, 28, 28)).splitlines()
    assert lines[0] == "Sequential on cpu, float32"
    assert lines[1].split() == ["layer", "output", "parameters", "FLOPs", "field", "stride", "memory"]
    conv1, conv2, fc = 2 * 2 * 6 * 28 * 28 * 25, 2 * 2 * 16 * 10 * 10 * 150, 2 * 2 * 1600 * 10
    assert lines[3].split()[-10:] == ["(2,", "6,", "28,", "28)", "156", f"{conv1:,}", "5", "1", "36.8", "KiB"]
    assert "Conv2d(6->16, 5x5, stride 1, padding 0)" in lines[6]
    assert lines[6].split()[-6:] == ["2,416", f"{conv2:,}", "14", "2", "12.5", "KiB"]
    total = 4 * 2 * (6 * 28 * 28 * 2 + 6 * 14 * 14 + 2 * 1600 + 10) / 1024
    assert lines[-1].split() == ["total", "(2,", "10)", "18,582", f"{conv1 + conv2 + fc:,}", f"{total:.1f}", "KiB"]
    assert net.training and not net[1].training and not any(m._forward_hooks for m in net.modules())


def test_summary_is_a_function_too():
    net = nn.Linear(3, 2)
    assert nn.summary(net, (1, 3)) == net.summary((1, 3)) and "FLOPs" in nn.summary(net, (1, 3))


def test_summary_names_the_precision_and_outputs_of_16_bits():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3), nn.LogSoftmax(1))
    with gpunn.precision("fp16"):
        lines = net.summary((1, 1, 4, 4)).splitlines()
    assert lines[0] == "Sequential on cpu, float32, products in fp16"
    assert "(1, 2, 2, 2) float16 " in lines[3] and lines[3].endswith(" 16 B")
    assert "(1, 3) float16 " in lines[5] and "(1, 3)  " in lines[6]
    assert "float16" not in net.summary((1, 1, 4, 4))


def test_summary_takes_inputs_and_refuses_others():
    net = nn.Linear(3, 2).to("float64")
    assert "Linear on cpu, float64" in net.summary(np.zeros((1, 3)))
    assert "8 parameters frozen" in net.requires_grad_(False).summary((1, 3))
    with pytest.raises(TypeError, match="summary: x is 'cat', expected an input, or its shape with the batch"):
        net.summary("cat")


def test_flops_of_the_transposed_convolution():
    layer = nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)
    assert layer.flops((2, 4, 5, 5), (2, 6, 11, 11)) == 2 * (2 * 4 * 5 * 5) * (3 * 3 * 3)


def test_layers_are_made_on_the_default_device():
    with gpunn.device("cpu"):
        assert str(nn.Linear(2, 2).weight.device) == "cpu"

"""MultiheadAttention and the Transformer beside PyTorch's, where its table of modules has no samples."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn
from tests.parity import normal, torch

SEEN = np.triu(np.ones((4, 4), bool), 1)
PADDED = np.array([[False, False, False, True], [False, True, False, False]])


def both(name, *args, **options):
    """A layer of each side with the same weights, in float64."""
    theirs = getattr(torch().nn, name)(*args, **options).double()
    ours = getattr(nn, name)(*args, **options).to("float64")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def agree(ours, theirs, inputs, masks):
    """Values, and gradients of inputs and parameters."""
    t = torch()
    mine, its = [Tensor(a, requires_grad=True) for a in inputs], [t.tensor(a, requires_grad=True) for a in inputs]
    got = ours(*mine, **masks)
    want = theirs(*its, **{k: t.tensor(m) if isinstance(m, np.ndarray) else m for k, m in masks.items()})
    pairs = list(zip(got, want, strict=True)) if isinstance(want, tuple) else [(got, want)]
    for a, b in pairs:
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(np.asarray(a), b.detach().numpy(), rtol=1e-9, atol=1e-12)
    gy = normal(*pairs[0][1].shape)
    pairs[0][0].backward(gy)
    pairs[0][1].backward(t.tensor(gy))
    for a, b in zip([*mine, *ours.parameters()], [*its, *theirs.parameters()], strict=True):
        np.testing.assert_allclose(np.asarray(a.grad), b.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("need", [True, False])
@pytest.mark.parametrize("options", [{}, {"kdim": 3, "vdim": 5, "add_bias_kv": True, "add_zero_attn": True}], ids=str)
def test_masks_of_both_kinds(options, need, average):
    ours, theirs = both("MultiheadAttention", 6, 3, batch_first=True, **options)
    x = [normal(2, 4, n, seed=n) for n in (6, options.get("kdim", 6), options.get("vdim", 6))]
    masks = {"attn_mask": SEEN, "key_padding_mask": PADDED, "need_weights": need, "average_attn_weights": average}
    agree(ours, theirs, x, masks)
    agree(ours, theirs, [a[0] for a in x], {"attn_mask": normal(3, 4, 4), "need_weights": need})


def test_one_input_is_projected_once():
    ours, theirs = both("MultiheadAttention", 6, 2)
    x = normal(4, 2, 6)
    t = torch().tensor(x, requires_grad=True)
    mine = Tensor(x, requires_grad=True)
    y, weights = ours(mine, mine, mine)
    want, shares = theirs(t, t, t)
    np.testing.assert_allclose(np.asarray(y), want.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.asarray(weights), shares.detach().numpy(), rtol=1e-9, atol=1e-12)
    (y.sum() + (weights * weights).sum()).backward()
    (want.sum() + (shares * shares).sum()).backward()
    np.testing.assert_allclose(np.asarray(mine.grad), t.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_decoder_with_masks(norm_first):
    ours, theirs = both("TransformerDecoderLayer", 4, 2, 6, 0.0, "gelu", norm_first=norm_first, batch_first=True)
    masks = {"tgt_mask": SEEN, "memory_key_padding_mask": PADDED, "tgt_is_causal": True}
    agree(ours, theirs, [normal(2, 4, 4), normal(2, 4, 4, seed=1)], masks)


def test_the_decoder_is_a_stack_with_a_norm():
    stacks = []
    for side in (nn, torch().nn):
        layer = side.TransformerDecoderLayer(4, 2, 6, 0.0)
        stacks.append(side.TransformerDecoder(layer, 2, side.LayerNorm(4)))
    ours, theirs = stacks[0].to("float64"), stacks[1].double()
    ours.load_state_dict(theirs.state_dict())
    agree(ours, theirs, [normal(4, 2, 4), normal(5, 2, 4)], {})


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_first_values_are_drawn_as_pytorchs():
    """Each weight's spread is that of PyTorch's own, and what is 0 there is 0 here."""
    gpunn.manual_seed(0)
    torch().manual_seed(0)
    for name, args in {"MultiheadAttention": (48, 4, 0.0, True, True), "Transformer": (32, 4, 1, 1, 64)}.items():
        state = getattr(torch().nn, name)(*args).state_dict()
        for key, value in getattr(nn, name)(*args).state_dict().items():
            mine, its = np.asarray(value), state[key].numpy()
            assert mine.shape == its.shape
            np.testing.assert_allclose(mine.std(), its.std(), rtol=0.35, atol=1e-12, err_msg=key)
            np.testing.assert_allclose(abs(mine).max(), abs(its).max(), rtol=0.5, err_msg=key)


def test_layers_of_a_stack_learn_apart():
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, 0.0), 2)
    first, second = (layer.linear1.weight for layer in stack.layers)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    assert first is not second and not np.shares_memory(np.asarray(first), np.asarray(second))


def test_the_causal_mask():
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    np.testing.assert_array_equal(np.asarray(mask), torch().nn.Transformer.generate_square_subsequent_mask(3).numpy())
    assert nn.Transformer.generate_square_subsequent_mask(2, dtype="float64").dtype == np.float64

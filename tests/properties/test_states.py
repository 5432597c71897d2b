"""State there and back: networks, optimisers, generators, loaders; and what losses promise of any scores."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpunn import Tensor, data, nn, ops, optim, random
from tests.properties.drawn import few, gradient, normal

LAYERS = {
    "linear": lambda: nn.Linear(3, 3),
    "norm": lambda: nn.BatchNorm1d(3),
    "affine": lambda: nn.LayerNorm(3),
    "slopes": lambda: nn.PReLU(3),
    "relu": nn.ReLU,
}
nests = st.recursive(
    st.sampled_from(sorted(LAYERS)), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=5
)


def network(nest):
    return LAYERS[nest]() if isinstance(nest, str) else nn.Sequential(*map(network, nest))


@few
@given(nests)
def test_network(nest):
    saved, loaded = network(nest), network(nest)
    x = normal(4, 3).astype(np.float32)
    for _ in range(2):
        saved(x)  # moves the running statistics
    state = saved.state_dict()
    loaded.load_state_dict(state)
    again = loaded.state_dict()
    assert list(again) == list(state) and all(np.array_equal(again[key], state[key]) for key in state)
    np.testing.assert_array_equal(loaded.eval()(x), saved.eval()(x))
    for value in state.values():
        value += 1  # shares memory with the first network, whose copy stays as it is
    assert all(np.array_equal(value, again[key] + 1) for key, value in saved.state_dict().items())


RULES = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"weight_decay": 0.1},
    "AdamW": {},
    "RMSprop": {"centered": True, "momentum": 0.5},
}


@few
@given(st.sampled_from(sorted(RULES)), st.integers(0, 3), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_optimiser(rule, steps, sizes):
    def made():
        params = [Tensor(normal(size), requires_grad=True) for size in sizes]
        return params, getattr(optim, rule)(params, **RULES[rule])

    def run(params, optimiser, first, count):
        for step in range(first, first + count):
            for i, p in enumerate(params):
                p.gradient = normal(*p.shape, seed=10 * step + i + 1)
            optimiser.step()

    straight, stopped = made(), made()
    run(*straight, 0, steps + 2)
    run(*stopped, 0, steps)
    resumed = made()
    for p, q in zip(resumed[0], stopped[0], strict=True):
        p.array[...] = q.array
    state = stopped[1].state_dict()
    run(*stopped, steps, 1)  # going on leaves what was saved as it was
    resumed[1].load_state_dict(state)
    run(*resumed, steps, 2)
    assert [p.array.tolist() for p in resumed[0]] == [p.array.tolist() for p in straight[0]]


@few
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), max_size=4))
def test_generator(seed, stream, sizes):
    generator = random.Generator(seed, stream)
    for size in sizes:
        generator.uniform(size)
    resumed = random.Generator(0)
    resumed.set_state(generator.get_state())
    assert resumed.random_uint32(7).tolist() == generator.random_uint32(7).tolist()
    assert sorted(generator.permutation(20).tolist()) == list(range(20))


@few
@given(st.integers(1, 30), st.integers(1, 30), st.booleans(), st.integers(0, 9), st.data())
def test_loader(samples, batch_size, shuffle, seed, drawn):
    given_ = data.ArrayDataset(np.arange(samples))
    loader = data.DataLoader(given_, batch_size, shuffle=shuffle, seed=seed, prefetch=0)
    start = drawn.draw(st.integers(0, len(loader)))
    rest = [x.tolist() for (x,) in loader.iter_from(start)]
    loader.set_epoch(0)
    whole = [x.tolist() for (x,) in loader]
    assert whole[start:] == rest and sorted(i for batch in whole for i in batch) == list(range(samples))
    assert all(len(batch) == batch_size for batch in whole[:-1]) and len(whole) == len(loader)


@few
@given(st.integers(1, 5), st.integers(1, 6), st.sampled_from([1.0, 30.0, 3000.0]), st.data())
def test_losses(n, classes, scale, drawn):
    """Moving all scores of a row changes nothing, nor does another order of the classes; a row's gradient sums to 0."""
    scores = normal(n, classes) * scale
    labels = np.array(drawn.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    smoothing = drawn.draw(st.sampled_from([0.0, 0.25]))
    x = Tensor(scores, requires_grad=True)
    loss = ops.cross_entropy(x, labels, reduction="none", label_smoothing=smoothing)
    loss.sum().backward()
    assert (loss.array >= -1e-9 * scale).all()
    np.testing.assert_allclose(gradient(x).sum(1), 0, atol=1e-12)
    moved = ops.cross_entropy(scores + 64.0, labels, reduction="none", label_smoothing=smoothing)
    np.testing.assert_allclose(moved, loss.array, rtol=1e-9, atol=1e-12 * scale)
    order = np.array(drawn.draw(st.permutations(range(classes))))
    turned = ops.cross_entropy(scores[:, order], np.argsort(order)[labels], reduction="none", label_smoothing=smoothing)
    np.testing.assert_allclose(turned, loss.array, rtol=1e-9, atol=1e-12 * scale)
    np.testing.assert_allclose(ops.softmax(scores, 1).sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(np.exp(ops.log_softmax(scores, 1)), ops.softmax(scores, 1), atol=1e-14)
    one_of = ops.nll_loss(ops.log_softmax(scores, 1), labels, reduction="none")
    np.testing.assert_allclose(ops.cross_entropy(scores, labels, reduction="none"), one_of, rtol=1e-14)

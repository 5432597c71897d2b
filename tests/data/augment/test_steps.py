"""What all steps share: seeds, types, rows left alone, what they refuse, Compose, speed."""

import time
from functools import partial

import numpy as np
import pytest

from gpunn import models
from gpunn.data import (
    ArrayDataset,
    ColorJitter,
    Compose,
    Cutout,
    DataLoader,
    Mixup,
    Normalise,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    normalise,
)
from gpunn.data.augment import ImageStep
from gpunn.data.augment.step import DrawnStep
from gpunn.errors import DataError
from tests.data.augment.batches import images, run

STEPS = [
    RandomCrop(3),
    RandomCrop(2, size=(5, 6), mode="reflect"),
    RandomHorizontalFlip(),
    Cutout(4),
    RandomAffine(degrees=20, scale=0.2, shift=2, shear=10),
    ColorJitter(0.4, 0.4, 0.4),
]
every = pytest.mark.parametrize("step", STEPS, ids=lambda s: type(s).__name__)
LABELS = np.arange(6) % 3


@every
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_seeded_and_pure(step, dtype):
    x = images(dtype=dtype)
    before = x.copy()
    y = run(step, x, 1)
    assert y.dtype == x.dtype and y.shape[:2] == x.shape[:2] and not np.shares_memory(x, y)
    assert y.tobytes() == run(step, x, 1).tobytes() != run(step, x, 2).tobytes()
    np.testing.assert_array_equal(x, before)
    x.flags.writeable = False
    assert run(step, x, 1).tobytes() == y.tobytes(), "memory-mapped images may be read-only"


@every
def test_each_image_has_its_own_draw(step):
    x = np.repeat(images(1), 8, axis=0)
    assert len({y.tobytes() for y in run(step, x)}) > 1


@every
@pytest.mark.parametrize("shape", [(0, 3, 10, 12), (1, 3, 10, 12), (2, 1, 10, 12)])
def test_few_images_and_grey_ones(step, shape):
    assert run(step, images(*shape)).shape[:2] == shape[:2]


@every
def test_other_arrays_pass_unchanged(step):
    x, extra = images(), object()
    y, labels, third = step(x, LABELS, extra, np.random.default_rng(0))
    assert labels is LABELS and third is extra and y.shape[0] == 6


@every
@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[1]], "images are list, expected a NumPy array; augment before moving them"),
        (
            np.zeros((3, 4, 4), np.uint8),
            r"images have shape \(3, 4, 4\), expected \(N, C, H, W\); grey ones have C = 1",
        ),
        (np.zeros((3, 1, 4, 4), int), "images are int64, expected uint8 or floating"),
    ],
)
def test_refused_images(step, x, words):
    with pytest.raises(DataError, match=f"{type(step).__name__}: {words}"):
        run(step, x)


@pytest.mark.parametrize("fill", [0.5, -1, 300, (1, 2, 3), None])
@pytest.mark.parametrize("step", [RandomCrop, partial(Cutout, 3), partial(RandomAffine, 5)])
def test_fill_must_be_a_pixel(step, fill):
    """0.5 in bytes would be black without a word."""
    with pytest.raises(DataError, match=r"fill is .*; give a (whole )?number"):
        run(step(fill=fill), images())


@pytest.mark.parametrize("step", [*STEPS, Compose(), Mixup(3), Normalise(0.5, 0.25)], ids=lambda s: type(s).__name__)
def test_a_call_without_a_generator(step):
    words = r"the last argument is no numpy.random.Generator; call step\(\*batch, rng\)"
    with pytest.raises(DataError, match=f"^{type(step).__name__}: {words}"):
        step(images(), LABELS)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (RandomCrop(4), "RandomCrop(padding=4, size=None, fill=0, mode='constant')"),
        (RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
        (Cutout(8), "Cutout(size=8, fill=0, p=1.0)"),
        (RandomAffine(10, shift=(1, 2)), "RandomAffine(degrees=10, scale=0.0, shift=(1, 2), shear=0.0, fill=0.0)"),
        (ColorJitter(0.2), "ColorJitter(brightness=0.2, contrast=0.0, saturation=0.0)"),
        (Mixup(10), "Mixup(num_classes=10, alpha=0.2)"),
        (Normalise((0.5,), 0.25), "Normalise(mean=(0.5,), std=0.25)"),
        (Compose(Cutout(1), Mixup(2)), "Compose(Cutout(size=1, fill=0, p=1.0), Mixup(num_classes=2, alpha=0.2))"),
    ],
)
def test_repr_makes_the_step_again(step, text):
    assert repr(step) == text and repr(eval(text)) == text


def test_normalise():
    x = images()
    np.testing.assert_array_equal(run(Normalise((0.1, 0.2, 0.3), 0.5), x), normalise(x, (0.1, 0.2, 0.3), 0.5))
    with pytest.raises(DataError, match="normalise: images are float32, expected uint8"):
        run(Normalise(0, 1), x.astype(np.float32))


def test_own_image_step():
    class Invert(ImageStep):
        def apply(self, images, rng):
            return 255 - images

    x = images()
    np.testing.assert_array_equal(run(Compose(Invert(), Invert()), x), x)
    with pytest.raises(TypeError, match=r"ImageStep: an ImageStep defines apply\(images, rng\)"):
        run(ImageStep(), x)
    with pytest.raises(TypeError, match=r"DrawnStep: a DrawnStep defines change\(images, \*drawn\), and draw\("):
        run(DrawnStep(), x)


def test_compose_runs_in_order_with_one_generator():
    x = images()
    a, b = STEPS[0], STEPS[2]
    rng = np.random.default_rng(5)
    want = b(*a(x, LABELS, rng), rng)
    got = Compose(a, b)(x, LABELS, np.random.default_rng(5))
    assert got[0].tobytes() == want[0].tobytes() and got[1] is LABELS
    y, labels = Compose()(x, LABELS, rng)
    assert y is x and labels is LABELS


def test_compose_refuses():
    with pytest.raises(
        DataError, match=r"Compose: 5 is no step; give functions step\(\*batch, rng\), as Compose\(a, b\)"
    ):
        Compose(Cutout(1), 5)  # type: ignore[arg-type]
    with pytest.raises(
        DataError, match=r"Compose: .*<lambda>.* returned ndarray; return a tuple with one array for each"
    ):
        Compose(lambda x, rng: x)(images(), np.random.default_rng(0))


def test_in_a_loader_the_seed_decides_every_byte():
    transform = Compose(*STEPS, Normalise(0.5, 0.25), Mixup(3))

    def batches(seed=7, prefetch=2, start=0):
        data = ArrayDataset(images(), LABELS)
        loader = DataLoader(data, 2, shuffle=True, seed=seed, prefetch=prefetch, transform=transform)
        return [(x.tobytes(), t.tobytes()) for x, t in loader.iter_from(start)]

    assert batches() == batches(prefetch=0) and batches()[1:] == batches(start=1)
    assert batches() != batches(seed=8)


def test_the_loader_takes_a_tenth_of_what_a_network_takes():
    """Counted in processor time, which other processes do not lengthen: about 1/80 of ResNet-20's forward pass."""
    x, labels = images(256, h=32, w=32), np.arange(256) % 3
    network, batch = models.create("resnet20"), np.zeros((64, 3, 32, 32), np.float32)
    step = processor_time(lambda: network(batch))
    for steps in (
        (RandomCrop(4), RandomHorizontalFlip(), Normalise(0.5, 0.25)),
        (*STEPS, Normalise(0.5, 0.25), Mixup(3)),
    ):
        loader = DataLoader(ArrayDataset(x, labels), 64, shuffle=True, transform=Compose(*steps))
        assert processor_time(lambda loader=loader: list(loader)) < len(loader) * step / 10


def processor_time(work) -> float:
    """Seconds of all threads, the least of three runs."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)

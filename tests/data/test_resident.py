"""Data sets that lie on a device: batches of one launch with the bits of the host's, and what is refused."""

import gc
import os

import numpy as np
import pytest

import gpunn
from gpunn import backend, nn, ops
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
    Resident,
    Subset,
    split,
)
from gpunn.data.augment.program import Program
from gpunn.errors import DataError
from gpunn.optim import SGD
from gpunn.train.captured import CapturedStep
from tests import counting
from tests.data.augment.batches import images

pytestmark = pytest.mark.usefixtures("device_there")
on_devices = pytest.mark.parametrize("device", ["emulator", "cuda"])
N = 41
LABELS = np.random.default_rng(1).integers(0, 10, N)
CHANNELS = {1: Normalise(0.3, 0.2), 3: Normalise((0.1, 0.2, 0.3), (0.2, 0.3, 0.4)), 4: Normalise(0.5, (1, 2, 3, 0.1)),
            7: Normalise((0.1,) * 7, 0.5)}  # fmt: skip
USUAL = Compose(RandomCrop(4), RandomHorizontalFlip(), Cutout(3, 7, 0.5), CHANNELS[3], Mixup(10, 0.4))


def bits(batch):
    """The arrays of a batch as bytes, with shape and dtype."""
    return [(a.tobytes(), a.shape, a.dtype) for a in map(backend.to_numpy, batch)]


def assert_same(got, want):
    """Batches of a resident set against the host's."""
    for ours, theirs in zip(got, want, strict=True):
        x, y = ours
        assert bits((x, y)) == bits(theirs)
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous and len(ours) == len(y)


def both(x, device, transform, batch_size=16, y=LABELS, **how):
    """A loader over the set on the host, and one over the same set on the device."""
    host = ArrayDataset(x, y)
    how = {"shuffle": True, "seed": 3, "transform": transform, **how}
    return DataLoader(Resident(host, device), batch_size, **how), DataLoader(host, batch_size, **how)


@on_devices
@pytest.mark.parametrize("channels", CHANNELS)
def test_no_transform_and_normalised_bytes(device, channels):
    x = images(N, channels, 5, 6)
    for transform in (None, CHANNELS[channels]):
        assert_same(*both(x, device, transform))


@on_devices
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(device, dtype):
    steps = Compose(Cutout(4, -0.3), RandomCrop(2, (7, 13), 0.25), Mixup(10, 0.5), RandomHorizontalFlip())
    assert_same(*both(images(N, 3, dtype=dtype), device, steps))


def random_steps(rng):
    """Up to 8 steps in any order, with one Normalise and one Mixup at most."""
    pad, p = int(rng.integers(0, 4)), float(rng.random())
    some = [
        RandomCrop(pad, None, int(rng.integers(0, 9))),
        RandomCrop(pad, (int(rng.integers(1, 9)), int(rng.integers(1, 9))), 1, "edge"),
        RandomCrop(min(pad, 2), None, mode="reflect"),
        RandomHorizontalFlip(p),
        RandomHorizontalFlip(),
        Cutout(int(rng.integers(1, 12)), 3, p),
        CHANNELS[3],
        Mixup(10, 0.1 + p),
    ]
    order = rng.permutation(len(some))[: rng.integers(1, 9)]
    return Compose(*(some[i] for i in order[:3]), Compose(*(some[i] for i in order[3:])))


def test_any_steps_in_any_order():
    """Reflecting is refused where a window before it is too small; what the host refuses, the device does too."""
    ran = 0
    for number in range(400 if "CI" in os.environ else 40):
        transform = random_steps(np.random.default_rng([8, number]))
        x = images(9, 3, 8, 9, seed=number)
        try:
            (want,) = DataLoader(ArrayDataset(x, LABELS[:9]), 9, transform=transform, prefetch=0)
        except DataError:
            with pytest.raises(DataError):
                both(x, "emulator", transform, y=LABELS[:9])
            continue
        got, _ = both(x, "emulator", transform, 9, LABELS[:9], shuffle=False, seed=0, prefetch=0)
        assert_same(got, [want])
        ran += 1
    assert ran > 20


@on_devices
def test_order_resuming_prefetch_subsets_and_splits_are_the_hosts(device):
    x = images(N, 3, 6, 6)
    host = ArrayDataset(x, LABELS)
    there = Resident(host, device)
    parts = (lambda d: d, lambda d: split(d, 0.3)[0], lambda d: Subset(Subset(d, [5, 5, 40, 0, 7]), [4, 1, 0]))
    for prefetch in (0, 2):
        for part in parts:
            how = {"shuffle": True, "seed": 2, "prefetch": prefetch, "transform": USUAL}
            ours, theirs = (DataLoader(part(d), 8, **how) for d in (there, host))
            for epoch in range(2):
                assert_same(ours.iter_from(0), theirs.iter_from(0))
                assert ours.epoch == theirs.epoch == epoch + 1
            for loader in (ours, theirs):
                loader.set_epoch(7)
            at = len(ours) // 2
            assert_same(ours.iter_from(at), theirs.iter_from(at))
            for rank in (0, 2, 5):  # the last has none of a batch's samples
                for loader in (ours, theirs):
                    loader.set_epoch(7)
                assert_same(ours.iter_part(at, rank, 6), theirs.iter_part(at, rank, 6))


@on_devices
def test_labels_are_int64_and_the_host_keeps_them(device):
    loader, _ = both(images(N), device, None, y=LABELS.astype(np.uint8), shuffle=False)
    batch = next(iter(loader))
    assert batch[1].dtype == np.int64 and batch.given.dtype == np.int64 and batch.given.tolist() == LABELS[:16].tolist()
    mixed, _ = both(images(N), device, Mixup(10))
    assert next(iter(mixed)).given is None


def test_a_batch_is_one_launch_and_reads_nothing(look_alike):
    loader, _ = both(images(N), "cuda", USUAL, prefetch=0)
    batches = iter(loader)
    next(batches)
    batch = next(batches)
    with counting.device_work() as work:
        x, y = batch
        assert batch[0] is x and batch[1] is y
    assert dict(work.launches) == {"gather": 1} and not work.reads
    assert sum(work.copies.values()) == 1  # the words


@on_devices
def test_a_captured_step_is_fed_words(device):
    """Batches of one key have words of one size, and `load` makes each from its own, wherever they lie."""
    loader, want = both(images(N), device, USUAL)
    batches = list(loader)
    assert len({b.key for b in batches[:-1]}) == 1 and batches[-1].key != batches[0].key
    again = DataLoader(Subset(loader.dataset, np.arange(20)), 16, transform=Compose(USUAL), prefetch=0)
    assert next(iter(again)).key == batches[0].key  # whatever loader over the set it comes from
    assert len({hash(b.key) for b in batches}) == 2 and {b.words().shape for b in batches[:-1]} == {(16 * 7 + 3,)}
    room = backend.to_device(np.zeros(batches[0].words().size + 8, np.int32), device)
    for batch, theirs in zip(batches[:-1], want, strict=False):
        words = batch.words()
        assert words.dtype == np.int32 and words.flags.c_contiguous and words.ndim == 1
        room[4:-4] = backend.to_device(words, device)
        assert bits(batches[0].load(room[4:-4])) == bits(theirs)


def trained(loader, captured):
    """Weights and losses of a network after two epochs, on the look-alike; `loader()` makes one for each epoch."""
    gpunn.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 10 * 12, 10)).to("cuda")
    step = CapturedStep(model, ops.cross_entropy, SGD(model.parameters(), 0.01, 0.9), capture=captured)
    losses = []
    for epoch in range(2):
        one = loader()
        one.set_epoch(epoch)
        for batch in one:
            losses.append(float(step(batch) if captured else step(*(backend.to_device(a, "cuda") for a in batch))))
        del one, batch
        gc.collect()
    assert step.captured == captured
    return losses, [backend.to_numpy(p.array).tobytes() for p in model.parameters()]


def test_captured_steps_that_load_their_batches_are_the_hosts(look_alike):
    """A loader of each epoch is gone before the next: a graph reads nothing of its."""
    host = ArrayDataset(images(N), LABELS)
    there = Resident(host, "cuda")
    how = {"shuffle": True, "seed": 1, "transform": USUAL}
    losses, weights = trained(lambda: DataLoader(there, 7, **how), True)
    assert (losses, weights) == trained(lambda: DataLoader(host, 7, **how), False)
    assert len(there._constants) == 1


@on_devices
def test_a_set_that_is_mapped_from_a_file(device, tmp_path):
    for name, array in (("x", images(N)), ("y", LABELS)):
        np.save(tmp_path / f"{name}.npy", array)
    x, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    loader, host = both(x, device, USUAL, y=y)
    assert_same(loader, host)
    assert type(loader.dataset.given) is np.ndarray


@on_devices
def test_single_samples_slices_masks_and_wrong_indices(device):
    x = images(N)
    there = Resident(ArrayDataset(x, LABELS), device)
    assert len(there) == N and repr(there) == f"Resident(uint8(41, 3, 10, 12), int64(41,), on {device})"
    mask = np.arange(N) % 7 == 0
    for index in (slice(3, 30, 9), [4, -1], mask, backend.to_device(np.array([2, 2]), device), slice(0, 0)):
        plain = backend.to_numpy(index) if backend.is_array(index) else index
        assert bits(there[index]) == bits((x[plain], LABELS[plain]))
    pairs, labels = there[np.array([[1, 2], [3, -1]])]
    assert bits((pairs, labels)) == bits((x[[[1, 2], [3, -1]]], LABELS[[[1, 2], [3, -1]]]))
    one, label = there[-2]
    assert bits((one,)) == bits((x[-2],)) and int(label) == LABELS[-2]
    with pytest.raises(IndexError, match="index 41 is out of bounds for axis 0 with size 41"):
        there[[0, 41]]
    loader = DataLoader(there, 8)
    with pytest.raises(IndexError, match="out of bounds"):
        loader._gathering.batch(np.array([3, 41]), np.random.default_rng(0))


def test_on_the_cpu_it_is_the_data_set():
    x = images(N)
    there, host = both(x, "cpu", USUAL)
    assert [bits(b) for b in there] == [bits(b) for b in host] and len(there.dataset) == N
    assert there.dataset[3][0] is not None and there.dataset[3][0].base is x


def mine(x, y, rng):
    return x, y


def resident(x, y=LABELS):
    return Resident(ArrayDataset(x, y), "emulator")


def loader(*steps, **how):
    return DataLoader(resident(images(N)), 8, transform=Compose(*steps), **how)


WHAT_IS_REFUSED = [
    (lambda: Resident(images(3), "cpu"), "Resident: got ndarray, expected an ArrayDataset of two arrays, images and"),
    (lambda: Resident(ArrayDataset(LABELS), "cpu"), "Resident: got 1 arrays, expected an ArrayDataset of two arrays"),
    (lambda: resident(images(N, dtype=np.int32)), "Resident: images are int32 of shape (41, 3, 10, 12), expected ui"),
    (lambda: resident(images(N)[0], LABELS[:3]), "images are uint8 of shape (3, 10, 12), expected uint8, float16, f"),
    (lambda: resident(images(N)[:, :0]), "images are uint8 of shape (41, 0, 10, 12)"),
    (lambda: resident(np.zeros((1, 1, 4097, 4097), np.uint8), LABELS[:1]), "4097 x 4097 pixels, expected at most"),
    (lambda: resident(images(N), LABELS / 2), "labels are float64 of shape (41,), expected whole numbers up to int6"),
    (lambda: resident(images(N), LABELS.astype(np.uint64)), "labels are uint64 of shape (41,)"),
    (lambda: loader(RandomAffine(9)), "Resident: no kernel computes RandomAffine, only RandomCrop, RandomHorizontal"),
    (lambda: loader(Compose(ColorJitter(1))), "no kernel computes ColorJitter"),
    (lambda: loader(mine), "no kernel computes mine, only RandomCrop, RandomHorizontalFlip, Cutout, Normalise, Mixu"),
    (lambda: loader(*[RandomCrop(1)] * 9), "a launch takes 8 steps, the transform has 9; give the loader the data s"),
    (lambda: loader(RandomCrop(1, (99, 3))), "RandomCrop: a window of 99 x 3 does not fit into images of 10 x 12 pa"),
    (lambda: loader(RandomCrop(1, fill=0.5)), "RandomCrop: fill is 0.5, but the images are uint8"),
    (lambda: loader(CHANNELS[3], CHANNELS[3]), "normalise: images are float32, expected uint8"),
    (lambda: loader(CHANNELS[4]), "normalise: std has shape (4,) but images have shape (1, 3, 10, 12)"),
    (lambda: loader(Mixup(10), Mixup(10)), "Mixup: labels are another Mixup's targets, expected classes; leave one"),
    (lambda: loader(Mixup(4)), "Mixup: label 9 is outside 0 to 3; set num_classes"),
    (lambda: loader(device="cpu"), "DataLoader: device is cpu, but the data set lies on emulator; leave it away"),
]


@pytest.mark.parametrize("make, words", WHAT_IS_REFUSED, ids=[words[:40] for _, words in WHAT_IS_REFUSED])
def test_what_is_refused(make, words):
    with pytest.raises(DataError) as caught:
        make()
    assert words in str(caught.value)


def test_the_labels_of_a_subset_alone_are_mixed():
    there = Resident(ArrayDataset(images(N), np.where(np.arange(N) < 9, LABELS, -1)), "emulator")
    assert len(list(DataLoader(Subset(there, np.arange(9)), 4, transform=Mixup(10)))) == 3


def test_a_set_too_large_for_the_device(look_alike, monkeypatch):
    monkeypatch.setattr(look_alike.cuda.runtime, "memGetInfo", lambda: (3000, 9000))
    with pytest.raises(DataError) as caught:
        Resident(ArrayDataset(images(N), LABELS), "cuda")
    assert str(caught.value) == (
        "Resident: the images take 0.0 GB, but cuda has 0.0 GB free; give fewer, or leave them on the host in their "
        "ArrayDataset"
    )


def test_more_classes_than_a_batch_and_memory_that_is_not_contiguous():
    x = images(N, 2, 6, 6)[:, :, ::2, ::-1]
    assert_same(*both(x, "emulator", Compose(RandomCrop(0, (1, 1)), Mixup(300)), 2))


def test_a_program_says_what_it_makes():
    made = Program(Compose(RandomCrop(1, (4, 5)), CHANNELS[3], Mixup(12)), (3, 8, 8), np.dtype(np.uint8))
    assert (made.shape, made.dtype, made.classes, made.columns) == ((3, 4, 5), np.float32, 12, 4)

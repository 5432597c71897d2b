"""The same bits on every device: Philox in NumPy and in the kernel, and all that a run draws from it or from NumPy."""

import numpy as np
import pytest

import gpunn
from gpunn import backend, data, models, nn, ops, random
from gpunn.cuda import source
from gpunn.data import ArrayDataset, DataLoader, Resident
from gpunn.nn.state import copied
from gpunn.random import Draw

pytestmark = pytest.mark.usefixtures("device_there")
on_devices = pytest.mark.parametrize("device", ["emulator", "cuda"])
BLOCKS = 40
KERNEL = """
extern "C" __global__ void words(unsigned* y, i64 seed, i64 stream, i64 counter) {
    const Words w = philox(seed, stream, counter + threadIdx.x);
    for (int k = 0; k < 4; ++k) y[4 * threadIdx.x + k] = word(w, k);
}
"""
DRAWS = [
    Draw(0, 0, 0),
    Draw(2**64 - 1, 2**32 - 1, 2**32 - BLOCKS // 2),  # the counter's low word wraps on the way
    Draw(2**63, 2**31, 2**31 - 7),
    Draw(12345678901234567890, 1, 2**40 + 3),
    Draw(7, 3, 2**63 - BLOCKS),
]


@pytest.mark.parametrize("draw", DRAWS, ids=str)
@pytest.mark.parametrize("device", ["emulator"])
def test_the_kernels_philox_is_numpys(draw, device):
    family = source.folder() / "random" / "philox.cuh"
    text = source._inline(family, set()) + KERNEL
    y = backend.require_emulator().empty(4 * BLOCKS, np.uint32)
    run = backend.require_emulator().load(text, "words", {"T": "float", "ACC": "float"})
    run((1,), (BLOCKS,), (y, *map(np.int64, draw.signed)))
    assert np.asarray(y).tolist() == draw.uint32(4 * BLOCKS).tolist()


def everything(device):
    """Weights as they are first, masks, and where the stream then stands."""
    gpunn.manual_seed(11)
    with gpunn.device(device):
        model = models.create("lenet5")
        drop, spatial = nn.Dropout(0.3), nn.Dropout2d(0.4)
        ones = backend.asarray(np.ones((6, 5, 3, 4), np.float32), device=gpunn.device(device))
        channels_last = ones.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
        masks = [ops.dropout(ones, 0.5), drop(ones), spatial(ones), drop(channels_last)]
    arrays = [*copied(model).values(), *masks]
    return [backend.to_numpy(a).tobytes() for a in arrays], random.get_state()


@on_devices
def test_initial_weights_and_dropout_masks(device):
    assert everything(device) == everything("cpu")


@on_devices
@pytest.mark.parametrize("part", ["shuffling", "augmentation"])
def test_batches(device, part):
    x = np.random.default_rng(0).integers(0, 256, (30, 3, 6, 6), dtype=np.uint8)
    steps = [data.RandomCrop(2), data.RandomHorizontalFlip(), data.Cutout(2), data.Mixup(30)]
    how = {"seed": 9, "shuffle": True} if part == "shuffling" else {"seed": 9, "transform": data.Compose(*steps)}
    sets = ArrayDataset(x, np.arange(30)), Resident(ArrayDataset(x, np.arange(30)), device)
    for epoch in range(2):
        seen = []
        for one in sets:
            loader = DataLoader(one, 8, **how)
            loader.set_epoch(epoch)
            seen.append([backend.to_numpy(a).tobytes() for batch in loader for a in batch])
        assert seen[0] == seen[1] and len(set(seen[0])) == 8

"""Statistics of uint8 images."""

import numpy as np

from gpunn.data.images import mean_std


def test_mean_and_std_of_every_channel_over_all_images():
    images = np.random.default_rng(0).integers(0, 256, (2500, 3, 2, 3), dtype=np.uint8)
    images[1500:, 1] //= 4
    images[:, 2] = 255
    mean, std = mean_std(images)
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 2, 3)), atol=1e-12)
    assert all(type(value) is float for value in (*mean, *std))

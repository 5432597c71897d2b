"""What transforms refuse, in words: what, got, expected, remedy."""

import re
import sys

import numpy as np
import pytest

from gpunn import Tensor
from gpunn.data import transforms as T
from gpunn.data.transforms import functional as F
from gpunn.errors import DataError

X = np.zeros((3, 4, 5), np.uint8)
HWC = np.zeros((32, 32, 3), np.uint8)
RING = Tensor(np.ones((3, 4, 5), np.float32), requires_grad=True)
WRONG = [
    (lambda: F.hflip("a"), TypeError, "hflip: got str, expected a Pillow image, or a Tensor or an array (C, H, W)"),
    (lambda: T.RandomCrop(8)(HWC), DataError, "RandomCrop: the image has shape (32, 32, 3), which looks like (H, W, C"),
    (lambda: F.hflip(RING), DataError, "hflip: the image requires a gradient, which transforms do not carry; detach()"),
    (lambda: F.hflip(np.zeros(3)), DataError, "hflip: the image has shape (3,), expected (C, H, W) or (H, W)"),
    (lambda: F.to_tensor(Tensor(X)), TypeError, "to_tensor: got Tensor, expected a Pillow image or an array (H, W, C)"),
    (lambda: F.to_tensor(np.zeros(3)), DataError, "to_tensor: the array has shape (3,), expected (H, W) or (H, W, C)"),
    (lambda: F.pil_to_tensor(X), TypeError, "pil_to_tensor: got ndarray, expected a Pillow image"),
    (lambda: F.to_pil_image([1]), TypeError, "to_pil_image: got list, expected a Tensor (C, H, W) or an array"),
    (lambda: F.to_pil_image(X[None]), DataError, "to_pil_image: the image has 4 dimensions, expected 2 or 3"),
    (lambda: F.to_pil_image(X), DataError, "to_pil_image: the image has 5 channels, expected 1 to 4"),
    (lambda: F.to_pil_image(Tensor(X), "L"), DataError, "to_pil_image: mode is 'L', but 3 channels of uint8 make ['RG"),
    (lambda: F.to_pil_image(np.zeros((2, 2))), TypeError, "to_pil_image: float64 of 1 channels is no picture"),
    (lambda: F.convert_image_dtype(X > 0), TypeError, "convert_image_dtype: from bool to float32, expected floating o"),
    (lambda: F.convert_image_dtype(X / np.float32(1), "int32"), DataError,
     "convert_image_dtype: float32 does not tell all of int32 apart; expected a smaller one"),
    (lambda: F.normalize(X, 0, 1), TypeError, "normalize: the image is uint8, expected floating point; put ToTensor()"),
    (lambda: F.normalize(X[0] / 1, 0, 1), DataError, "normalize: the image has shape (4, 5), expected (..., C, H, W)"),
    (lambda: F.normalize(X / 1, (1, 2), 1), DataError, "normalize: got 2 means and 1 stds for an image of shape (3, 4"),
    (lambda: T.Normalize(0.5, 0), DataError, "Normalize: mean is (0.5,) and std (0.0,), expected at least one each, a"),
    (lambda: T.Normalize(None, 1), DataError, "Normalize: mean is None, expected numbers; give one, or one a channel"),
    (lambda: T.Resize(0), DataError, "Resize: size is 0, expected one whole number above 0, or (height, width)"),
    (lambda: T.Resize(8, "bilinear"), TypeError, "Resize: interpolation is 'bilinear', expected an InterpolationMode"),
    (lambda: F.resize(X, (2, 3), max_size=4), DataError, "resize: max_size is 4 beside size (2, 3), expected one numb"),
    (lambda: F.resize(X, 4, max_size=4), DataError, "resize: max_size is 4, expected more than the shorter side's 4"),
    (lambda: F.resize(X, 9, T.InterpolationMode.LANCZOS), DataError, "resize: LANCZOS is for Pillow's images; give BI"),
    (lambda: F.rotate(X, 9, T.InterpolationMode.BICUBIC), DataError, "affine: BICUBIC is for Pillow's images; give NE"),
    (lambda: T.Pad([1, 2, 3]), DataError, "Pad: padding is [1, 2, 3], expected 1, 2 or 4 whole numbers: left, top, .."),
    (lambda: T.Pad(1, 0, "wrap"), DataError, "Pad: padding_mode is 'wrap', expected one of constant, edge, reflect, s"),
    (lambda: F.pad(X, 1, 0, "wrap"), DataError, "pad: padding_mode is 'wrap', expected one of constant, edge, reflect"),
    (lambda: F.pad(X, 4, 0, "reflect"), DataError, "pad: padding 4 cannot be reflected in an image of 4 x 5; use less"),
    (lambda: F.pad(X, 1, (1, 2)), DataError, "pad: fill is (1, 2), but the image has 3 channels; give one number, or"),
    (lambda: T.RandomCrop(6)(X), DataError, "RandomCrop: a window of 6 x 6 does not fit into an image of 4 x 5; use a"),
    (lambda: T.RandomResizedCrop(4, (0.5,)), DataError, "RandomResizedCrop: scale is (0.5,), expected (low, high), no"),
    (lambda: T.RandomResizedCrop(4, ratio=(0, 1)), DataError, "RandomResizedCrop: ratio is (0, 1), expected quotients"),
    (lambda: T.RandomHorizontalFlip(2), DataError, "RandomHorizontalFlip: p is 2, expected a probability, 0 to 1"),
    (lambda: T.RandomRotation(-5), DataError, "RandomRotation: degrees is -5, expected one number of at least 0, or ("),
    (lambda: T.RandomRotation(5, center=3), DataError, "RandomRotation: center is 3, expected two numbers (x, y)"),
    (lambda: T.RandomAffine(5, (2, 0)), DataError, "RandomAffine: translate is (2, 0), expected shares of width and"),
    (lambda: T.RandomAffine(5, scale=(0, 1)), DataError, "RandomAffine: scale is (0, 1), expected factors above 0"),
    (lambda: T.RandomAffine(5, shear=90), DataError, "RandomAffine: shear is 90, expected less than 90 degrees"),
    (lambda: F.rotate(X, "a"), TypeError, "rotate: angle is 'a', expected a number of degrees"),
    (lambda: F.affine(X, 0, None, 1, 0), TypeError, "affine: got angle 0, translate None and shear 0; expected number"),
    (lambda: F.affine(X, 0, [0, 0], 0, 0), DataError, "affine: scale is 0, expected a number above 0"),
    (lambda: T.ColorJitter(-1), DataError, "ColorJitter: brightness is -1, expected one number of at least 0, or (low"),
    (lambda: T.ColorJitter(hue=0.6), DataError, "ColorJitter: hue is 0.6, expected parts of the circle from -0.5 to 0"),
    (lambda: T.ColorJitter(0.5)(X[:2]), DataError, "adjust_brightness: the image has shape (2, 4, 5), expected (C, H,"),
    (lambda: F.adjust_contrast(X.astype(int), 1), TypeError, "adjust_contrast: the image is int64, expected uint8, or"),
    (lambda: F.adjust_contrast(X, -1), DataError, "adjust_contrast: the factor is -1, expected a number of at least 0"),
    (lambda: F.adjust_hue(X, 1), DataError, "adjust_hue: hue_factor is 1, expected a number from -0.5 to 0.5"),
    (lambda: F.posterize(X, 9), DataError, "posterize: bits is 9, expected a whole number from 0 to 8"),
    (lambda: F.equalize(X / 1), TypeError, "equalize: the image is float64, expected uint8; put it before ToTensor()"),
    (lambda: F.solarize(X / 1, 128), DataError, "solarize: threshold is 128, expected at most 1.0, which is white"),
    (lambda: T.Grayscale(2), DataError, "Grayscale: num_output_channels is 2, expected 1 or 3"),
    (lambda: F.rgb_to_grayscale(X, 2), DataError, "rgb_to_grayscale: num_output_channels is 2, expected 1 or 3"),
    (lambda: T.RandAugment(2, 31), DataError, "RandAugment: num_ops is 2, magnitude 31 of 31 bins; expected at least"),
    (lambda: T.RandomErasing(scale=(0, 2)), DataError, "RandomErasing: scale is (0, 2), expected shares of the image"),
    (lambda: T.RandomErasing(value="noise"), DataError, "RandomErasing: value is 'noise', expected a number, one a"),
    (lambda: T.RandomErasing(1.0, value=(1, 2))(X), DataError, "RandomErasing: value has 2 numbers, but the image 3"),
    (lambda: T.Compose(T.ToTensor()), TypeError, "Compose: got ToTensor, expected a list of transforms; give [a, b]"),
    (lambda: T.Compose([1]), TypeError, "Compose: 1 is no transform, expected functions of an image; give [a, b]"),
    (lambda: T.RandomChoice([]), DataError, "RandomChoice: got no transforms, expected at least one to choose from"),
    (lambda: T.RandomChoice([abs], [-1]), DataError, "RandomChoice: p is [-1], expected 1 weights of at least 0"),
    (lambda: T.Lambda(3), TypeError, "Lambda: got int, expected a function of an image"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), WRONG, ids=[row[2][:40] for row in WRONG])
def test_refusals(call, kind, words):
    with pytest.raises(kind, match="^" + re.escape(words)):
        call()


def test_pictures_are_erased_after_to_tensor():
    pillow = pytest.importorskip("PIL.Image")
    with pytest.raises(TypeError, match="RandomErasing: got a Pillow image, expected a Tensor"):
        T.RandomErasing(1.0)(pillow.new("RGB", (4, 4)))


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert F.to_tensor(HWC).shape == (3, 32, 32) and F.resize(X, 8).shape == (3, 8, 10)
    with pytest.raises(DataError, match="to_pil_image: decoding images needs Pillow"):
        F.to_pil_image(Tensor(X))

"""Tensors from nothing, under PyTorch's names and arguments: zeros, ones, ranges, and the like of another.

Shapes come as `zeros(2, 3)`, `zeros((2, 3))` or `zeros(size=(2, 3))`. `dtype` is float32 (`set_default_dtype`) where
nothing says another, `device` the default one; into `out`, a Tensor or an array, the values are written.
"""

from gpunn.creation.drawn import rand as rand
from gpunn.creation.drawn import randint as randint
from gpunn.creation.drawn import randn as randn
from gpunn.creation.drawn import randperm as randperm
from gpunn.creation.filled import arange as arange
from gpunn.creation.filled import empty as empty
from gpunn.creation.filled import eye as eye
from gpunn.creation.filled import full as full
from gpunn.creation.filled import linspace as linspace
from gpunn.creation.filled import logspace as logspace
from gpunn.creation.filled import ones as ones
from gpunn.creation.filled import tril_indices as tril_indices
from gpunn.creation.filled import triu_indices as triu_indices
from gpunn.creation.filled import zeros as zeros
from gpunn.creation.given import bernoulli as bernoulli
from gpunn.creation.given import multinomial as multinomial
from gpunn.creation.given import normal as normal
from gpunn.creation.like import empty_like as empty_like
from gpunn.creation.like import full_like as full_like
from gpunn.creation.like import ones_like as ones_like
from gpunn.creation.like import rand_like as rand_like
from gpunn.creation.like import randint_like as randint_like
from gpunn.creation.like import randn_like as randn_like
from gpunn.creation.like import zeros_like as zeros_like
from gpunn.creation.typed import BoolTensor as BoolTensor
from gpunn.creation.typed import ByteTensor as ByteTensor
from gpunn.creation.typed import CharTensor as CharTensor
from gpunn.creation.typed import DoubleTensor as DoubleTensor
from gpunn.creation.typed import FloatTensor as FloatTensor
from gpunn.creation.typed import HalfTensor as HalfTensor
from gpunn.creation.typed import IntTensor as IntTensor
from gpunn.creation.typed import LongTensor as LongTensor
from gpunn.creation.typed import ShortTensor as ShortTensor

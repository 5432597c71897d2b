"""PyTorch's constants and types, in Python's and NumPy's terms."""

from __future__ import annotations

from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi

import numpy as np

newaxis = None
Size = tuple  # of which shapes are
dtype = np.dtype
strided = "strided"
preserve_format, contiguous_format = "preserve_format", "contiguous_format"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

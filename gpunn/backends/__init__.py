"""PyTorch's torch.backends: switches that scripts set and gpunn does without, and the answers that they ask for."""

from gpunn.backends import cuda as cuda
from gpunn.backends import cudnn as cudnn
from gpunn.backends import mps as mps

"""CUDA twins of the kernels: the same functions and signatures as `gpunn.cpu`, on CuPy and emulated arrays.

And what scripts ask PyTorch's torch.cuda: `gpunn.cuda.is_available()`.
"""

from gpunn import left_out as _left_out
from gpunn.cuda import activation as activation
from gpunn.cuda import adaptive_pool as adaptive_pool
from gpunn.cuda import attention as attention
from gpunn.cuda import batch_norm as batch_norm
from gpunn.cuda import conv as conv
from gpunn.cuda import conv_norm as conv_norm
from gpunn.cuda import conv_pool as conv_pool
from gpunn.cuda import ctc_loss as ctc_loss
from gpunn.cuda import dropout as dropout
from gpunn.cuda import elementwise as elementwise
from gpunn.cuda import filter as filter
from gpunn.cuda import gather as gather
from gpunn.cuda import grid_sample as grid_sample
from gpunn.cuda import group_norm as group_norm
from gpunn.cuda import indexing as indexing
from gpunn.cuda import linear as linear
from gpunn.cuda import local_response_norm as local_response_norm
from gpunn.cuda import loss as loss
from gpunn.cuda import matmul as matmul
from gpunn.cuda import norm_pool as norm_pool
from gpunn.cuda import optim as optim
from gpunn.cuda import pool as pool
from gpunn.cuda import recurrent as recurrent
from gpunn.cuda import reduce as reduce
from gpunn.cuda import resample as resample
from gpunn.cuda import softmax as softmax
from gpunn.cuda import step as step
from gpunn.cuda import sync_batch_norm as sync_batch_norm
from gpunn.cuda.card import current_device as current_device
from gpunn.cuda.card import device_count as device_count
from gpunn.cuda.card import empty_cache as empty_cache
from gpunn.cuda.card import get_device_capability as get_device_capability
from gpunn.cuda.card import get_device_name as get_device_name
from gpunn.cuda.card import is_available as is_available
from gpunn.cuda.card import manual_seed as manual_seed
from gpunn.cuda.card import manual_seed_all as manual_seed_all
from gpunn.cuda.card import memory_allocated as memory_allocated
from gpunn.cuda.card import memory_reserved as memory_reserved
from gpunn.cuda.card import synchronize as synchronize

__getattr__ = _left_out.refusing(__name__, _left_out.OF_CUDA)

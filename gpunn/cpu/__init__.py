"""NumPy twins of the kernels: the same functions and signatures as `gpunn.cuda`, on plain arrays."""

from gpunn.cpu import activation as activation
from gpunn.cpu import adaptive_pool as adaptive_pool
from gpunn.cpu import attention as attention
from gpunn.cpu import batch_norm as batch_norm
from gpunn.cpu import conv as conv
from gpunn.cpu import conv_norm as conv_norm
from gpunn.cpu import conv_pool as conv_pool
from gpunn.cpu import ctc_loss as ctc_loss
from gpunn.cpu import dropout as dropout
from gpunn.cpu import elementwise as elementwise
from gpunn.cpu import filter as filter
from gpunn.cpu import grid_sample as grid_sample
from gpunn.cpu import group_norm as group_norm
from gpunn.cpu import indexing as indexing
from gpunn.cpu import linear as linear
from gpunn.cpu import local_response_norm as local_response_norm
from gpunn.cpu import loss as loss
from gpunn.cpu import matmul as matmul
from gpunn.cpu import norm_pool as norm_pool
from gpunn.cpu import optim as optim
from gpunn.cpu import pool as pool
from gpunn.cpu import recurrent as recurrent
from gpunn.cpu import reduce as reduce
from gpunn.cpu import resample as resample
from gpunn.cpu import softmax as softmax
from gpunn.cpu import sync_batch_norm as sync_batch_norm
from gpunn.cpu.layout import keep_freed_memory as keep_freed_memory

keep_freed_memory()

"""CUDA twins of the kernels: the same functions and signatures as `gpunn.cpu`, on CuPy and emulated arrays."""

from gpunn.cuda import activation as activation
from gpunn.cuda import adaptive_pool as adaptive_pool
from gpunn.cuda import attention as attention
from gpunn.cuda import batch_norm as batch_norm
from gpunn.cuda import conv as conv
from gpunn.cuda import conv_norm as conv_norm
from gpunn.cuda import conv_pool as conv_pool
from gpunn.cuda import dropout as dropout
from gpunn.cuda import elementwise as elementwise
from gpunn.cuda import filter as filter
from gpunn.cuda import gather as gather
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

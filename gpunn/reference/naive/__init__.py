"""The oracle: seven primitives as plain loops in float64, sharing no code with gpunn.

Loops run over output positions and window taps; only batch and channels are NumPy expressions, so that every index
that could be wrong stands here in the open. Geometry arguments are tuples, one entry a spatial dimension (rank 1 to 3).

Letters: x (N, C, *spatial), w (K, C/groups, *window), y (N, K, *out); gy, gx, gw are gradients.
"""

from gpunn.reference.naive.batch_norm import batch_norm_backward as batch_norm_backward
from gpunn.reference.naive.batch_norm import batch_norm_eval as batch_norm_eval
from gpunn.reference.naive.batch_norm import batch_norm_fold as batch_norm_fold
from gpunn.reference.naive.batch_norm import batch_norm_train as batch_norm_train
from gpunn.reference.naive.conv import conv as conv
from gpunn.reference.naive.conv import conv_grad_bias as conv_grad_bias
from gpunn.reference.naive.conv import conv_grad_input as conv_grad_input
from gpunn.reference.naive.conv import conv_grad_weight as conv_grad_weight
from gpunn.reference.naive.cross_entropy import cross_entropy as cross_entropy
from gpunn.reference.naive.cross_entropy import cross_entropy_backward as cross_entropy_backward
from gpunn.reference.naive.linear import linear as linear
from gpunn.reference.naive.linear import matmul as matmul
from gpunn.reference.naive.pool import adaptive_avg_pool as adaptive_avg_pool
from gpunn.reference.naive.pool import adaptive_avg_pool_backward as adaptive_avg_pool_backward
from gpunn.reference.naive.pool import adaptive_max_pool as adaptive_max_pool
from gpunn.reference.naive.pool import avg_pool as avg_pool
from gpunn.reference.naive.pool import avg_pool_backward as avg_pool_backward
from gpunn.reference.naive.pool import max_pool as max_pool
from gpunn.reference.naive.pool import max_pool_backward as max_pool_backward
from gpunn.reference.naive.pool import norm_pool as norm_pool
from gpunn.reference.naive.pool import norm_pool_backward as norm_pool_backward

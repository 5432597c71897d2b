"""PyTorch's torch.nn.utils: gradient clipping, parameters as one vector and back."""

from gpunn import left_out as _left_out
from gpunn.nn.utils import rnn as rnn
from gpunn.nn.utils.clip import clip_grad_norm_ as clip_grad_norm_
from gpunn.nn.utils.clip import clip_grad_value_ as clip_grad_value_
from gpunn.nn.utils.clip import get_total_norm as get_total_norm
from gpunn.nn.utils.vector import parameters_to_vector as parameters_to_vector
from gpunn.nn.utils.vector import vector_to_parameters as vector_to_parameters

__getattr__ = _left_out.refusing(__name__, _left_out.OF_NN_UTILS)

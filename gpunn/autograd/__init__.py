"""PyTorch's torch.autograd: gradients without `.grad`, and functions with a backward of one's own.

There are no second derivatives: `create_graph=True` is refused.
"""

from gpunn import left_out as _left_out
from gpunn.autograd.function import Function as Function
from gpunn.autograd.function import FunctionCtx as FunctionCtx
from gpunn.autograd.gradients import Variable as Variable
from gpunn.autograd.gradients import backward as backward
from gpunn.autograd.gradients import grad as grad
from gpunn.engine.grad_mode import enable_grad as enable_grad
from gpunn.engine.grad_mode import inference_mode as inference_mode
from gpunn.engine.grad_mode import is_grad_enabled as is_grad_enabled
from gpunn.engine.grad_mode import no_grad as no_grad
from gpunn.engine.grad_mode import set_grad_enabled as set_grad_enabled
from gpunn.gradcheck import gradcheck as gradcheck

__getattr__ = _left_out.refusing(__name__, _left_out.OF_AUTOGRAD)

"""PyTorch's torch.autograd: gradients without `.grad`, and functions with a backward of one's own.

There are no second derivatives: `create_graph=True` is refused.
"""

from gpunn.autograd.function import Function as Function
from gpunn.autograd.function import FunctionCtx as FunctionCtx
from gpunn.autograd.gradients import backward as backward
from gpunn.autograd.gradients import grad as grad
from gpunn.engine.autograd import no_grad as no_grad
from gpunn.gradcheck import gradcheck as gradcheck

"""What a program asks of the kernels, where this package had it first: see gpunn.asked."""

from gpunn.asked import PRECISION as PRECISION
from gpunn.asked import PRECISIONS as PRECISIONS
from gpunn.asked import Asked as Asked
from gpunn.asked import asked as asked
from gpunn.asked import asking as asking
from gpunn.asked import current_precision as current_precision
from gpunn.asked import of_floats as of_floats
from gpunn.asked import precision as precision
from gpunn.asked import precision_of as precision_of

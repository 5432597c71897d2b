"""Several processes, several GPUs, several hosts: joining the ranks, and what passes between them.

A program calls `gpunn.dist.init()` first, in each process that a launcher starts: `gpunn launch -n 4 train.py`.
By itself it is one rank. gpunn/dist/README.md has the rest: launchers, training, what happens when a rank dies.

Examples:
    >>> gpunn.dist.get_rank(), gpunn.dist.get_world_size()
    (0, 1)
    >>> gradient = np.array([1.0, 2.0])
    >>> gpunn.dist.all_reduce(gradient, "avg")  # in place
    >>> gradient
    array([1., 2.])
"""

from gpunn import left_out as _left_out
from gpunn.dist.parallel import DataParallel as DataParallel
from gpunn.dist.parallel import DistributedDataParallel as DistributedDataParallel
from gpunn.dist.process_group import destroy_process_group as destroy_process_group
from gpunn.dist.process_group import init_process_group as init_process_group
from gpunn.dist.reducer import Reducer as Reducer
from gpunn.errors import DistError as DistError
from gpunn.ranks.collectives import ReduceOp as ReduceOp
from gpunn.ranks.collectives import all_gather as all_gather
from gpunn.ranks.collectives import all_gather_into_tensor as all_gather_into_tensor
from gpunn.ranks.collectives import all_reduce as all_reduce
from gpunn.ranks.collectives import barrier as barrier
from gpunn.ranks.collectives import broadcast as broadcast
from gpunn.ranks.collectives import get_rank as get_rank
from gpunn.ranks.collectives import get_world_size as get_world_size
from gpunn.ranks.collectives import is_available as is_available
from gpunn.ranks.collectives import is_initialized as is_initialized
from gpunn.ranks.collectives import reduce_scatter as reduce_scatter
from gpunn.ranks.collectives import reduce_scatter_tensor as reduce_scatter_tensor
from gpunn.ranks.group import Group as Group
from gpunn.ranks.group import Work as Work
from gpunn.ranks.group import current as current
from gpunn.ranks.start import init as init

__getattr__ = _left_out.refusing("gpunn.dist", _left_out.OF_DIST)

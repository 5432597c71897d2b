"""Ranks that mpiexec starts, with a GPU each of CuPy's look-alike: what they find, as JSON on rank 0's standard output.

mpiexec -n 2 python -m tests.dist.programs.nccl
"""

import json

import numpy as np

import gpunn
from gpunn import dist
from gpunn.backend import loading
from tests import counting, cupy_stand_in


def reduced(xp, rank):
    """Sums of the ranks' numbers: in the ranks' order, and of a view, by the public function."""
    a, whole = xp.full((5,), rank + 1, np.float16), xp.zeros((4, 4))
    dist.current().all_reduce(a, ordered=True).wait()
    whole[:, 1] = rank + 1
    dist.all_reduce(whole[:, 1])
    return a.tolist(), whole.sum().item()


def trained(group, xp, capture):
    """The losses and the bytes of the weights of a network that learns on all ranks, and the nodes of its step."""
    from tests.dist.test_nccl_steps import taught

    losses, weights, step, said = taught(group, xp, capture, None)
    graphs = [kind.graph for kind in step._graphs._kinds.values() if kind.graph is not None]
    nodes = counting.graph_nodes(graphs[0]._graph) if graphs else []
    return (
        losses,
        b"".join(a.tobytes() for a in weights.values()).hex(),
        sum(node.startswith("nccl") for node in nodes),
        said,
    )


def main():
    xp = cupy_stand_in.module()
    loading._load_cupy = lambda: (xp, "")
    group = dist.init("cuda", timeout=300)
    found = {"kind": group.kind, "device": xp.cuda.runtime.getDevice(), "local": [group.local_rank, group.local_size]}
    found["reduced"] = reduced(xp, group.rank)
    found["eager"], found["captured"] = trained(group, xp, False), trained(group, xp, True)
    try:
        dist.all_reduce(np.ones(3))
    except gpunn.DistError as error:
        found["refused"] = str(error)
    dist.barrier()
    everything = group.exchange(found)
    if group.rank == 0:
        print(json.dumps(everything))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

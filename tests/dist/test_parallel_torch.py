"""DataParallel beside PyTorch's DistributedDataParallel: the same loops, on two processes that gloo joins."""

import os
import subprocess
import sys

import numpy as np
import pytest

import gpunn
from gpunn import dist
from tests.dist.programs import loops
from tests.dist.together import together


@pytest.mark.skipif(not os.environ.get("CI"), reason="starts two processes of PyTorch: in CI")
def test_the_same_loops_give_what_pytorch_gives(tmp_path):
    distributed = pytest.importorskip("torch.distributed", reason="PyTorch is the standard here")
    if not (distributed.is_available() and distributed.is_gloo_available()):
        pytest.skip("this PyTorch has no gloo")
    command = [sys.executable, "-m", "tests.dist.programs.loops", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]
    ours = together(2, lambda group: loops.found_by(gpunn, dist.DistributedDataParallel, group.rank))
    for rank, found in enumerate(ours):
        with np.load(tmp_path / f"rank{rank}.npz") as torchs:
            assert list(found) == torchs.files and len(found) > 150
            for name, want in torchs.items():
                np.testing.assert_allclose(found[name], want, rtol=0, atol=1e-12, err_msg=f"rank {rank}: {name}")

"""Bugs planted into copies of the kernels: `python -m tests.kernels.mutants` says if `gpunn verify` catches them."""

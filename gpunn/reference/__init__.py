"""The oracle in plain loops, the table of shapes, and the comparison: what tests, `gpunn verify` and bench judge by."""

"""Ranks: processes that train one network together, and what passes between them. `gpunn.dist` is their public face."""

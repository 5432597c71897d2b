"""The engine: Tensor, its operators, and the walk back along the graph."""

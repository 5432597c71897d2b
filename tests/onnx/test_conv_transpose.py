"""conv_transpose1d, 2d and 3d on ONNX's own node tests of ConvTranspose."""


from gpunn import ops
from gpunn.reference.close import assert_close
from tests.onnx.nodes import nodes

OPS = {rank: getattr(ops, f"conv_transpose{rank}d", None) for rank in (1, 2, 3)}


def convolved(x, w, *bias, strides=None, dilations=None, group=1, **placing):
    """ONNX's ConvTranspose, whose paddings may differ between the two ends: what ours pads is cropped here."""
    rank = x.ndim - 2
    stride, dilation = strides or [1] * rank, dilations or [1] * rank
    more = placing.get("output_padding", [0] * rank)
    sizes = zip(x.shape[2:], stride, dilation, w.shape[2:], strict=True)
    whole = [(n - 1) * s + d * (k - 1) + 1 + m for (n, s, d, k), m in zip(sizes, more, strict=True)]
    wanted = placing.get("output_shape")
    if placing.get("auto_pad") == "SAME_UPPER":
        wanted = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    if wanted is None:
        pads = placing.get("pads", [0] * 2 * rank)
    else:
        excess = [f - n for f, n in zip(whole, wanted, strict=True)]
        more = [m + max(-e, 0) for m, e in zip(more, excess, strict=True)]
        whole = [max(f, n) for f, n in zip(whole, wanted, strict=True)]
        pads = [max(e, 0) // 2 for e in excess] + [max(e, 0) - max(e, 0) // 2 for e in excess]
    y = OPS[rank](x, w, *bias, stride=stride, output_padding=more, groups=group, dilation=dilation)
    assert y.shape[2:] == tuple(whole)
    ends = zip(pads[:rank], pads[rank:], whole, strict=True)
    return y[(..., *[slice(low, n - high) for low, high, n in ends])]


def test_on_every_node():
    found = nodes("convtranspose")
    assert {n.inputs[0].ndim for n in found} == {3, 4, 5}
    for node in found:
        y = convolved(*node.inputs, **{k: v for k, v in node.attributes.items() if k != "kernel_shape"})
        (want,) = node.outputs
        assert y.shape == want.shape, node.name
        assert_close(y, want, 27, what=node.name)

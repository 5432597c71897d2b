"""The one table of shapes, for the tests, the emulator and the benchmarks. Odd sizes first, real networks last.

`heavy` rows are layers of known networks: the benchmarks time them, slow checkers leave them out with `light(...)`.
"""

from gpunn.reference.shapes import BatchNormCase, ConvCase, NormPoolCase, PoolCase


def light(cases):
    """The cases that plain loops do in little time."""
    return [case for case in cases if not case.heavy]


def _conv(name, x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True):
    return ConvCase(name, x, w, stride, padding, dilation, groups, bias)


CONV2D = [
    _conv("one pixel, one tap", (1, 1, 1, 1), (1, 1, 1, 1)),
    _conv("all primes", (2, 3, 11, 7), (5, 3, 3, 5)),
    _conv("prime channels, padded", (3, 7, 5, 13), (11, 7, 3, 3), padding=(1, 1), bias=False),
    _conv("stride beyond window", (2, 3, 11, 10), (4, 3, 2, 2), stride=(3, 5)),
    _conv("stride beyond input", (2, 2, 3, 4), (3, 2, 3, 3), stride=(7, 9), padding=(1, 1)),
    _conv("window beyond input, padded", (2, 3, 2, 3), (4, 3, 5, 5), padding=(2, 2)),
    _conv("window is the input", (3, 5, 4, 6), (7, 5, 4, 6)),
    _conv("padding beyond window", (2, 2, 3, 3), (3, 2, 2, 2), padding=(3, 4)),
    _conv("empty batch", (0, 3, 6, 5), (4, 3, 3, 3), padding=(1, 1)),
    _conv("unequal everything", (2, 3, 9, 14), (5, 3, 2, 4), stride=(2, 3), padding=(0, 2), dilation=(2, 1)),
    _conv("dilation 2", (2, 4, 9, 9), (4, 4, 3, 3), padding=(2, 2), dilation=(2, 2)),
    _conv("dilation 3, stride 2", (1, 3, 13, 12), (5, 3, 3, 2), stride=(2, 2), padding=(1, 3), dilation=(3, 3)),
    _conv("groups 2", (2, 6, 7, 5), (4, 3, 3, 3), padding=(1, 1), groups=2),
    _conv("groups 3, stride 2, no bias", (2, 9, 8, 7), (6, 3, 3, 3), (2, 2), (1, 1), groups=3, bias=False),
    _conv("depthwise", (2, 5, 7, 9), (5, 1, 3, 3), padding=(1, 1), groups=5),
    _conv("depthwise, two a channel, stride 2", (2, 6, 9, 8), (12, 1, 5, 3), (2, 2), (2, 1), groups=6),
    _conv("depthwise, dilated", (1, 4, 11, 8), (4, 1, 3, 3), padding=(2, 2), dilation=(2, 2), groups=4),
    _conv("1x1", (2, 5, 6, 7), (9, 5, 1, 1)),
    _conv("1x1, stride 2", (2, 8, 7, 6), (4, 8, 1, 1), stride=(2, 2), bias=False),
    _conv("1x1, groups, padded", (2, 4, 3, 5), (6, 2, 1, 1), padding=(1, 2), groups=2),
    _conv("3x3, channels 4 and 8", (2, 4, 8, 8), (8, 4, 3, 3), padding=(1, 1)),
    _conv("3x3, channels 6 and 10", (2, 6, 7, 10), (10, 6, 3, 3), padding=(1, 1)),
    _conv("3x3, stride 2", (2, 4, 10, 9), (6, 4, 3, 3), stride=(2, 2), padding=(1, 1)),
    _conv("3x3, more than one tile", (3, 17, 9, 9), (37, 17, 3, 3), padding=(1, 1)),
    _conv("5x5, one channel", (2, 1, 14, 12), (6, 1, 5, 5), padding=(2, 2)),
    _conv("5x5, stride 3", (2, 3, 12, 17), (4, 3, 5, 5), stride=(3, 3), padding=(1, 1)),
    _conv("7x7, stride 2, three channels", (1, 3, 17, 15), (8, 3, 7, 7), stride=(2, 2), padding=(3, 3), bias=False),
    _conv("row filter", (2, 3, 1, 19), (4, 3, 1, 5), padding=(0, 2)),
    _conv("column filter", (2, 3, 19, 1), (4, 3, 5, 1), stride=(2, 1), padding=(2, 0)),
    _conv("right and bottom unread", (2, 3, 8, 9), (4, 3, 3, 3), stride=(4, 4)),
    _conv("two channels, sixteen filters", (4, 2, 6, 6), (16, 2, 3, 3), padding=(1, 1)),
    _conv("channels of 16-byte accesses", (2, 8, 9, 7), (24, 8, 3, 3), padding=(1, 1)),
    _conv("16-byte channels, groups, unequal", (2, 32, 11, 10), (48, 16, 3, 2), (2, 3), (2, 1), (2, 1), groups=2),
    _conv("16-byte channels, more than a large tile", (1, 24, 13, 11), (136, 24, 3, 3), padding=(1, 1)),
    _conv("16-byte channels, stride beyond window", (2, 16, 9, 8), (8, 16, 2, 1), stride=(3, 2), bias=False),
    _conv("1x1, 16-byte channels", (3, 40, 7, 5), (72, 40, 1, 1)),
    _conv("1x1, deep, few pixels", (1, 2304, 2, 1), (16, 2304, 1, 1)),
    _conv("depthwise, 16-byte channels", (2, 16, 9, 8), (16, 1, 3, 3), (2, 1), (1, 1), groups=16),
]

CONV1D = [
    ConvCase("1-D, one sample", (1, 1, 1), (1, 1, 1), (1,), (0,), (1,)),
    ConvCase("1-D, primes", (2, 3, 17), (5, 3, 5), (2,), (3,), (1,)),
    ConvCase("1-D, dilated groups", (2, 4, 13), (6, 2, 3), (1,), (2,), (3,), groups=2, bias=False),
    ConvCase("1-D, stride beyond window", (3, 2, 11), (4, 2, 2), (5,), (0,), (1,)),
]

CONV3D = [
    ConvCase("3-D, one voxel", (1, 1, 1, 1, 1), (1, 1, 1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    ConvCase("3-D, unequal", (2, 3, 4, 5, 7), (5, 3, 2, 3, 1), (1, 2, 3), (1, 0, 2), (2, 1, 1)),
    ConvCase("3-D, groups", (1, 4, 3, 4, 5), (6, 2, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), groups=2, bias=False),
    ConvCase("3-D, dilated", (2, 2, 5, 6, 5), (3, 2, 2, 2, 2), (2, 1, 1), (0, 1, 1), (2, 3, 1)),
    ConvCase("3-D, depthwise", (1, 3, 4, 4, 5), (3, 1, 3, 2, 3), (1, 1, 1), (1, 0, 1), (1, 1, 1), groups=3),
    ConvCase("3-D, 16-byte channels", (2, 16, 4, 5, 6), (48, 8, 2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 1, 2), groups=2),
    ConvCase("3-D, 4 channels, stride 2", (1, 4, 5, 7, 6), (4, 4, 3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1)),
    ConvCase(
        "3-D, 4 and 8 channels of groups", (2, 8, 3, 5, 4), (16, 4, 2, 1, 3), (1, 1, 1), (1, 0, 2), (1, 1, 2), groups=2
    ),
    ConvCase("3-D, 7 and 9 channels", (1, 7, 4, 3, 5), (9, 7, 3, 2, 2), (1, 1, 1), (2, 1, 0), (2, 1, 3), bias=False),
    ConvCase("3-D, more than 32 positions", (1, 3, 5, 4, 6), (5, 3, 4, 3, 3), (1, 2, 1), (2, 1, 1), (1, 1, 1)),
    ConvCase("3-D, empty batch", (0, 2, 3, 3, 3), (3, 2, 2, 2, 2), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
]

POOL = [
    PoolCase("one pixel", (1, 1, 1, 1), (1, 1), (1, 1)),
    PoolCase("2x2", (2, 3, 8, 6), (2, 2), (2, 2)),
    PoolCase("2x2, odd input", (2, 5, 7, 9), (2, 2), (2, 2)),
    PoolCase("2x2, odd input, ceil", (2, 5, 7, 9), (2, 2), (2, 2), ceil_mode=True),
    PoolCase("3x3, stride 2, padded", (2, 4, 11, 13), (3, 3), (2, 2), (1, 1)),
    PoolCase("3x3, stride 2, padded, real cells only", (2, 4, 11, 13), (3, 3), (2, 2), (1, 1), count_include_pad=False),
    PoolCase("overlapping", (2, 3, 7, 8), (3, 3), (1, 1)),
    PoolCase("overlapping, padded", (1, 7, 6, 5), (3, 3), (1, 1), (1, 1), count_include_pad=False),
    PoolCase("stride beyond window", (2, 3, 11, 10), (2, 1), (3, 4)),
    PoolCase("stride beyond window, ceil", (2, 3, 12, 10), (2, 2), (5, 4), ceil_mode=True),
    PoolCase("stride beyond input", (2, 2, 3, 4), (2, 3), (9, 7)),
    PoolCase("window beyond input, padded", (2, 3, 3, 2), (5, 4), (1, 2), (2, 2)),
    PoolCase("window beyond input, real cells only", (2, 3, 3, 2), (5, 4), (1, 2), (2, 2), count_include_pad=False),
    PoolCase("whole plane", (3, 5, 6, 7), (6, 7), (1, 1)),
    PoolCase("empty batch", (0, 3, 6, 5), (3, 2), (2, 2), (1, 1)),
    PoolCase("unequal", (2, 3, 10, 13), (2, 5), (3, 2), (1, 2)),
    PoolCase("ceil, padded", (2, 3, 8, 7), (3, 3), (2, 2), (1, 1), ceil_mode=True),
    PoolCase("ceil, padded, real cells only", (2, 3, 8, 7), (3, 3), (2, 2), (1, 1), (1, 1), True, False),
    PoolCase("ceil window must start inside", (1, 2, 5, 4), (2, 2), (3, 3), (1, 1), ceil_mode=True),
    PoolCase("ceil window starts in left padding only", (1, 2, 1, 2), (2, 2), (2, 2), (1, 1), ceil_mode=True),
    PoolCase("dilated", (2, 3, 9, 11), (3, 2), (1, 2), (1, 1), (2, 3)),
    PoolCase("dilated, ceil", (2, 3, 10, 9), (3, 3), (3, 2), (1, 0), (2, 2), ceil_mode=True),
    PoolCase("257 positions", (1, 2, 18, 19), (17, 17), (5, 7), (8, 8)),
    PoolCase("row window", (2, 3, 1, 17), (1, 3), (1, 2), (0, 1)),
    PoolCase("seventeen channels", (2, 17, 6, 6), (3, 3), (2, 2)),
    PoolCase("sixteen channels", (2, 16, 7, 6), (3, 3), (2, 2), (1, 1)),
    PoolCase("sixteen channels, 2x2, odd input, ceil", (2, 16, 7, 9), (2, 2), (2, 2), ceil_mode=True),
    PoolCase("sixteen channels, overlapping", (1, 16, 19, 6), (3, 3), (1, 1), (1, 1), count_include_pad=False),
    PoolCase("sixteen channels, dilated, ceil", (1, 16, 9, 8), (2, 3), (2, 1), (1, 1), (2, 1), True),
]

NORM_POOL = [
    NormPoolCase("norm 2x2", (2, 3, 8, 6), (2, 2), (2, 2)),
    NormPoolCase("norm 2x2, ceil, 16 channels", (2, 16, 7, 5), (2, 2), (2, 2), ceil_mode=True),
    NormPoolCase("norm 2x2, odd input, 8 channels", (1, 8, 7, 5), (2, 2), (2, 2)),
    NormPoolCase("norm 3x2, overlapping, 16 channels", (1, 16, 7, 6), (3, 2), (2, 1)),
    NormPoolCase("norm stride beyond window, 8 channels", (2, 8, 9, 8), (2, 1), (3, 2)),
    NormPoolCase("norm stride beyond input, ceil", (2, 8, 3, 4), (2, 2), (5, 3), ceil_mode=True),
    NormPoolCase("norm of order 1", (1, 8, 6, 5), (3, 2), (2, 2), 1.0, ceil_mode=True),
    NormPoolCase("norm of order 3", (2, 8, 5, 6), (2, 3), (2, 3), 3.0),
    NormPoolCase("norm of order 1.5, overlapping", (2, 3, 5, 6), (2, 3), (1, 2), 1.5),
    NormPoolCase("norm 3-D", (1, 8, 4, 5, 6), (2, 2, 3), (2, 3, 2)),
    NormPoolCase("norm 3-D, ceil", (2, 8, 3, 4, 3), (2, 3, 1), (2, 3, 2), ceil_mode=True),
    NormPoolCase("norm, empty batch", (0, 3, 6, 5), (2, 2), (2, 2)),
]

ADAPTIVE = [  # (x, out)
    ((1, 1, 1, 1), (1, 1)),
    ((2, 3, 7, 11), (1, 1)),
    ((2, 3, 7, 11), (3, 4)),
    ((2, 4, 8, 6), (4, 2)),
    ((1, 5, 3, 2), (5, 7)),  # more outputs than inputs: windows repeat
    ((2, 3, 13, 5), (6, 5)),
    ((0, 3, 5, 5), (2, 2)),
    ((2, 16, 7, 5), (3, 2)),
    ((2, 8, 3, 4, 5), (2, 3, 4)),
    ((1, 3, 5, 2, 3), (3, 4, 1)),
    ((2, 3, 2, 4, 4), (1, 1, 1)),
]

BATCHNORM = [
    BatchNormCase("three values", (3, 1, 1, 1)),
    BatchNormCase("rank 2", (5, 7)),
    BatchNormCase("rank 3", (3, 5, 7)),
    BatchNormCase("rank 4, primes", (3, 5, 7, 11)),
    BatchNormCase("rank 5", (2, 3, 2, 3, 5)),
    BatchNormCase("one sample", (1, 6, 5, 3)),
    BatchNormCase("no affine", (2, 3, 4, 5), affine=False),
    BatchNormCase("relu", (2, 7, 5, 6), relu=True),
    BatchNormCase("residual", (2, 5, 3, 7), residual=True),
    BatchNormCase("residual and relu", (3, 6, 5, 5), residual=True, relu=True),
    BatchNormCase("residual and relu, no affine", (2, 9, 3, 3), affine=False, residual=True, relu=True),
    BatchNormCase("mean far from 0", (4, 3, 5, 5), offset=100.0),
    BatchNormCase("many channels", (2, 67, 3, 3)),
    BatchNormCase("16-byte channels and planes", (3, 16, 4, 6), residual=True, relu=True),
    BatchNormCase("16-byte channels, many rows", (9, 8, 16, 11), relu=True),
    BatchNormCase("long sum", (4, 3, 33, 31), relu=True),
]


def _layer(name, n, c, h, k, size, stride=1, padding=0, groups=1, bias=False):
    w, geometry = (k, c // groups, size, size), ((stride, stride), (padding, padding), (1, 1))
    return ConvCase(name, (n, c, h, h), w, *geometry, groups, bias, heavy=True)


NETWORK_CONVS = [
    _layer("lenet5 conv1", 8, 1, 28, 6, 5, padding=2, bias=True),
    _layer("lenet5 conv2", 8, 6, 14, 16, 5, bias=True),
    _layer("lenet 20-50-500 conv1", 8, 1, 28, 20, 5, bias=True),
    _layer("lenet 20-50-500 conv2", 8, 20, 12, 50, 5, bias=True),
    _layer("alexnet-lite conv1", 2, 3, 32, 64, 3, padding=1, bias=True),
    _layer("alexnet-lite conv2", 2, 64, 16, 128, 3, padding=1, bias=True),
    _layer("alexnet conv1", 1, 3, 224, 64, 11, 4, 2, bias=True),
    _layer("alexnet conv2", 1, 64, 27, 192, 5, padding=2, bias=True),
    _layer("resnet20 conv1", 2, 3, 32, 16, 3, padding=1),
    _layer("resnet20 stage1", 2, 16, 32, 16, 3, padding=1),
    _layer("resnet20 stage2 down", 2, 16, 32, 32, 3, 2, 1),
    _layer("resnet20 stage3", 2, 64, 8, 64, 3, padding=1),
    _layer("resnet50 stem", 1, 3, 224, 64, 7, 2, 3),
    _layer("resnet50 stage1 1x1", 1, 64, 56, 256, 1),
    _layer("resnet50 stage1 3x3", 1, 64, 56, 64, 3, padding=1),
    _layer("resnet50 stage2 down", 1, 128, 56, 128, 3, 2, 1),
    _layer("resnet50 stage2 shortcut", 1, 256, 56, 512, 1, 2),
    _layer("resnet50 stage4 3x3", 1, 512, 7, 512, 3, padding=1),
    _layer("mobilenet depthwise", 1, 32, 112, 32, 3, padding=1, groups=32),
]

NETWORK_POOLS = [
    PoolCase("lenet pool1", (8, 6, 28, 28), (2, 2), (2, 2), heavy=True),
    PoolCase("alexnet pool", (1, 64, 55, 55), (3, 3), (2, 2), heavy=True),
    PoolCase("resnet50 stem pool", (1, 64, 112, 112), (3, 3), (2, 2), (1, 1), heavy=True),
]

NETWORK_BATCHNORMS = [
    BatchNormCase("resnet20 stage1 norm", (8, 16, 32, 32), relu=True, heavy=True),
    BatchNormCase("resnet50 stem norm", (1, 64, 112, 112), relu=True, heavy=True),
    BatchNormCase("resnet50 stage1 join", (1, 256, 56, 56), residual=True, relu=True, heavy=True),
]

ALL_CONV2D = CONV2D + NETWORK_CONVS
ALL_POOL = POOL + NETWORK_POOLS
ALL_BATCHNORM = BATCHNORM + NETWORK_BATCHNORMS

"""U-Net of PyTorch's layers, written from figure 1 of Ronneberger et al. 2015; it shares nothing with gpunn."""

from __future__ import annotations

import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self, before, after, pad, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=pad, bias=not norm)
        self.conv2 = nn.Conv2d(after, after, 3, padding=pad, bias=not norm)
        self.bn1, self.bn2 = (nn.BatchNorm2d(after), nn.BatchNorm2d(after)) if norm else (None, None)

    def forward(self, x):
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = conv(x) if norm is None else norm(conv(x))
            x = torch.relu(x)
        return x


class UNet(nn.Module):
    def __init__(self, classes, channels, depth, width, padding="same", batch_norm=False, up="transpose"):
        super().__init__()
        pad, sizes = (0 if padding == "valid" else "same"), [channels] + [width * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList([Pair(sizes[i], sizes[i + 1], pad, batch_norm) for i in range(depth + 1)])
        self.up, self.expand = nn.ModuleList(), nn.ModuleList()
        for i in range(depth, 0, -1):
            a, b = sizes[i + 1], sizes[i]
            one = nn.Sequential(nn.Conv2d(a, b, 1), nn.Upsample(scale_factor=2, mode=up)) if up != "transpose" else None
            self.up.append(nn.ConvTranspose2d(a, b, 2, 2) if one is None else one)
            self.expand.append(Pair(a, b, pad, batch_norm))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for i, (up, block) in enumerate(zip(self.up, self.expand, strict=True)):
            x, skip = up(x), kept[-2 - i]
            rows, columns = (skip.shape[2] - x.shape[2]) // 2, (skip.shape[3] - x.shape[3]) // 2
            skip = skip[:, :, rows : skip.shape[2] - rows, columns : skip.shape[3] - columns]
            x = block(torch.cat([skip, x], 1))
        return self.head(x)

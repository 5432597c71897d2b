import copy
from collections import OrderedDict, defaultdict

import torch
from torch import nn


class EMA:
    def __init__(self, model, decay):
        self.ema = copy.deepcopy(model).eval()
        self.decay = decay
        self.updates = 0
        for p in self.ema.parameters():
            p.requires_grad_(False)

    def update(self, model):
        with torch.no_grad():
            self.updates += 1
            d = self.decay
            msd = model.state_dict()
            for k, v in self.ema.state_dict().items():
                if v.is_floating_point():
                    v *= d
                    v += (1.0 - d) * msd[k].detach()
                else:
                    v.copy_(msd[k])


class Shadow:
    def __init__(self, model, decay):
        self.model, self.decay, self.shadow, self.backup = model, decay, {}, {}
        for name, param in model.named_parameters():
            if param.requires_grad:
                self.shadow[name] = param.data.clone()

    def update(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                assert name in self.shadow
                new_average = (1.0 - self.decay) * param.data + self.decay * self.shadow[name]
                self.shadow[name] = new_average.clone()

    def apply_shadow(self):
        for name, param in self.model.named_parameters():
            self.backup[name] = param.data
            param.data = self.shadow[name]

    def restore(self):
        for name, param in self.model.named_parameters():
            param.data = self.backup[name]


class Lookahead(torch.optim.Optimizer):
    def __init__(self, optimizer, k=5, alpha=0.5):
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        self.param_groups = self.optimizer.param_groups
        self.state = defaultdict(dict)
        for group in self.param_groups:
            group["counter"] = 0

    def update(self, group):
        for fast in group["params"]:
            param_state = self.state[fast]
            if "slow_param" not in param_state:
                param_state["slow_param"] = torch.zeros_like(fast.data)
                param_state["slow_param"].copy_(fast.data)
            slow = param_state["slow_param"]
            slow += (fast.data - slow) * self.alpha
            fast.data.copy_(slow)

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            if group["counter"] == 0:
                self.update(group)
            group["counter"] += 1
            if group["counter"] >= self.k:
                group["counter"] = 0
        return loss

    def zero_grad(self):
        self.optimizer.zero_grad()


model = nn.Sequential(OrderedDict([("fc", nn.Linear(6, 8, bias=False)), ("bn", nn.BatchNorm1d(8)), ("act", nn.GELU()), ("out", nn.Linear(8, 2))]))
fill(model)
ema, shadow = EMA(model, 0.9), Shadow(model, 0.8)
optimizer = Lookahead(torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1), k=3)
x = torch.from_numpy(rng.standard_normal((16, 6)).astype("float32"))
y = torch.from_numpy(rng.integers(0, 2, 16))
losses = []
for step in range(20):
    model.train()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
    loss.backward()
    optimizer.step()
    ema.update(model)
    shadow.update()
    losses.append(loss.item())
    with torch.no_grad():
        losses.append(nn.functional.cross_entropy(ema.ema(x), y).item())
model.eval()
shadow.apply_shadow()
losses.append(model(x).pow(2).sum().item())
shadow.restore()
losses.append(model(x).pow(2).sum().item())
online, target = model.state_dict(), copy.deepcopy(model.state_dict())
tau = 0.05
with torch.no_grad():
    for p, q in zip(model.parameters(), ema.ema.parameters()):
        p.lerp_(q, tau)
losses += [float((online[k] - target[k]).abs().sum()) for k in online if online[k].is_floating_point()]

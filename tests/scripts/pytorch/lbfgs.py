import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self):
        super(Sequence, self).__init__()
        self.inp = nn.Linear(1, 6)
        self.hid = nn.Linear(6, 6)
        self.linear = nn.Linear(6, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 6, dtype=torch.double)
        for input_t in input.split(1, dim=1):
            h_t = torch.tanh(self.inp(input_t) + self.hid(h_t))
            output = self.linear(h_t)
            outputs += [output]
        for i in range(future):
            h_t = torch.tanh(self.inp(output) + self.hid(h_t))
            output = self.linear(h_t)
            outputs += [output]
        return torch.cat(outputs, dim=1)


x = np.sin((np.arange(24)[None] + rng.integers(-20, 20, (6, 1))) / 4.0).astype("float64")
input = torch.from_numpy(x[2:, :-1])
target = torch.from_numpy(x[2:, 1:])
test_input = torch.from_numpy(x[:2, :-1])
test_target = torch.from_numpy(x[:2, 1:])
seq = Sequence()
seq.double()
fill(seq)
criterion = nn.MSELoss()
optimizer = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=6)
losses = []
for i in range(3):

    def closure():
        optimizer.zero_grad()
        out = seq(input)
        loss = criterion(out, target)
        losses.append(loss.item())
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        pred = seq(test_input, future=5)
        loss = criterion(pred[:, :-5], test_target)
        losses.append(loss.item())
        y = pred.detach().numpy()

import torch
import torch.nn as nn
import torch.nn.functional as F


def fgsm_attack(image, epsilon, data_grad):
    sign_data_grad = data_grad.sign()
    perturbed_image = image + epsilon * sign_data_grad
    return torch.clamp(perturbed_image, 0, 1)


critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
fill(critic)
fill(model)
optimizer = torch.optim.Adam([{"params": model.parameters()}, {"params": critic.parameters(), "lr": 1e-3}], lr=1e-2)
data = torch.from_numpy(rng.random((12, 8)).astype("float32"))
target = torch.from_numpy(rng.integers(0, 3, 12))
losses = []
for step in range(20):
    real, fake = data[:6], data[6:]
    alpha = torch.from_numpy(rng.random((6, 1)).astype("float32")).expand_as(real)
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    disc = critic(interpolates)
    gradients = torch.autograd.grad(
        outputs=disc, inputs=interpolates, grad_outputs=torch.ones(disc.size()), retain_graph=True, only_inputs=True
    )[0]
    gradient_norm = gradients.view(gradients.size(0), -1).norm(2, dim=1)
    penalty = ((gradient_norm - 1) ** 2).mean()
    losses.append(penalty.item())

    x = data.clone().detach()
    x.requires_grad = True
    output = model(x)
    init_pred = output.max(1, keepdim=True)[1]
    loss = F.nll_loss(F.log_softmax(output, dim=1), target)
    model.zero_grad()
    loss.backward()
    adversary = fgsm_attack(x, 0.1, x.grad.data)
    assert torch.equal(init_pred.squeeze(), output.argmax(-1))

    optimizer.zero_grad()
    loss = F.cross_entropy(model(adversary), target) + penalty * disc.mean()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
losses.append(critic(data).sum().item())

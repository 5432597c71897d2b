import torch


def data_iter(batch_size, features, labels):
    num_examples = len(features)
    indices = list(range(num_examples))
    rng.shuffle(indices)
    for i in range(0, num_examples, batch_size):
        batch_indices = torch.tensor(indices[i : min(i + batch_size, num_examples)])
        yield features[batch_indices], labels[batch_indices]


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def softmax(X):
    X_exp = torch.exp(X)
    partition = X_exp.sum(1, keepdim=True)
    return X_exp / partition


def net(X):
    return softmax(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)


def cross_entropy(y_hat, y):
    return -torch.log(y_hat[range(len(y_hat)), y])


def accuracy(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    cmp = y_hat.type(y.dtype) == y
    return float(cmp.type(y.dtype).sum())


W = torch.from_numpy(rng.normal(0, 0.01, size=(12, 3)).astype("float32")).requires_grad_()
b = torch.zeros(3, requires_grad=True)
X = torch.from_numpy(rng.standard_normal((40, 3, 4)).astype("float32"))
y = torch.from_numpy(rng.integers(0, 3, 40))
losses = []
for epoch in range(5):
    for X_batch, y_batch in data_iter(10, X, y):
        l = cross_entropy(net(X_batch), y_batch)
        l.sum().backward()
        sgd([W, b], 0.5, 10)
        losses.append(l.mean().item())
    losses.append(accuracy(net(X), y) / len(y))

true_w = torch.tensor([2, -3.4])
x = torch.arange(12, dtype=torch.float32).reshape(3, 4)
x[1, 2] = 9
x[0:2, :] = 12
before = id(x)
x += 1
losses += [float(id(x) == before), x.sum().item(), float(x[-1].mean()), float(true_w.norm())]
A = torch.arange(20, dtype=torch.float32).reshape(5, 4)
Bc = A.clone()
losses += [float((A + Bc).sum()), float((A * Bc).mean()), float(A.cumsum(axis=0)[-1, -1]), float(torch.mv(A, x[0]).sum())]
losses += [float(torch.cat((A, Bc), dim=0).shape[0]), float(torch.norm(A)), float(torch.abs(A - 3).sum()), A.T.numpy()[1, 1]]

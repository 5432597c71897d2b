import string

import torch
import torch.nn as nn

all_letters = string.ascii_letters + " .,;'-"
n_letters = len(all_letters)
lines = {"English": ["Adams", "Baker", "Clark"], "Dutch": ["Aalsburg", "Van Dijk"], "Greek": ["Adamou", "Kanelos"]}
all_categories = list(lines)


def letterToIndex(letter):
    return all_letters.find(letter)


def lineToTensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][letterToIndex(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        output = self.i2o(combined)
        output = self.softmax(output)
        return output, hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


def categoryFromOutput(output):
    top_n, top_i = output.topk(1)
    category_i = top_i[0].item()
    return all_categories[category_i], category_i


rnn = RNN(n_letters, 16, len(all_categories))
fill(rnn)
criterion = nn.NLLLoss()
learning_rate = 0.05


def train(category_tensor, line_tensor):
    hidden = rnn.initHidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


losses = []
for step in range(21):
    category = all_categories[step % 3]
    line = lines[category][step // 3 % 2]
    category_tensor = torch.tensor([all_categories.index(category)], dtype=torch.long)
    output, loss = train(category_tensor, lineToTensor(line))
    losses += [loss, categoryFromOutput(output)[1]]

confusion = torch.zeros(3, 3)
with torch.no_grad():
    for name in all_categories:
        hidden = rnn.initHidden()
        for letter in lineToTensor(lines[name][0]):
            output, hidden = rnn(letter, hidden)
        confusion[all_categories.index(name)][categoryFromOutput(output)[1]] += 1
for i in range(3):
    confusion[i] = confusion[i] / confusion[i].sum()
torch.manual_seed(0)
letter = torch.multinomial(torch.exp(output), 1).item()
topv, topi = output.data.topk(3, 1, True)
losses += [confusion.sum().item(), confusion[0, 0].item(), float(0 <= letter < 3), topv[0][0].item()]

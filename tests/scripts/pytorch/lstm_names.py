import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

names = ["Adamou", "Baker", "Li", "Kanelos", "Aalsburg", "Clark", "Wu", "Gianakos"]
labels = torch.tensor([0, 1, 2, 0, 1, 1, 2, 0])
letters = sorted({letter for name in names for letter in name})
stoi = {letter: i + 1 for i, letter in enumerate(letters)}


class Classifier(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, output_dim):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=0)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers=2, bidirectional=True, batch_first=True, dropout=0.0)
        self.gru = nn.GRU(2 * hidden_dim, hidden_dim)
        self.cell = nn.RNNCell(hidden_dim, hidden_dim, nonlinearity="relu")
        self.fc = nn.Linear(3 * hidden_dim, output_dim)

    def forward(self, text, text_lengths):
        embedded = self.embedding(text)
        packed = pack_padded_sequence(embedded, text_lengths.cpu(), batch_first=True, enforce_sorted=False)
        self.lstm.flatten_parameters()
        packed_output, (hidden, cell) = self.lstm(packed)
        output, output_lengths = pad_packed_sequence(packed_output)
        _, last = self.gru(output)
        last = self.cell(last.squeeze(0), hidden[0])
        return self.fc(torch.cat((hidden[-2], hidden[-1], last), dim=1)), output_lengths


def init_hidden(model, n):
    weight = next(model.parameters()).data
    return weight.new_zeros(4, n, 6), weight.new_zeros(4, n, 6)


encoded = [torch.tensor([stoi[c] for c in name]) for name in names]
lengths = torch.tensor([len(name) for name in names])
text = pad_sequence(encoded, batch_first=True)
model = Classifier(len(letters) + 1, 5, 6, 3)
fill(model)
optimizer = optim.Adam(model.parameters(), lr=0.02)
losses = []
model.train()
for epoch in range(20):
    optimizer.zero_grad()
    output, seen = model(text, lengths)
    loss = F.cross_entropy(output, labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())

model.eval()
with torch.no_grad():
    output, seen = model(text, lengths)
    losses.append((output.argmax(1) == labels).float().mean().item())
    y, (h, c) = model.lstm(model.embedding(text), init_hidden(model, len(names)))
losses += [h.abs().mean().item(), c[0, 0, 0].item(), float(sum(seen.tolist()))]
losses.append(sum(w.numel() for layer in model.lstm.all_weights for w in layer))

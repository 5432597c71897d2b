import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset


class SiameseNetwork(nn.Module):
    def __init__(self):
        super(SiameseNetwork, self).__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.PReLU(), nn.AdaptiveAvgPool2d((3, 3)))
        self.fc = nn.Sequential(nn.Linear(72, 16), nn.ReLU(inplace=True), nn.Linear(16, 1))
        self.sigmoid = nn.Sigmoid()
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        output = self.features(x)
        output = output.view(output.size()[0], -1)
        return output

    def forward(self, input1, input2):
        output1 = self.forward_once(input1)
        output2 = self.forward_once(input2)
        distance = F.pairwise_distance(output1, output2)
        output = torch.cat((output1, output2), 1)
        return self.sigmoid(self.fc(output)), distance, output1, output2


class Pairs(Dataset):
    def __init__(self, n):
        self.images = torch.from_numpy(rng.standard_normal((n, 1, 12, 12)).astype("float32"))

    def __len__(self):
        return self.images.shape[0]

    def __getitem__(self, index):
        other = (index * 7 + 3) % len(self)
        target = torch.tensor(float(index % 2), dtype=torch.float)
        return self.images[index], self.images[other], target


model = SiameseNetwork()
fill(model)
criterion, triplet = nn.BCELoss(), nn.TripletMarginLoss(margin=0.5)
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
loader = DataLoader(Pairs(40), batch_size=4)
losses = []
for epoch in range(2):
    model.train()
    for images_1, images_2, targets in loader:
        optimizer.zero_grad()
        outputs, distance, one, two = model(images_1, images_2)
        outputs = outputs.squeeze()
        contrastive = torch.mean((1 - targets) * distance.pow(2) + targets * torch.clamp(1.0 - distance, min=0.0).pow(2))
        loss = criterion(outputs, targets) + 0.1 * contrastive + triplet(one, two, one.roll(1, 0))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        pred = torch.where(outputs > 0.5, 1, 0)
        losses.append(pred.eq(targets.view_as(pred)).sum().item())
    scheduler.step()

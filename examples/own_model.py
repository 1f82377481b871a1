"""A ResNet on scikit-learn's digits: optiproxy search own_model.py:task --budget 20 --workers 2"""

from sklearn.datasets import load_digits
from torch import nn

import optiproxy as op


class Block(nn.Module):
    def __init__(self, i, o, kernel, stride):
        super().__init__()
        one, two = nn.Conv2d(i, o, kernel, stride, kernel // 2), nn.Conv2d(o, o, 3, padding=1)
        self.body = nn.Sequential(one, nn.BatchNorm2d(o), nn.ReLU(), two, nn.BatchNorm2d(o))
        self.skip = nn.Identity() if (i, stride) == (o, 1) else nn.Conv2d(i, o, 1, stride)

    def forward(self, x):
        return (self.body(x) + self.skip(x)).relu()


def resnet(choose):  # Up to 11 million parameters, as a ResNet-18.
    first = inputs = choose("width", [8, 16, 32, 64])
    layers = [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, first, 3, padding=1)]
    for s, width in enumerate([first, 2 * first, 4 * first, 8 * first]):
        for b in range(choose(f"blocks{s}", [1, 2])):
            stride = 2 if b == 0 and s in (1, 2) else 1  # Images have 8 x 8 pixels.
            layers.append(Block(inputs, width, choose(f"kernel{s}.{b}", [1, 3]), stride))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


x, y = load_digits(return_X_y=True)
train_and_test = op.train.classifier((x / 16, y), epochs=3)
task = op.Task("digits", resnet, train_and_test, constraints="params<=500000")

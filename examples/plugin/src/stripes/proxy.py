"""A proxy: it learns metrics from architectures, and is climbed by gradients."""

import torch

import optiproxy as op


class Ridge(op.proxies.Proxy):
    """Ridge regression on the choices, with its posterior spread (Bishop, 2006, section 3.3)."""

    def fit(self, p, y):  # p (T, C, O): architectures one-hot; y (T, M): standardised metrics
        x = p.flatten(1)
        self.covariance = torch.linalg.inv(x.T @ x + torch.eye(x.shape[1]))
        self.weights = self.covariance @ x.T @ y
        self.noise = (y - x @ self.weights).std(0) + 1e-3

    def predict(self, p):  # (B, C, O) → mean and standard deviation, each (B, M)
        x = p.flatten(1)
        variance = 1 + ((x @ self.covariance) * x).sum(1, keepdim=True)
        return x @ self.weights, variance.clamp(min=1e-6).sqrt() * self.noise

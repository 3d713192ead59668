# SPDX-License-Identifier: MPL-2.0
"""Training for so many seconds, and what batches are made of."""

import time

import numpy as np
import torch
from torch import nn


class Schedule:
    """So many seconds: the rate of learning rises for a moment, then falls to a hundredth."""

    def __init__(self, seconds: float, parameters, rate: float):
        self.seconds, self.rate, self.begun = seconds, rate, time.time()
        self.optimizer = torch.optim.AdamW(parameters, rate, betas=(0.8, 0.99), weight_decay=0.01)
        self.parameters = list(self.optimizer.param_groups[0]["params"])
        self.steps, self.mean = 0, 0.0

    def __iter__(self):
        while (done := (time.time() - self.begun) / self.seconds) < 1.0:
            rate = self.rate * min(1.0, (self.steps + 1) / 200) * (0.01 ** done)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            yield self.steps

    def learn(self, loss: torch.Tensor, what: str) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.steps += 1
        self.mean = loss.item() if self.steps == 1 else 0.99 * self.mean + 0.01 * loss.item()
        if self.steps % 500 == 0:
            print(f"{what}: {self.steps} steps, {time.time() - self.begun:.0f} s, {self.mean:.4f}", flush=True)


def padded(rows: list[np.ndarray]) -> torch.Tensor:
    return nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)


def held_out(examples: list) -> int:
    """Clauses that nobody learns from: so many of the first."""
    return min(200, len(examples) // 4)

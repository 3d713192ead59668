# SPDX-License-Identifier: MPL-2.0
"""Makes the voice: train.py OUT [--minutes M] [--device cpu|cuda] [--sentences N]

Data (flite's voice slt, sentences by a seed), the three networks, weights, vectors for the engine's tests, and how well each does.
`--minutes` is the time of training, of which the sound takes most: 150 for what is committed (two processors); a card
may have a thousand. What is there already is not made again.
"""

import argparse
import json
import pickle
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import data
import features
from model import ENDS, HOP, LETTERS, PHONE, PHONES, PLACES, Durations, Letters, Sound

#: Parts of the time.
SHARES = {"letters": 0.12, "durations": 0.05, "sound": 0.83}


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


def held_out(examples: list[data.Example]) -> int:
    """Clauses that nobody learns from: so many of the first."""
    return min(200, len(examples) // 4)


# ---- letters ------------------------------------------------------------------------------------


def numbers_of(word: str) -> np.ndarray:
    return np.array([LETTERS.index(letter) + 1 for letter in word if letter in LETTERS], np.int64)


def greedy(places: torch.Tensor) -> list[str]:
    """The phones of the likeliest places: nothing and repetitions left out."""
    best = places.argmax(-1).tolist()
    return [PHONES[phone] for at, phone in enumerate(best) if phone and (at == 0 or best[at - 1] != phone)]


def distance(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(before + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def train_letters(folder: Path, seconds: float, device: str) -> Letters:
    lexicon = pickle.loads((folder / "words.pickle").read_bytes())
    pairs = [
        (word, phones)
        for word, phones in sorted(lexicon.items())
        if phones and "'" not in word and all(phone in PHONE for phone in phones) and len(phones) <= PLACES * len(word)
    ]
    random.Random(data.SEED).shuffle(pairs)
    count = min(data.HELD_OUT_WORDS, len(pairs) // 4)
    held, taught = pairs[:count], pairs[count:]
    model = Letters().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)
    for _ in schedule:
        batch = chance.sample(taught, 256)
        letters = padded([numbers_of(word) for word, _ in batch]).to(device)
        target = torch.tensor([PHONE[phone] for _, phones in batch for phone in phones], device=device)
        lengths = torch.tensor([len(word) * PLACES for word, _ in batch])
        counts = torch.tensor([len(phones) for _, phones in batch])
        loss = F.ctc_loss(model(letters).transpose(0, 1), target, lengths, counts, zero_infinity=True)
        schedule.learn(loss, "letters")
    model.eval()
    wrong = said = 0
    with torch.no_grad():
        for word, phones in held:
            found = greedy(model(torch.from_numpy(numbers_of(word))[None].to(device))[0])
            wrong += distance(phones, found)
            said += len(phones)
    print(f"letters: {100 * wrong / said:.2f} % of the phones of {len(held)} words that were never seen are wrong", flush=True)
    return model


# ---- durations ----------------------------------------------------------------------------------


def train_durations(examples: list[data.Example], seconds: float, device: str) -> Durations:
    held = examples[: held_out(examples)]
    read = [features.of_phones(example.clause) for example in examples]
    target = [np.log(np.maximum(example.frames, 0.5)).astype(np.float32) for example in examples]
    model = Durations().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)

    def batch(numbers: list[int]):
        phones, places, ends = (padded([read[n][part] for n in numbers]).to(device) for part in range(3))
        return phones, model(phones, places, ends), padded([target[n] for n in numbers]).to(device)

    for _ in schedule:
        phones, found, right = batch([chance.randrange(len(held), len(examples)) for _ in range(64)])
        schedule.learn((found - right).abs()[phones > 0].mean(), "durations")
    model.eval()
    with torch.no_grad():
        phones, found, right = batch(list(range(len(held))))
        off = (found.exp() - right.exp()).abs()[phones > 0] * HOP / 16
    print(f"durations: off by {off.mean():.1f} ms in the mean, by {off.quantile(0.95):.1f} ms for one in twenty", flush=True)
    return model


# ---- sound --------------------------------------------------------------------------------------

#: Frames of a training example.
STRETCH = 96
BATCH = 12


def spectra(x: torch.Tensor, size: int) -> torch.Tensor:
    window = torch.hann_window(size, device=x.device)
    return torch.stft(x, size, size // 4, size, window, return_complex=True).abs() + 1e-5


def sound_loss(found: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    loss = 0.0
    for size in (256, 512, 1024, 2048):
        a, b = spectra(found, size), spectra(right, size)
        loss = loss + (a.log() - b.log()).abs().mean() + (a - b).norm() / b.norm()
    return loss / 4


def train_sound(examples: list[data.Example], seconds: float, device: str) -> Sound:
    read = []
    for example in examples:
        phones, _, ends = features.of_phones(example.clause)
        read.append(features.of_frames(phones, example.frames, int(ends[0])))
    model = Sound().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)
    long_enough = [n for n, (phones, _, _) in enumerate(read) if n >= held_out(examples) and len(phones) > STRETCH]
    for _ in schedule:
        parts = ([], [], [])
        right = []
        for number in (chance.choice(long_enough) for _ in range(BATCH)):
            at = chance.randrange(len(read[number][0]) - STRETCH + 1)
            for list_, values in zip(parts, read[number]):
                list_.append(values[at : at + STRETCH])
            samples = examples[number].samples[at * HOP : (at + STRETCH) * HOP]
            right.append(samples.astype(np.float32) / 32_768)
        phones, places, ends = (padded(list_).to(device) for list_ in parts)
        schedule.learn(sound_loss(model(phones, places, ends), padded(right).to(device)), "sound")
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=150.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sentences", type=int, default=6_000)
    parser.add_argument("--words", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["data", *SHARES], help="one step of it")
    arguments = parser.parse_args()
    torch.manual_seed(data.SEED)
    torch.set_num_threads(arguments.threads)
    folder = arguments.out
    if not (folder / "held-out.pickle").exists():
        data.make(folder, arguments.sentences, arguments.words, arguments.threads)
    if arguments.only == "data":
        return
    examples = pickle.loads((folder / "examples.pickle").read_bytes())
    random.Random(data.SEED).shuffle(examples)
    seconds = {name: arguments.minutes * 60 * share for name, share in SHARES.items()}
    steps = {
        "letters": lambda: train_letters(folder, seconds["letters"], arguments.device),
        "durations": lambda: train_durations(examples, seconds["durations"], arguments.device),
        "sound": lambda: train_sound(examples, seconds["sound"], arguments.device),
    }
    for name, step in steps.items():
        path = folder / f"{name}.pt"
        if path.exists() or (arguments.only and arguments.only != name):
            continue
        torch.save(step().cpu().state_dict(), path)
    made = {name: (folder / f"{name}.pt").exists() for name in steps}
    print(json.dumps({"made": made, "phones": len(PHONES), "ends": len(ENDS)}))


if __name__ == "__main__":
    main()

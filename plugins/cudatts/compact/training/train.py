# SPDX-License-Identifier: MPL-2.0
"""Makes the voice: train.py OUT [--minutes M] [--device cpu|cuda] [--sentences N]

Data (flite's voice slt, sentences by a seed) and the three networks, and how well each does.
`--minutes` is the time of training: a card may have a thousand. What is there already is not made again.
"""

import argparse
import json
import pickle
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import data
import features
import pitch
from model import HOP, LETTERS, PHONE, PHONES, PLACES, Letters, Prosody, Sound, filtered

#: Parts of the time.
SHARES = {"letters": 0.4, "prosody": 0.15, "sound": 0.45}


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


def split_words(folder: Path) -> tuple[list, list]:
    """Words with their phones: those that nobody learns from, and the others."""
    lexicon = pickle.loads((folder / "words.pickle").read_bytes())
    pairs = [
        (word, phones)
        for word, phones in sorted(lexicon.items())
        if phones and "'" not in word and all(phone in PHONE for phone in phones) and len(phones) <= PLACES * len(word)
    ]
    random.Random(data.SEED).shuffle(pairs)
    count = min(data.HELD_OUT_WORDS, len(pairs) // 4)
    return pairs[:count], pairs[count:]


def train_letters(folder: Path, seconds: float, device: str) -> Letters:
    held, taught = split_words(folder)
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


# ---- prosody ------------------------------------------------------------------------------------


@dataclass
class Heard:
    """What the networks read of a clause, and what they are to say."""

    phones: np.ndarray
    places: np.ndarray
    ends: np.ndarray
    frames: np.ndarray
    knots: np.ndarray
    voiced: np.ndarray


def heard(example: data.Example) -> Heard:
    phones, places, ends = features.of_phones(example.clause)
    found, voiced = pitch.track(example.samples.astype(np.float32) / 32_768)
    knots, where = pitch.knots_of(found, voiced, example.frames)
    return Heard(phones, places, ends, example.frames, knots, where)


def train_prosody(clauses: list[Heard], seconds: float, device: str) -> Prosody:
    held = held_out(clauses)
    model = Prosody().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)

    def batch(numbers: list[int]):
        rows = [clauses[n] for n in numbers]
        phones, places, ends = (padded([getattr(row, name) for row in rows]).to(device) for name in ("phones", "places", "ends"))
        logarithms = padded([np.log(np.maximum(row.frames, 0.5)).astype(np.float32) for row in rows]).to(device)
        knots = padded([row.knots for row in rows]).to(device)
        voiced = padded([row.voiced for row in rows]).to(device)
        return phones > 0, model(phones, places, ends), logarithms, knots, voiced

    for _ in schedule:
        there, found, lengths, knots, voiced = batch([chance.randrange(held, len(clauses)) for _ in range(64)])
        off = (found[..., 1:] - knots).abs()
        weight = there[..., None] * (0.1 + 0.9 * voiced.float())
        loss = (found[..., 0] - lengths).abs()[there].mean() + 3 * (off * weight).sum() / weight.sum()
        schedule.learn(loss, "prosody")
    model.eval()
    with torch.no_grad():
        there, found, lengths, knots, voiced = batch(list(range(held)))
        off = (found[..., 0].exp() - lengths.exp()).abs()[there] * HOP / 16
        pitch_off = (found[..., 1:] - knots).abs()[voiced & there[..., None]] * 12 / np.log(2)
    print(
        f"prosody: lengths are off by {off.mean():.1f} ms in the mean, by {off.quantile(0.95):.1f} ms for one in twenty; "
        f"the melody by {pitch_off.mean():.2f} semitones in the mean",
        flush=True,
    )
    return model


# ---- sound --------------------------------------------------------------------------------------

#: Frames of a training example.
STRETCH = 96
BATCH = 12


def spectra(x: torch.Tensor, size: int) -> torch.Tensor:
    window = torch.hann_window(size, device=x.device)
    return torch.stft(x, size, size // 4, size, window, return_complex=True).abs() + 1e-4


def sound_loss(found: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    loss = 0.0
    for size in (256, 512, 1024):
        a, b = spectra(found, size), spectra(right, size)
        loss = loss + (a.log() - b.log()).abs().mean() + (a - b).norm() / b.norm()
    return loss / 3


def train_sound(examples: list[data.Example], clauses: list[Heard], seconds: float, device: str) -> Sound:
    model = Sound().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)
    long_enough = [n for n, row in enumerate(clauses) if n >= held_out(examples) and row.frames.sum() > STRETCH]
    for _ in schedule:
        rows = [(examples[n], clauses[n]) for n in (chance.choice(long_enough) for _ in range(BATCH))]
        phones, places, ends = (padded([getattr(row, name) for _, row in rows]).to(device) for name in ("phones", "places", "ends"))
        of_phones = model.phones(phones, places, ends)
        wide, at, impulses, right = [], [], [], []
        for number, (example, row) in enumerate(rows):
            which, places = features.of_frames(row.frames, row.knots)
            first = chance.randrange(len(which) - STRETCH + 1)
            wide.append(of_phones[number, torch.from_numpy(which[first : first + STRETCH])])
            at.append(places[first : first + STRETCH])
            part = slice(first * HOP, (first + STRETCH) * HOP)
            impulses.append(features.excitation(row.frames, row.knots, 0)[0][part])
            right.append(example.samples[part].astype(np.float32) / 32_768)
        cepstra = model(torch.stack(wide), padded(at).to(device))
        impulses = padded(impulses).to(device)
        found = filtered(cepstra, impulses, torch.randn_like(impulses))
        schedule.learn(sound_loss(found, padded(right).to(device)), "sound")
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

    def clauses() -> list[Heard]:
        path = folder / "heard.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps([heard(example) for example in examples]))
        return pickle.loads(path.read_bytes())

    seconds = {name: arguments.minutes * 60 * share for name, share in SHARES.items()}
    steps = {
        "letters": lambda: train_letters(folder, seconds["letters"], arguments.device),
        "prosody": lambda: train_prosody(clauses(), seconds["prosody"], arguments.device),
        "sound": lambda: train_sound(examples, clauses(), seconds["sound"], arguments.device),
    }
    for name, step in steps.items():
        path = folder / f"{name}.pt"
        if path.exists() or (arguments.only and arguments.only != name):
            continue
        torch.save(step().cpu().state_dict(), path)
    made = {name: (folder / f"{name}.pt").exists() for name in steps}
    print(json.dumps({"made": made}))


if __name__ == "__main__":
    main()

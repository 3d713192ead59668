# SPDX-License-Identifier: MPL-2.0
"""From letters to phones: words of the source voice's lexicon, and what is learned of them."""

import pickle
import random
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
from model import LETTERS, PHONE, PHONES, PLACES, Letters
from schedule import Schedule, padded


def numbers_of(word: str) -> np.ndarray:
    return np.array([LETTERS.index(letter) + 1 for letter in word if letter in LETTERS], np.int64)


def greedy(places: torch.Tensor) -> list[str]:
    """The phones of the likeliest places: nothing and repetitions left out."""
    best = places.argmax(-1).tolist()
    return [PHONES[phone] for at, phone in enumerate(best) if phone and (at == 0 or best[at - 1] != phone)]


@torch.no_grad()
def spell_all(network: Letters, words: list[str]) -> dict[str, list[str]]:
    """What the network says of words, many at a time."""
    found = {}
    for _, group in groupby(sorted(words, key=len), len):
        of_size = list(group)
        for first in range(0, len(of_size), 512):
            batch = of_size[first : first + 512]
            places = network(torch.stack([torch.from_numpy(numbers_of(word)) for word in batch]))
            found.update(zip(batch, map(greedy, places)))
    return found


def distance(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(before + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def errors(network: Letters, pairs: list[tuple[str, list[str]]]) -> float:
    """Phones that are wrong, too many or missing, stress apart, in percent."""
    found = spell_all(network, [word for word, _ in pairs])
    plain = [([phone.rstrip("1") for phone in phones] for phones in (right, found[word])) for word, right in pairs]
    wrong = sum(distance(right, ours) for right, ours in plain)
    return 100 * wrong / sum(len(phones) for _, phones in pairs)


def split_words(folder: Path) -> tuple[list, list]:
    """Words with their phones: those that nobody learns from, and the others."""
    lexicon = pickle.loads((folder / "words.pickle").read_bytes())
    held = pickle.loads((folder / "held-out-words.pickle").read_bytes())
    among = set(held)
    return [(word, lexicon[word]) for word in held], [(word, phones) for word, phones in lexicon.items() if word not in among]


#: Words of a step.
BATCH = 256


def train(folder: Path, seconds: float, device: str) -> Letters:
    held, taught = split_words(folder)
    model = Letters().to(device)
    schedule = Schedule(seconds, model.parameters(), 2e-3)
    chance = random.Random(data.SEED)
    batches = []
    for _ in schedule:
        if not batches:
            # Words of a length together: little is padding.
            drawn = sorted(chance.sample(taught, min(16 * BATCH, len(taught))), key=lambda pair: len(pair[0]))
            batches = [drawn[first : first + BATCH] for first in range(0, len(drawn), BATCH)]
            chance.shuffle(batches)
        batch = batches.pop()
        letters = padded([numbers_of(word) for word, _ in batch]).to(device)
        target = torch.tensor([PHONE[phone] for _, phones in batch for phone in phones], device=device)
        lengths = torch.tensor([len(word) * PLACES for word, _ in batch])
        counts = torch.tensor([len(phones) for _, phones in batch])
        loss = F.ctc_loss(model(letters).transpose(0, 1), target, lengths, counts, zero_infinity=True)
        schedule.learn(loss, "letters")
    model.eval()
    print(f"letters: {errors(model.cpu(), held):.2f} % of the phones of {len(held)} words that were never seen are wrong", flush=True)
    return model

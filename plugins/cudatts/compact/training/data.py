# SPDX-License-Identifier: MPL-2.0
"""Clauses to learn from: what flite says, cut at its pauses."""

import pickle
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from features import Clause, frames_of
from model import HOP, PHONE, PLACES
from sentences import CONTRACTIONS, Sentences, words_of_lexicon
from speech import Spoken, pronounce_all, speak_all, words_of

SEED = 1
#: Words whose phones nobody learns from.
HELD_OUT_WORDS = 2_000
#: Sentences that nobody learns from.
HELD_OUT_SENTENCES = 200


@dataclass
class Example:
    """A clause, its words, how many frames each of its phones lasts, and its samples (16 bits)."""

    clause: Clause
    words: list[str]
    frames: np.ndarray
    samples: np.ndarray


def aligned(words: list[list[str]], said: list[str]) -> list[int]:
    """For each phone that was said the word that it belongs to: the cheapest way to make the words' phones into these."""
    whole = [(phone, number) for number, phones in enumerate(words) for phone in phones]
    rows = len(whole) + 1
    cost = np.zeros((rows, len(said) + 1), np.int32)
    cost[:, 0] = np.arange(rows)
    cost[0] = np.arange(len(said) + 1)
    for i, (phone, _) in enumerate(whole, 1):
        for j, other in enumerate(said, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (phone != other), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    belongs = [0] * len(said)
    i, j = len(whole), len(said)
    while j > 0:
        if i > 0 and cost[i, j] == cost[i - 1, j - 1] + (whole[i - 1][0] != said[j - 1]):
            belongs[j - 1] = whole[i - 1][1]
            i, j = i - 1, j - 1
        elif i > 0 and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        else:
            belongs[j - 1] = whole[min(i, len(whole) - 1)][1]
            j -= 1
    return belongs


def clauses_of(spoken: Spoken, lexicon: dict[str, list[str]]) -> list[Example]:
    """Cuts in the middle of each pause. Nothing where there are other pauses than stops, or sounds that nobody knows."""
    parts = [part for part in re.findall(r"([^,.;?!]+)([,.;?!])", spoken.text)]
    if any(phone not in PHONE for phone in spoken.phones):
        return []
    frames = frames_of(spoken.ends)
    pauses = [at for at, phone in enumerate(spoken.phones) if phone == "pau"]
    if len(pauses) != len(parts) + 1 or pauses[0] != 0 or pauses[-1] != len(spoken.phones) - 1:
        return []
    found, start = [], 0
    for number, ((text, stop), left, right) in enumerate(zip(parts, pauses, pauses[1:])):
        first = number == 0
        last = number == len(parts) - 1
        lead = int(frames[left]) if first else int(frames[left]) - int(frames[left]) // 2
        trail = int(frames[right]) if last else int(frames[right]) // 2
        said = spoken.phones[left + 1 : right]
        words = words_of(text)
        alone = [lexicon.get(word, []) for word in words]
        if not said or not any(alone):
            return []
        lengths = np.concatenate([[lead], frames[left + 1 : right], [trail]]).astype(np.int64)
        clause = Clause(["pau", *said, "pau"], [-1, *aligned(alone, said), -1], "," if stop == ";" else stop)
        total = int(lengths.sum())
        samples = spoken.samples[start * HOP : (start + total) * HOP]
        samples = np.pad(samples, (0, total * HOP - len(samples)))
        found.append(Example(clause, words, lengths, (samples * 32_767).astype(np.int16)))
        start += total
    return found


def ways_of(examples: list[Example]) -> dict[str, Counter]:
    """For each word how often it was said how in sentences."""
    found = defaultdict(Counter)
    for example in examples:
        clause = example.clause
        for number, word in enumerate(example.words):
            said = tuple(phone for phone, of in zip(clause.phones, clause.words) if of == number)
            if said:
                found[word][said] += 1
    return dict(found)


def held_out_sentences(known: list[str], taught: list[str]) -> list[str]:
    """Sentences of patterns, which a recogniser has a chance with; of strings of rare words it understands little, whoever says them."""
    supply, among = Sentences(SEED + 1, known), set(taught)
    texts = iter(supply.patterned, None)
    return list(islice((text for text in texts if text not in among), HELD_OUT_SENTENCES))


def learnable(word: str, phones: list[str]) -> bool:
    """Whether the network of letters has room for its phones, and knows them all."""
    return "'" not in word and 0 < len(phones) <= PLACES * len(word) and all(phone in PHONE for phone in phones)


def make(folder: Path, sentences: int, words: int, workers: int) -> None:
    """Writes `words.pickle` (word → phones), `contractions.pickle` (the same), `held-out-words.pickle`, `ways.pickle` (word → phones in sentences), `examples.pickle` and `held-out.pickle`
    (spoken sentences)."""
    folder.mkdir(parents=True, exist_ok=True)
    known = words_of_lexicon()
    supply = Sentences(SEED, known)
    taught = [next(supply) for _ in range(sentences)]
    held = held_out_sentences(known, taught)
    needed = dict.fromkeys(word for text in held + taught for word in words_of(text))
    order = list(dict.fromkeys(known))
    supply.random.shuffle(order)
    needed.update(dict.fromkeys(order[:words]))
    lexicon = pronounce_all(list(needed), workers)
    learned = {word: phones for word, phones in lexicon.items() if learnable(word, phones)}
    words_apart = random.Random(SEED).sample(list(learned), min(HELD_OUT_WORDS, len(learned) // 4))
    print(f"{len(lexicon)} words", flush=True)
    examples = []
    for spoken in speak_all(taught, workers):
        examples.extend(clauses_of(spoken, lexicon))
    seconds = sum(int(example.frames.sum()) for example in examples) * HOP / 16_000
    print(f"{len(examples)} clauses of {len(taught)} sentences, {seconds / 60:.0f} minutes", flush=True)
    made = {"words": learned, "contractions": pronounce_all(CONTRACTIONS, workers), "held-out-words": words_apart, "ways": ways_of(examples), "examples": examples, "held-out": speak_all(held, workers)}
    for name, value in made.items():
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(value))

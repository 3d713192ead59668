# SPDX-License-Identifier: MPL-2.0
"""Writes the voice as the engine reads it.

`model.safetensors` (networks of 16-bit numbers, and trees), `words.txt` (words that the letters' network gets wrong), `language.txt`,
`vectors.safetensors` (what each step says to a few inputs, in 32 bits, with the rounded weights), `hashes.txt`.
"""

import hashlib
import pickle
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import features
from data import SEED
from lengths import Lengths
from letters import greedy, numbers_of, spell_all, split_words
from model import PHONE, Letters, Melody, Sound, filtered
from syllables import Language

NETWORKS = {"letters": Letters, "melody": Melody, "sound": Sound}
#: Ways of saying a word in sentences count from so many times on.
OFTEN = 3
WORDS = ["hello", "harbour", "extraordinary", "quickly", "a"]
CLAUSE = (["hello", "my", "friend"], "!")
#: Said before and behind it in another vector.
BESIDE = (["however", "the", "captain"], ["said"])


def load(folder: Path) -> dict:
    """The networks with weights that were rounded to 16 bits, and the trees."""
    loaded = {"lengths": pickle.loads((folder / "lengths.pickle").read_bytes())}
    for name, kind in NETWORKS.items():
        network = kind()
        network.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
        for parameter in network.parameters():
            parameter.data = parameter.data.half().float()
        loaded[name] = network.eval()
    return loaded


@dataclass
class Step:
    """All that happens on the way from phones to samples."""

    clause: features.Clause
    milliseconds: np.ndarray
    melody: np.ndarray
    frames: np.ndarray
    of_phones: np.ndarray
    inputs: np.ndarray
    cepstra: np.ndarray
    pulses: np.ndarray
    noise: np.ndarray
    samples: np.ndarray


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array)[None] for array in arrays]


def clause_of(words: list[tuple[list[str], int]], end: str) -> features.Clause:
    """Of words' phones and classes, between two pauses."""
    said = [phone for phones, _ in words for phone in phones]
    belongs = [number for number, (phones, _) in enumerate(words) for _ in phones]
    return features.Clause(["pau", *said, "pau"], [-1, *belongs, -1], end, [of_class for _, of_class in words])


@torch.no_grad()
def speak(networks: dict, clause: features.Clause, rate: float = 1.0, pitch: float = 1.0) -> Step:
    """A clause."""
    read = tensors(*features.of_phones(clause))
    melody = networks["melody"](*read)[0].numpy()
    milliseconds = networks["lengths"].of(clause)
    frames = features.lengths_of(milliseconds, rate)
    sound = networks["sound"]
    of_phones = sound.phones(*read)[0].numpy()
    which, places = features.of_frames(frames, melody)
    cepstra = sound(*tensors(of_phones[which], places))[0].numpy()
    inputs = of_phones[which] + sound.place(torch.from_numpy(places)).numpy()
    pulses, noise = features.excitation(frames, melody, SEED, pitch)
    samples = filtered(*tensors(cepstra, pulses, noise))[0].numpy()
    return Step(clause, milliseconds, melody, frames, of_phones, inputs, cepstra, pulses, noise, samples)


@torch.no_grad()
def vectors(networks: dict) -> dict[str, torch.Tensor]:
    found = {}
    for word in WORDS:
        found[f"letters.{word}"] = networks["letters"](torch.from_numpy(numbers_of(word))[None])[0].numpy()
    classes = networks["lengths"].language.classes

    def said(words: list[str]) -> list[tuple[list[str], int]]:
        spelled = spell_all(networks["letters"], words)
        return [(spelled[word], classes.get(word, 0)) for word in words]

    clause = clause_of(said(CLAUSE[0]), CLAUSE[1])
    step = speak(networks, clause)
    found["clause.phones"] = np.array([PHONE[phone] for phone in step.clause.phones])
    for name in ("milliseconds", "melody", "frames", "of_phones", "inputs", "cepstra", "pulses", "noise", "samples"):
        found[f"clause.{name}"] = getattr(step, name)
    faster = speak(networks, clause, 1.3, 1.2)
    for name in ("frames", "pulses", "samples"):
        found[f"faster.{name}"] = getattr(faster, name)
    before, behind = map(said, BESIDE)
    found["beside.milliseconds"] = networks["lengths"].of(replace(clause, before=before, behind=behind))
    return {name: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for name, value in found.items()}


def lexicon(folder: Path, network: Letters) -> dict[str, list[str]]:
    """How words are said, those that nobody learned from among them, where the network says something else: in sentences where they
    came often enough (a sentence says `a` otherwise than a list does), or else alone. And contractions."""
    found = dict(chain(*split_words(folder)))
    ways: dict[str, Counter] = pickle.loads((folder / "ways.pickle").read_bytes())
    for word, of_word in ways.items():
        way, count = of_word.most_common(1)[0]
        if word in found and count >= OFTEN:
            found[word] = list(way)
    said = spell_all(network, list(found))
    wrong = {word: phones for word, phones in found.items() if said[word] != phones}
    contractions = pickle.loads((folder / "contractions.pickle").read_bytes())
    return dict(sorted({**wrong, **contractions}.items()))


def lines_of(language: Language) -> list[str]:
    phones = [f"phone {phone} {signs}" for phone, signs in sorted(language.attributes.items())]
    onsets = [f"onset {' '.join(onset)}" for onset in sorted(language.onsets)]
    classes = sorted(set(language.classes.values()))
    assert classes == list(range(1, len(classes) + 1))
    of_class = lambda number: sorted(word for word, of in language.classes.items() if of == number)
    return phones + onsets + [f"class {' '.join(of_class(number))}" for number in classes]


def write(folder: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    networks = load(folder)
    numbers = {
        f"{name}.{key}": value.half().contiguous()
        for name, network in networks.items()
        if name in NETWORKS
        for key, value in network.state_dict().items()
    }
    lengths: Lengths = networks["lengths"]
    for name, nodes in (("accents", lengths.accents), ("nodes", lengths.lengths)):
        feature, test, last = (nodes[:, column].astype(np.int64) for column in range(3))
        packed = (feature << 24 | (test & 0xFF) << 16 | last & 0xFFFF).astype(np.uint32).view(np.int32)
        numbers[f"lengths.{name}"] = torch.from_numpy(packed)
    numbers["lengths.parts"] = torch.from_numpy(lengths.parts)
    safetensors.torch.save_file(numbers, to / "model.safetensors")
    safetensors.torch.save_file(vectors(networks), to / "vectors.safetensors")
    words = lexicon(folder, networks["letters"])
    (to / "words.txt").write_text("".join(f"{word} {' '.join(phones)}\n" for word, phones in words.items()))
    (to / "language.txt").write_text("".join(f"{line}\n" for line in lines_of(lengths.language)))
    names = ("model.safetensors", "words.txt", "language.txt", "vectors.safetensors")
    digests = [f"{hashlib.sha256((to / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (to / "hashes.txt").write_text("".join(digests))
    size = (to / "model.safetensors").stat().st_size
    print(f"{sum(value.numel() for value in numbers.values()):,} numbers, {size / 1e6:.1f} MB, {len(words):,} words")

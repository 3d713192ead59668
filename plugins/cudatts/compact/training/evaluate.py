# SPDX-License-Identifier: MPL-2.0
"""How well the voice is understood, beside its source.

The held-out sentences as flite said them and as the networks say them (phones by the letters' network, lengths by the trees), both
recognised by pocketsphinx; and where words begin, where flite's phones are given.
"""

import json
import pickle
import re
import subprocess
import tempfile
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

import data
import export
import features
from letters import distance, errors, spell_all, split_words
from model import HOP, RATE
from flite import Spoken
from speech import words_of
from syllables import BEFORE, BEHIND


def recognise(samples: np.ndarray) -> list[str]:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        with wave.open(file.name, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
        told = subprocess.run(
            ["pocketsphinx_continuous", "-infile", file.name, "-logfn", "/dev/null"], capture_output=True, text=True, check=True
        )
    return re.findall(r"[a-z']+", told.stdout.lower())


@torch.no_grad()
def speak(networks: dict, known: dict[str, list[str]], text: str) -> np.ndarray:
    classes = networks["lengths"].language.classes
    parts = []
    for words, end in re.findall(r"([^,.;?!]+)([,.;?!])", text):
        of_clause = words_of(words)
        spelled = {**spell_all(networks["letters"], of_clause), **known}
        parts.append(([(spelled[word], classes.get(word, 0)) for word in of_clause], "," if end == ";" else end))
    samples = []
    for at, (words, end) in enumerate(parts):
        clause = export.clause_of(words, end)
        clause.before = parts[at - 1][0][-BEFORE:] if at > 0 else []
        clause.behind = parts[at + 1][0][:BEHIND] if at + 1 < len(parts) else []
        samples.append(export.speak(networks, clause).samples)
    return np.concatenate(samples)


@torch.no_grad()
def marks(networks: dict, examples: list[data.Example]) -> np.ndarray:
    """How far, in ms, words begin from where flite begins them, clause by clause."""
    off = []
    for example in examples:
        _, places, _ = features.of_phones(example.clause)
        ours = features.lengths_of(networks["lengths"].of(example.clause))
        ours, theirs = (np.cumsum(frames) - frames for frames in (ours, example.frames))
        begins = [at for at in range(1, len(places) - 1) if places[at][0] == 1.0]
        off.extend(abs(ours[at] - theirs[at]) * HOP / RATE * 1_000 for at in begins)
    return np.array(off)


def begins(spoken: Spoken) -> list[int]:
    """Where flite begins the words of a sentence, in ms; nothing where it takes others for words than we do."""
    starts = spoken.ends - spoken.states.sum(1)
    found = [round(1_000 * float(starts[spoken.words.index(word)])) for word in range(len(spoken.written)) if word in spoken.words]
    return found if len(found) == len(words_of(spoken.text)) else []


@torch.no_grad()
def tell(folder: Path, to: Path, count: int) -> None:
    """Of so many of the held-out sentences; keeps them in `held-out.json`, each with how many words were heard wrong when flite
    said it and where it began them, and the words that nobody learned from with flite's phones in `held-out-words.txt`."""
    torch.set_num_threads(1)
    networks = export.load(folder)
    known = export.lexicon(folder, networks["letters"])
    classes = networks["lengths"].language.classes
    held = pickle.loads((folder / "held-out.pickle").read_bytes())[:count]
    with ThreadPoolExecutor(2) as pool:
        of_source = list(pool.map(lambda spoken: recognise(spoken.samples), held))
        of_ours = list(pool.map(lambda spoken: recognise(speak(networks, known, spoken.text)), held))
    said = [words_of(spoken.text) for spoken in held]
    total = sum(map(len, said))
    kept = []
    for spoken, words, source in zip(held, said, of_source):
        kept.append({"text": spoken.text, "wrong": distance(words, source), "begins": begins(spoken)})
    (to / "held-out.json").write_text("[\n" + ",\n".join(map(json.dumps, kept)) + "\n]\n")
    words = sorted(split_words(folder)[0])
    (to / "held-out-words.txt").write_text("".join(f"{word} {' '.join(phones)}\n" for word, phones in words))
    for name, heard in (("flite", of_source), ("ours", of_ours)):
        wrong = sum(distance(a, b) for a, b in zip(said, heard))
        print(f"{name}: {100 * wrong / total:.1f} % of {total} words wrong")
    print(f"phones: {errors(networks['letters'], words):.2f} % of those of {len(words)} held-out words wrong")
    off = marks(networks, [example for spoken in held for example in data.examples_of(spoken, classes)])
    print(f"words begin {np.median(off):.0f} ms from where flite begins them (median), {np.quantile(off, 0.95):.0f} ms for one in twenty")

# SPDX-License-Identifier: MPL-2.0
"""What flite's voice makes of texts: samples, and the phones with their ends."""

import re
import subprocess
import tempfile
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

VOICE = "slt"
RATE = 16_000


@dataclass
class Spoken:
    """An utterance: samples from -1 to 1, phones (stressed vowels end with a 1), and where each ends, in seconds."""

    text: str
    samples: np.ndarray
    phones: list[str]
    ends: np.ndarray


def run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is not there: apt-get install flite") from None


def speak(text: str) -> Spoken:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        told = run("flite", "-voice", VOICE, "-psdur", "-t", text, "-o", str(path))
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32_768
    pairs = [part.rsplit(":", 1) for part in told.split()]
    phones = [phone for phone, _ in pairs]
    # Times come without stress, and stress without times.
    stressed = run("t2p", text).split()
    if [phone.rstrip("1") for phone in stressed] == phones:
        phones = stressed
    return Spoken(text, samples, phones, np.array([float(end) for _, end in pairs], np.float32))


def speak_all(texts: list[str], workers: int) -> list[Spoken]:
    """In the order of the texts; flite is a process of its own, so threads do."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(speak, texts))


def pronounce_all(words: list[str], workers: int, together: int = 40) -> dict[str, list[str]]:
    """The phones of words by themselves, as the voice's lexicon or its rules have them. Many are said in one go, with pauses
    between; where a word was cut in two, each of them is said alone."""

    def said(group: list[str]) -> list[list[str]]:
        parts, part = [], []
        for phone in run("t2p", ". ".join(group) + ".").split():
            if phone != "pau":
                part.append(phone)
            elif part:
                parts.append(part)
                part = []
        return parts + ([part] if part else [])

    def of_group(group: list[str]) -> list[tuple[str, list[str]]]:
        parts = said(group)
        if len(parts) == len(group):
            return list(zip(group, parts))
        alone = [(word, said([word])) for word in group]
        return [(word, sum(parts, [])) for word, parts in alone]

    groups = [words[at : at + together] for at in range(0, len(words), together)]
    with ThreadPoolExecutor(workers) as pool:
        return dict(pair for pairs in pool.map(of_group, groups) for pair in pairs)


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[a-z']+", text.lower())

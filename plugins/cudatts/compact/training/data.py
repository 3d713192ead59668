# SPDX-License-Identifier: MPL-2.0
"""Clauses to learn from: what flite says, cut at its pauses."""

import pickle
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pool
from pathlib import Path

import numpy as np

import flite
from features import Clause, frames_of
from flite import Spoken
from model import HOP, PHONE, PLACES
from sentences import CONTRACTIONS, FUNCTION_WORDS, Sentences, words_of_lexicon
from speech import pronounce_all, words_of
from syllables import BEFORE, BEHIND, VC, Language

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


@dataclass
class Part:
    """A clause of an utterance: its words, its stop, and which phones and words of the utterance it is."""

    words: list[str]
    stop: str
    phones: range
    numbers: range


def parts_of(spoken: Spoken) -> list[Part]:
    """Each from pause to pause. Nothing where there are other pauses than stops, sounds that nobody knows, or other words."""
    texts = re.findall(r"([^,.;?!]+)([,.;?!])", spoken.text)
    pauses = [at for at, phone in enumerate(spoken.phones) if phone == "pau"]
    if any(phone not in PHONE for phone in spoken.phones):
        return []
    if len(pauses) != len(texts) + 1 or pauses[0] != 0 or pauses[-1] != len(spoken.phones) - 1:
        return []
    found = []
    for (text, stop), left, right in zip(texts, pauses, pauses[1:]):
        numbers = sorted(set(spoken.words[left + 1 : right]))
        words = words_of(text)
        if not words or len(words) != len(numbers):
            return []
        found.append(Part(words, "," if stop == ";" else stop, range(left, right + 1), range(numbers[0], numbers[-1] + 1)))
    return found


def clauses_of(spoken: Spoken, classes: dict[str, int]) -> list[tuple[Part, Clause]]:
    """With what is said before and behind."""
    parts = parts_of(spoken)

    def said(numbers: range) -> list[tuple[list[str], int]]:
        return [
            ([phone for phone, word in zip(spoken.phones, spoken.words) if word == n], classes.get(spoken.written[n][0], 0))
            for n in numbers
        ]

    found = []
    for at, part in enumerate(parts):
        words = [word - part.numbers.start if word >= 0 else -1 for word in spoken.words[part.phones.start : part.phones.stop]]
        clause = Clause(spoken.phones[part.phones.start : part.phones.stop], words, part.stop)
        clause.classes = [of_class for _, of_class in said(part.numbers)]
        # What is further away than a clause is not told.
        if at > 0:
            clause.before = said(parts[at - 1].numbers)[-BEFORE:]
        if at + 1 < len(parts):
            clause.behind = said(parts[at + 1].numbers)[:BEHIND]
        found.append((part, clause))
    return found


def examples_of(spoken: Spoken, classes: dict[str, int]) -> list[Example]:
    """Cut in the middle of each pause."""
    frames = frames_of(spoken.ends)
    clauses = clauses_of(spoken, classes)
    found, start = [], 0
    for number, (part, clause) in enumerate(clauses):
        lengths = frames[part.phones.start : part.phones.stop].copy()
        if number > 0:
            lengths[0] -= lengths[0] // 2
        if number + 1 < len(clauses):
            lengths[-1] //= 2
        total = int(lengths.sum())
        samples = spoken.samples[start * HOP : (start + total) * HOP]
        samples = np.pad(samples, (0, total * HOP - len(samples)))
        found.append(Example(clause, part.words, lengths, (samples * 32_767).astype(np.int16)))
        start += total
    return found


def lessons_of(spoken: Spoken, classes: dict[str, int]) -> list[tuple[Clause, list[bool], np.ndarray]]:
    """Clauses with the accents of all syllables that they are told of, and the lengths of their phones' parts."""
    found = []
    clauses = clauses_of(spoken, classes)
    for at, (part, clause) in enumerate(clauses):
        first = clauses[at - 1][0].numbers.stop - len(clause.before) if at > 0 else part.numbers.start
        last = part.numbers.stop + len(clause.behind)
        syllables = [syllable for syllable, word in zip(spoken.syllables, spoken.words) if first <= word < last]
        accents = [spoken.accents[syllable] for syllable in sorted(set(syllables))]
        found.append((clause, accents, spoken.states[part.phones.start : part.phones.stop]))
    return found


def language_of(spoken: list[Spoken]) -> Language:
    """What the voice knows of English, as far as it shows in what it said."""
    attributes = flite.library().attributes(ALL_PHONES)
    classes, onsets = {}, set()
    for utterance in spoken:
        classes.update(utterance.written)
        for at in range(1, len(utterance.phones)):
            word, syllable = utterance.words[at], utterance.syllables[at]
            if word >= 0 and (utterance.words[at - 1], utterance.syllables[at - 1]) == (word, syllable - 1):
                own = [phone for phone, of in zip(utterance.phones[at:], utterance.syllables[at:]) if of == syllable]
                vowel = next((n for n, phone in enumerate(own) if attributes[phone.rstrip("1")][VC] == "+"), 0)
                if vowel:
                    onsets.add(tuple(own[:vowel]))
    names = sorted(set(classes.values()) - {flite.CONTENT})
    numbers = {word: 1 + names.index(name) for word, name in sorted(classes.items()) if name != flite.CONTENT}
    return Language(attributes, onsets, numbers)


#: All phones come in it.
ALL_PHONES = "The boy in a good coat would measure the church of every judge, how far, and think that you say new things there; yes, above us. I shall pay for a ball."


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


def silent(text: str) -> Spoken:
    """What is said of a text, without the sound."""
    spoken = flite.say(text)
    spoken.samples = spoken.samples[:0]
    return spoken


def make(folder: Path, sentences: int, more: int, words: int, workers: int) -> None:
    """Writes `words.pickle` (word → phones), `contractions.pickle` (the same), `held-out-words.pickle`, `ways.pickle` (word → phones in
    sentences), `examples.pickle`, `lessons.pickle` (what lengths are learned from, of `more` sentences besides), `language.pickle` and
    `held-out.pickle` (spoken sentences)."""
    folder.mkdir(parents=True, exist_ok=True)
    known = words_of_lexicon()
    supply = Sentences(SEED, known)
    taught = [next(supply) for _ in range(sentences)]
    held = held_out_sentences(known, taught)
    among = set(held)
    besides = [text for text in islice(supply, more) if text not in among]
    needed = dict.fromkeys(word for text in held + taught for word in words_of(text))
    order = list(dict.fromkeys(known))
    supply.random.shuffle(order)
    needed.update(dict.fromkeys(order[:words]))
    lexicon = pronounce_all(list(needed), workers)
    learned = {word: phones for word, phones in lexicon.items() if learnable(word, phones)}
    words_apart = random.Random(SEED).sample(list(learned), min(HELD_OUT_WORDS, len(learned) // 4))
    print(f"{len(lexicon)} words", flush=True)
    with Pool(workers) as pool:
        spoken = pool.map(flite.say, taught, chunksize=50)
        silently = pool.map(silent, [*FUNCTION_WORDS, *besides], chunksize=50)
    language = language_of(spoken + silently)
    examples = [example for utterance in spoken for example in examples_of(utterance, language.classes)]
    lessons = [lesson for utterance in spoken + silently for lesson in lessons_of(utterance, language.classes)]
    seconds = sum(int(example.frames.sum()) for example in examples) * HOP / 16_000
    print(f"{len(examples)} clauses of {len(taught)} sentences, {seconds / 60:.0f} minutes; lengths of {len(lessons)}", flush=True)
    made = {
        "words": learned,
        "contractions": pronounce_all(CONTRACTIONS, workers),
        "held-out-words": words_apart,
        "ways": ways_of(examples),
        "examples": examples,
        "lessons": lessons,
        "language": language,
        "held-out": [flite.say(text) for text in held],
    }
    for name, value in made.items():
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(value))

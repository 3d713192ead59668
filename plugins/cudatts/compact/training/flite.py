# SPDX-License-Identifier: MPL-2.0
"""flite's voice slt, asked through its library (Debian's libflite1): samples, and what it decided on the way to them."""

import ctypes
from ctypes import c_char_p, c_float, c_int, c_short, c_void_p
from dataclasses import dataclass
from functools import cache
from itertools import count, takewhile
from typing import Iterator

import numpy as np

RATE = 16_000
#: Parts of a phone whose lengths the voice decides one by one.
STATES = 3
#: Of the phones' features, those that its lengths depend on; each value is one sign.
ATTRIBUTES = ["vc", "vlng", "vheight", "vfront", "vrnd", "ctype", "cplace", "cvox"]
#: The class of words that are not function words.
CONTENT = "content"


@dataclass
class Spoken:
    """An utterance."""

    text: str
    #: From -1 to 1.
    samples: np.ndarray
    #: Stressed vowels end with a 1.
    phones: list[str]
    #: For each phone how long its parts last, in seconds.
    states: np.ndarray
    #: For each phone the word that it belongs to, -1 for a pause.
    words: list[int]
    #: For each phone the number of its syllable in the utterance, -1 for a pause.
    syllables: list[int]
    #: For each syllable whether it is accented.
    accents: list[bool]
    #: For each word its letters and its class.
    written: list[tuple[str, str]]

    @property
    def ends(self) -> np.ndarray:
        """Where each phone ends, in seconds."""
        return np.cumsum(self.states.sum(1))


class Wave(ctypes.Structure):
    _fields_ = [("type", c_char_p), ("rate", c_int), ("count", c_int), ("channels", c_int), ("samples", ctypes.POINTER(c_short))]


class Part(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("mean", c_float), ("spread", c_float)]


class Library:
    """The library and its voice; one for each process."""

    def __init__(self):
        try:
            for needed in ("libflite_usenglish.so.1", "libflite_cmulex.so.1"):
                ctypes.CDLL(needed, mode=ctypes.RTLD_GLOBAL)
            self.flite = ctypes.CDLL("libflite.so.1")
            voices = ctypes.CDLL("libflite_cmu_us_slt.so.1")
        except OSError as error:
            raise SystemExit(f"{error}: apt-get install flite") from None
        self.c = ctypes.CDLL(None)
        for name in ("flite_synth_text", "utt_relation", "relation_head", "item_next", "path_to_item"):
            getattr(self.flite, name).restype = c_void_p
        self.flite.utt_wave.restype = ctypes.POINTER(Wave)
        self.flite.ffeature_string.restype = c_char_p
        self.flite.ffeature_float.restype = c_float
        voices.register_cmu_us_slt.restype = c_void_p
        self.voices = voices
        self.flite.flite_init()
        self.voice = c_void_p(voices.register_cmu_us_slt(None))

    def items(self, utterance: c_void_p, relation: bytes) -> Iterator[c_void_p]:
        item = self.flite.relation_head(c_void_p(self.flite.utt_relation(utterance, relation)))
        while item:
            yield c_void_p(item)
            item = self.flite.item_next(c_void_p(item))

    def string(self, item: c_void_p, feature: str) -> str:
        return self.flite.ffeature_string(item, feature.encode()).decode()

    def say(self, text: str) -> Spoken:
        # Its noise is of the C library's generator: the same for the same text.
        self.c.srand(1)
        utterance = c_void_p(self.flite.flite_synth_text(text.encode(), self.voice))
        wave = self.flite.utt_wave(utterance).contents
        assert (wave.rate, wave.channels) == (RATE, 1)
        samples = np.ctypeslib.as_array(wave.samples, (wave.count,)).astype(np.float32) / 32_768
        found = Spoken(text, samples, [], np.zeros(0), [], [], [], [])
        word, syllable = None, None
        for item in self.items(utterance, b"Segment"):
            phone = self.string(item, "name")
            of_syllable, of_word = (self.flite.path_to_item(item, path) for path in (b"R:SylStructure.parent", b"R:SylStructure.parent.parent"))
            if of_word is None:
                found.words.append(-1)
                found.syllables.append(-1)
            else:
                if of_word != word:
                    parts = (self.string(c_void_p(of_word), name) for name in ("name", "gpos"))
                    found.written.append(tuple(parts))
                if of_syllable != syllable:
                    found.accents.append(self.string(c_void_p(of_syllable), "accented") == "1")
                found.words.append(len(found.written) - 1)
                found.syllables.append(len(found.accents) - 1)
                if self.string(c_void_p(of_syllable), "stress") == "1" and self.string(item, "ph_vc") == "+":
                    phone += "1"
            word, syllable = of_word, of_syllable
            found.phones.append(phone)
        ends = [self.flite.ffeature_float(item, b"end") for item in self.items(utterance, b"HMMstate")]
        found.states = np.diff(np.array(ends, np.float64), prepend=0.0).reshape(-1, STATES)
        assert len(found.states) == len(found.phones)
        self.flite.delete_utterance(utterance)
        return found

    def lengths(self, text: str) -> dict[str, list[tuple[float, float]]]:
        """Of the phones of a text: for each part the mean and the spread of its length, in ms."""
        first = ctypes.addressof(c_void_p.in_dll(self.voices, "cmu_us_slt_dur_stats"))
        table, of_part = ctypes.cast(first, ctypes.POINTER(ctypes.POINTER(Part))), {}
        for part in takewhile(bool, (table[at] for at in count())):
            of_part[part.contents.name.decode()] = (part.contents.mean * 1_000, part.contents.spread * 1_000)
        utterance = c_void_p(self.flite.flite_synth_text(text.encode(), self.voice))
        phones, parts = ([self.string(item, "name") for item in self.items(utterance, relation)] for relation in (b"Segment", b"HMMstate"))
        self.flite.delete_utterance(utterance)
        return {phone: [of_part[part] for part in parts[at * STATES : (at + 1) * STATES]] for at, phone in enumerate(phones)}

    def attributes(self, text: str) -> dict[str, str]:
        """Of the phones of a text: a sign for each of `ATTRIBUTES`."""
        utterance = c_void_p(self.flite.flite_synth_text(text.encode(), self.voice))
        found = {
            self.string(item, "name"): "".join(self.string(item, f"ph_{name}") for name in ATTRIBUTES)
            for item in self.items(utterance, b"Segment")
        }
        self.flite.delete_utterance(utterance)
        return found


@cache
def library() -> Library:
    return Library()


def say(text: str) -> Spoken:
    return library().say(text)

# SPDX-License-Identifier: MPL-2.0
"""Writes the voice as the engine reads it: export.py OUT TO

`model.safetensors` (16-bit numbers), `vectors.safetensors` (what the networks say to a few inputs, in 32 bits, with the rounded weights), `hashes.txt`.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import features
from data import aligned
from model import PHONE, Durations, Letters, Sound
from train import greedy, numbers_of

NETWORKS = {"letters": Letters, "durations": Durations, "sound": Sound}
WORDS = ["hello", "harbour", "extraordinary", "quickly", "a"]
CLAUSE = (["hello", "my", "friend"], "!")


def load(folder: Path) -> dict[str, torch.nn.Module]:
    """The networks with weights that were rounded to 16 bits."""
    loaded = {}
    for name, kind in NETWORKS.items():
        network = kind()
        network.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
        for parameter in network.parameters():
            parameter.data = parameter.data.half().float()
        loaded[name] = network.eval()
    return loaded


@torch.no_grad()
def speak(networks: dict, words: list[list[str]], end: str) -> tuple[features.Clause, np.ndarray, torch.Tensor]:
    """A clause of these words' phones: what it is, its frames and its samples."""
    said = [phone for phones in words for phone in phones]
    clause = features.Clause(["pau", *said, "pau"], [-1, *aligned(words, said), -1], end)
    phones, places, ends = features.of_phones(clause)
    lengths = networks["durations"](*(torch.from_numpy(x)[None] for x in (phones, places, ends)))[0].exp().numpy()
    frames = np.maximum(np.round(lengths), 1).astype(np.int64)
    read = features.of_frames(phones, frames, int(ends[0]))
    return clause, frames, networks["sound"](*(torch.from_numpy(x)[None] for x in read))[0]


@torch.no_grad()
def vectors(networks: dict) -> dict[str, torch.Tensor]:
    found = {}
    for word in WORDS:
        found[f"letters.{word}"] = networks["letters"](torch.from_numpy(numbers_of(word))[None])[0]
    words = [greedy(networks["letters"](torch.from_numpy(numbers_of(word))[None])[0]) for word in CLAUSE[0]]
    clause, frames, samples = speak(networks, words, CLAUSE[1])
    found["clause.phones"] = torch.tensor([PHONE[phone] for phone in clause.phones], dtype=torch.float32)
    found["clause.frames"] = torch.from_numpy(frames.astype(np.float32))
    found["clause.samples"] = samples
    return found


def main() -> None:
    folder, to = Path(sys.argv[1]), Path(sys.argv[2])
    to.mkdir(parents=True, exist_ok=True)
    networks = load(folder)
    tensors = {
        f"{name}.{key}": value.half().contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    safetensors.torch.save_file(tensors, to / "model.safetensors")
    safetensors.torch.save_file({key: value.contiguous() for key, value in vectors(networks).items()}, to / "vectors.safetensors")
    digests = [f"{hashlib.sha256((to / name).read_bytes()).hexdigest()}  {name}\n" for name in ("model.safetensors", "vectors.safetensors")]
    (to / "hashes.txt").write_text("".join(digests))
    size = (to / "model.safetensors").stat().st_size
    print(f"{sum(value.numel() for value in tensors.values()):,} numbers, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

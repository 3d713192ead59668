#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Write ../src/detector/silero/golden.txt: what ONNX Runtime makes of some signals, for the parity test.

    python3 -m venv /tmp/weights && /tmp/weights/bin/pip install numpy onnxruntime==1.32.0
    /tmp/weights/bin/pip download --no-deps silero-vad==6.2.3
    /tmp/weights/bin/python golden.py silero_vad-6.2.3-py3-none-any.whl

The signals are made by integer arithmetic, which the test repeats exactly, and every third sample of the 48 kHz
recordings of Debian's alsa-utils. The voices have some noise beneath, as everything recorded has: without it the
scores are so ill-conditioned that ONNX Runtime itself is 8e-6 away from what exact arithmetic gives.
One line each: name, number of samples, their checksum, then a score for each 512.
"""

import hashlib
import sys
import wave
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime

MEMBER = "silero_vad/data/silero_vad_16k_op15.onnx"
MEMBER_SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
TARGET = Path(__file__).parent.parent / "src/detector/silero/golden.txt"
SOUNDS = Path("/usr/share/sounds/alsa")
SECONDS = 3
MASK = 0xFFFFFFFF


def noise(seed: int, amplitude: int) -> list[int]:
    """Numbers of a linear congruential generator, within ± amplitude."""
    out = []
    for _ in range(SECONDS * 16000):
        seed = (seed * 1664525 + 1013904223) & MASK
        out.append(((seed >> 16) - 32768) * amplitude >> 15)
    return out


# (a1, a2) of three resonators in 1/16384, which are the formants of an "ah", an "ee" and an "o" at 16 kHz.
FORMANTS = [
    [(30200, -15900), (26900, -15700), (14200, -15200)],
    [(32000, -16050), (18600, -15600), (8800, -15200)],
    [(31800, -16000), (29600, -15800), (17000, -15300)],
]


def voice(period: int, gain: int) -> list[int]:
    """Syllables of 250 ms with pauses of 50 ms: pulses of gliding and jittering pitch through a slope and resonators."""
    out = []
    memory = [[0, 0] for _ in range(3)]
    countdown = 0
    slope = 0
    for n in range(SECONDS * 16000):
        place = n % 4800
        x = 0
        if countdown == 0:
            countdown = period + place // 200 - n // 1600 * 7 % 5
            if place < 4000:
                x = gain * min(place, 800) // 800
        countdown -= 1
        slope = x + ((slope * 14500) >> 14)
        x = slope >> 2
        for (a1, a2), m in zip(FORMANTS[n // 4800 % 3], memory):
            y = x + ((a1 * m[0] + a2 * m[1]) >> 14)
            m[1], m[0] = m[0], y
            x = y >> 3
        out.append(max(-32768, min(32767, x)))
    return out


def mixed(*parts: list[int]) -> list[int]:
    return [max(-32768, min(32767, sum(column))) for column in zip(*parts)]


def signals() -> dict[str, list[int]]:
    synthetic = {
        "voice": mixed(voice(130, 60000), noise(3, 30)),
        "voice-in-noise": mixed(voice(160, 200000), noise(1, 300)),
        "voice-quiet": mixed(voice(130, 3000), noise(4, 8)),
        "noise": noise(2, 8000),
        "full-scale": [32767 if n // 40 % 2 else -32768 for n in range(SECONDS * 16000)],
        "silence": [0] * (SECONDS * 16000),
    }
    recorded = {}
    for path in sorted(SOUNDS.glob("*.wav")):
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 48000, 2), path
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        recorded[path.name] = [int(x) for x in data[::3]]
    if not recorded:
        sys.exit(f"{SOUNDS} is empty: install alsa-utils")
    return synthetic | recorded


def checksum(samples: list[int]) -> int:
    total = 0
    for x in samples:
        total = (total * 31 + x) & MASK
    return total


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as archive:
        model = archive.read(MEMBER)
    if hashlib.sha256(model).hexdigest() != MEMBER_SHA256:
        sys.exit(f"{MEMBER}: not the file that was expected")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    lines = []
    for name, samples in signals().items():
        audio = np.array(samples, np.float32) / np.float32(32768)
        state = np.zeros((2, 1, 128), np.float32)
        context = np.zeros(64, np.float32)
        scores = []
        for start in range(0, len(audio) - 511, 512):
            window = np.concatenate([context, audio[start : start + 512]])
            context = window[-64:]
            output, state = session.run(
                None, {"input": window[None], "state": state, "sr": np.array(16000, np.int64)}
            )
            scores.append(float(output[0, 0]))
        print(f"{name}: {len(scores)} scores, {min(scores):.3f} to {max(scores):.3f}")
        lines.append(" ".join([name, str(len(samples)), str(checksum(samples)), *(f"{s:.7f}" for s in scores)]))
    TARGET.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

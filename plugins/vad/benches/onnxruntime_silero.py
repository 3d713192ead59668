#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Score a file of 16 kHz mono little-endian f32 with Silero through ONNX Runtime, on one thread, and print how long
each hop of 32 ms took in microseconds per 10 ms of audio.

    pip install numpy onnxruntime
    ./onnxruntime_silero.py audio.f32

The model comes from the PyPI package `silero-vad`, as pinned in ../weights/derive.py; pip downloads it once into the
user's cache.
"""

import os
import sys
import time
import zipfile
from pathlib import Path

try:
    import numpy as np
    import onnxruntime

    sys.path.insert(0, str(Path(__file__).parent.parent / "weights"))
    import derive
except ImportError as error:
    sys.exit(f"{error.name}: missing (`make bench` installs it; by hand: pip install numpy onnxruntime)")


def model() -> bytes:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gst-duplex"
    cache.mkdir(parents=True, exist_ok=True)
    wheels = list(cache.glob(f"silero_vad-{derive.VERSION}-*.whl"))
    wheel = wheels[0] if wheels else derive.fetch(str(cache))
    derive.checked(str(wheel), wheel.read_bytes(), derive.WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(derive.MEMBER)


def main() -> None:
    audio = np.fromfile(sys.argv[1], "<f4")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model(), options, providers=["CPUExecutionProvider"])
    rate = np.array(16000, np.int64)
    state = np.zeros((2, 1, 128), np.float32)
    # Each hop behind the last 64 samples of the one before. Cut beforehand: only the network is on the clock.
    padded = np.concatenate([np.zeros(64, np.float32), audio])
    windows = [np.ascontiguousarray(padded[None, at : at + 576]) for at in range(0, len(audio) - 511, 512)]
    times = []
    for window in windows:
        begun = time.perf_counter()
        _, state = session.run(None, {"input": window, "state": state, "sr": rate})
        times.append((time.perf_counter() - begun) * 1e6 / 3.2)
    print(*(f"{t:.3f}" for t in times[50:]))


if __name__ == "__main__":
    main()

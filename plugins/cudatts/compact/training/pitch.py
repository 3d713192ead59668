# SPDX-License-Identifier: MPL-2.0
"""The fundamental of speech, by autocorrelation: enough for a voice that is itself made of pulses."""

import numpy as np
from scipy.ndimage import median_filter

from features import KNOTS_AT
from model import HOP, KNOTS, MIDDLE, RATE

LOWEST, HIGHEST = 110.0, 270.0
WINDOW = 640
POINTS = 2_048
#: What a frame's autocorrelation at its period is at least, against that of nothing shifted.
VOICED = 0.5
#: The shortest period is taken whose autocorrelation is so much of the highest: it is not two periods.
AS_GOOD = 0.85


def track(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each frame the logarithm of its fundamental, less MIDDLE, and whether it has one; straight lines where not."""
    count = len(samples) // HOP
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / RATE) > 1_000] = 0
    low = np.fft.irfft(spectrum, len(samples))
    side = (WINDOW - HOP) // 2
    padded = np.pad(low, (side, side))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count] * np.hanning(WINDOW)
    frames = frames - frames.mean(1, keepdims=True)

    def correlation(x: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.abs(np.fft.rfft(x, POINTS)) ** 2, POINTS)

    own = correlation(np.hanning(WINDOW)[None])[0]
    shifted = correlation(frames)
    power = shifted[:, :1]
    lags = np.arange(int(RATE / HIGHEST), int(RATE / LOWEST) + 1)
    strength = shifted[:, lags] / np.maximum(power, 1e-9) / (own[lags] / own[0])
    peak = np.zeros_like(strength)
    inner = (strength[:, 1:-1] >= strength[:, :-2]) & (strength[:, 1:-1] > strength[:, 2:])
    peak[:, 1:-1] = np.where(inner, strength[:, 1:-1], 0)
    best = peak.max(1)
    at = (peak >= AS_GOOD * best[:, None]).argmax(1)
    rows = np.arange(count)
    left, middle, right = (strength[rows, np.clip(at + shift, 0, len(lags) - 1)] for shift in (-1, 0, 1))
    bend = left - 2 * middle + right
    lag = lags[at] + np.where(np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(np.abs(bend) > 1e-9, bend, 1), 0).clip(-1, 1)
    voiced = (best > VOICED) & (power[:, 0] > 1e-4)
    if not voiced.any():
        return np.zeros(count), voiced
    found = np.log(RATE / lag) - MIDDLE
    found = np.interp(rows, rows[voiced], found[voiced])
    return median_filter(found, 5, mode="nearest"), voiced


def knots_of(found: np.ndarray, voiced: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The melody's points of phones that last so many frames each, and whether it was heard there: [phones, KNOTS] each."""
    begins = np.cumsum(frames) - frames
    at = begins[:, None] + frames[:, None] * KNOTS_AT[None]
    times = np.arange(len(found)) + 0.5
    nearest = np.clip(at.astype(np.int64), 0, len(voiced) - 1)
    return np.interp(at, times, found).astype(np.float32).reshape(-1, KNOTS), voiced[nearest]

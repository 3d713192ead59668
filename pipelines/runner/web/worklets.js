// SPDX-License-Identifier: MPL-2.0
// The two ends of the sound, in the browser's audio thread: what the microphone hears goes out in frames of 20 ms,
// and what the server says is played without gaps, with an account of how much of it has left.

const FRAME = 0.02;
// As much is kept ready before an answer begins, against a network that is not even.
const AHEAD = 0.06;
// A stop that cuts a wave clicks.
const FADE = 0.005;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frame = new Int16Array(Math.round(sampleRate * FRAME));
    this.filled = 0;
    this.power = 0;
  }

  process([input]) {
    const channels = input.length;
    for (let n = 0; channels && n < input[0].length; n++) {
      let sample = 0;
      for (let c = 0; c < channels; c++) sample += input[c][n];
      sample = Math.max(-1, Math.min(1, sample / channels));
      this.power += sample * sample;
      this.frame[this.filled++] = sample < 0 ? sample * 0x8000 : sample * 0x7fff;
      if (this.filled === this.frame.length) {
        const rms = Math.sqrt(this.power / this.filled);
        const pcm = this.frame.slice().buffer;
        this.port.postMessage({ pcm, rms }, [pcm]);
        this.filled = 0;
        this.power = 0;
      }
    }
    return true;
  }
}

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // { utterance, samples (Float32Array), at, last }
    this.queued = 0;
    this.running = false;
    this.fade = 0;
    this.left = 0;
    this.power = 0;
    this.blocks = 0;
    this.played = new Map();
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ push, clear }) {
    if (push) {
      this.queue.push({ ...push, at: 0 });
      this.queued += push.samples.length;
    }
    if (clear) {
      // What is in the middle of a wave fades, the rest is gone.
      const now = this.queue[0];
      this.fade = now && this.running ? Math.min(Math.round(sampleRate * FADE), now.samples.length - now.at) : 0;
      this.queue = this.fade ? [{ ...now, samples: now.samples.subarray(0, now.at + this.fade), last: true }] : [];
      this.queued = this.left = this.fade;
      // What does not sound at the moment, for want of samples or because it has not begun, ends here.
      for (const utterance of new Set([...this.played.keys(), clear])) {
        if (!this.fade || utterance !== now.utterance) this.end(utterance);
      }
      this.tell();
    }
  }

  /** Nothing more of it will be played. */
  end(utterance) {
    this.port.postMessage({ utterance, played: ((this.played.get(utterance) ?? 0) / sampleRate) * 1000, ended: true });
    this.played.delete(utterance);
  }

  tell() {
    for (const [utterance, samples] of this.played) this.port.postMessage({ utterance, played: (samples / sampleRate) * 1000 });
    this.port.postMessage({ rms: Math.sqrt(this.power / Math.max(1, this.blocks)), queued: (this.queued / sampleRate) * 1000 });
    this.power = 0;
    this.blocks = 0;
  }

  process(_, [output]) {
    const out = output[0];
    const enough = this.queued >= sampleRate * AHEAD || this.queue.some((piece) => piece.last);
    if (!this.running && enough && this.queue.length) this.running = true;
    for (let n = 0; this.running && n < out.length; n++) {
      while (this.queue.length && this.queue[0].at >= this.queue[0].samples.length) {
        const { utterance, last } = this.queue.shift();
        if (last) this.end(utterance);
      }
      const piece = this.queue[0];
      if (!piece) {
        this.running = false;
        break;
      }
      const done = this.played.get(piece.utterance) ?? 0;
      if (!done) this.port.postMessage({ utterance: piece.utterance, began: true });
      this.played.set(piece.utterance, done + 1);
      out[n] = piece.samples[piece.at++];
      this.queued--;
      if (this.fade) out[n] *= --this.left / this.fade;
      if (this.fade && !this.left) this.fade = 0;
      this.power += out[n] * out[n];
    }
    for (let c = 1; c < output.length; c++) output[c].set(out);
    this.blocks += out.length;
    if (this.blocks >= sampleRate * 0.1) this.tell();
    return true;
  }
}

registerProcessor("capture", Capture);
registerProcessor("player", Player);

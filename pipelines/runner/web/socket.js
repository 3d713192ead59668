// SPDX-License-Identifier: MPL-2.0
// A session over one WebSocket: JSON both ways, the microphone as binary frames, the answer as base64.

const RATE = 48000;
const REPORT_MS = 100;

export class SocketTransport {
  name = "WebSocket";
  #socket;
  #player;
  #tell;
  #arrived = new Map();
  #reported = 0;

  /** `tell` is called with every message, and with { type: "played" | "level" | "closed" | "hop" } of this end. */
  constructor({ url, context, tell }) {
    Object.assign(this, { url, context });
    this.#tell = tell;
  }

  async open(microphone) {
    await this.context.audioWorklet.addModule("worklets.js");
    this.#player = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#player.connect(this.context.destination);
    this.#player.port.onmessage = ({ data }) => this.#account(data);
    this.#socket = new WebSocket(this.url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    this.#socket.onclose = ({ reason }) => this.#tell({ type: "closed", reason });
    await new Promise((resolve, reject) => {
      this.#socket.onopen = resolve;
      this.#socket.onerror = () => reject(new Error("the server does not answer"));
    });
    this.send({ type: "configure", audio: { format: "s16le", sample_rate: this.context.sampleRate } });
    if (microphone) this.hear(microphone);
  }

  /** Sends this stream from now on, instead of what was sent before. */
  hear(microphone) {
    this.capture?.disconnect();
    this.source?.disconnect();
    this.source = this.context.createMediaStreamSource(microphone);
    this.capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    this.capture.port.onmessage = ({ data: { pcm, rms } }) => {
      this.#tell({ type: "level", who: "you", rms });
      // A network that does not keep up gets no more of what is past.
      if (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount < 64000) this.#socket.send(pcm);
    };
    this.source.connect(this.capture);
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #take(message) {
    if (message.type === "audio") return this.#play(message);
    // What is cleared may not sound for another moment: first this, then everything else.
    if (message.type === "clear") this.#player.port.postMessage({ clear: message.utterance_id });
    if (message.type === "word") {
      const begin = message.start_ms;
      return this.#tell({ ...message, begin, end: begin + (message.duration_ms ?? 0) });
    }
    this.#tell(message);
  }

  #play({ pcm, sample_rate, utterance_id, is_final }) {
    const bytes = Uint8Array.from(atob(pcm), (character) => character.charCodeAt(0));
    const values = new Int16Array(bytes.buffer);
    const step = (sample_rate ?? RATE) / this.context.sampleRate;
    const samples = new Float32Array(Math.floor(values.length / step));
    for (let n = 0; n < samples.length; n++) samples[n] = values[Math.floor(n * step)] / 0x8000;
    if (utterance_id && !this.#arrived.has(utterance_id)) this.#arrived.set(utterance_id, performance.now());
    this.#player.port.postMessage({ push: { utterance: utterance_id, samples, last: is_final } }, [samples.buffer]);
  }

  #account({ utterance, played, began, ended, rms }) {
    const behind = 1000 * (this.context.outputLatency || this.context.baseLatency || 0);
    if (rms !== undefined) this.#tell({ type: "level", who: "it", rms });
    if (utterance === undefined) return;
    if (began) {
      const buffer = performance.now() - (this.#arrived.get(utterance) ?? performance.now());
      this.#tell({ type: "hop", utterance_id: utterance, stages: [{ name: "buffer", ms: buffer }, { name: "loudspeaker", ms: behind }] });
    }
    if (played === undefined) return;
    // At its end all of it is on its way to the loudspeaker, and cannot be called back.
    const left = ended ? played : Math.max(0, played - behind);
    this.#tell({ type: "played", utterance_id: utterance, position: left });
    const now = performance.now();
    if (ended || now - this.#reported >= REPORT_MS) {
      this.#reported = now;
      this.send({ type: "playout", utterance_id: utterance, played_ms: Math.round(left), last: !!ended });
    }
    if (ended) this.#arrived.delete(utterance);
  }

  async useSpeaker(id) {
    await this.context.setSinkId?.(id);
  }

  close() {
    this.capture?.disconnect();
    this.source?.disconnect();
    this.#player?.disconnect();
    if (this.#socket) {
      this.#socket.onclose = null;
      this.#socket.close();
    }
  }
}

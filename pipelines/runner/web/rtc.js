// SPDX-License-Identifier: MPL-2.0
// A session over WebRTC: one connection brings the answer and the data channel, another takes the microphone. Both are
// arranged over one WebSocket, in the signalling protocol of gst-plugins-rs; only this caller's two ends are in its room.

const ICE_MS = 5000;
const REPORT_MS = 100;
// What was sent before a stop is in the network and the jitter buffer for less than this.
const MUTED_MS = 1000;
const LOOK_MS = 10;
const CLOCK = 48; // RTP ticks of Opus in a millisecond

export class RtcTransport {
  name = "WebRTC";
  #socket;
  #tell;
  #connections = new Map();
  #channel;
  #greeted = false;
  #receiver;
  #audio;
  #microphone;
  #asked = new Set();
  #started = new Map();
  #timers = [];
  #unmute;

  constructor({ url, context, iceServers, tell }) {
    Object.assign(this, { url, context, iceServers });
    this.#tell = tell;
  }

  /** Ends when the answer's way is open; fails where ICE finds none in five seconds. */
  open(microphone) {
    this.#microphone = microphone;
    return new Promise((resolve, reject) => {
      this.#timers.push(setTimeout(() => reject(new Error("no way was found through the network in 5 s")), ICE_MS));
      this.ready = () => {
        this.opened = true;
        resolve();
      };
      this.#socket = new WebSocket(this.url);
      this.#socket.onmessage = ({ data }) => this.#signal(JSON.parse(data)).catch(reject);
      this.#socket.onerror = () => reject(new Error("the server does not answer"));
      this.#socket.onclose = ({ reason }) => {
        if (this.opened) this.#tell({ type: "closed", reason });
        else reject(new Error(reason || "the server ended the session"));
      };
    });
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #signal(message) {
    switch (message.type) {
      case "welcome":
        this.me = message.peerId;
        this.#say({ type: "setPeerStatus", roles: ["listener", "producer"], meta: { name: "browser" } });
        this.#say({ type: "list" });
        this.#look();
        break;
      case "peerStatusChanged":
        if (message.roles.includes("producer")) this.#ask(message.peerId);
        break;
      case "list":
        message.producers.forEach(({ id }) => this.#ask(id));
        break;
      case "listConsumers":
        if (this.#microphone) message.consumers.forEach(({ id }) => this.#ask(id));
        break;
      case "sessionStarted":
        this.#hear(message.sessionId);
        break;
      case "startSession":
        await this.#speak(message.sessionId);
        break;
      case "peer":
        await this.#negotiate(message);
        break;
      case "endSession":
        this.#connections.get(message.sessionId)?.close();
        break;
      case "error":
        this.#tell({ type: "error", message: message.details });
        break;
    }
  }

  /** Ears register some time after the page; nobody is told when they do. */
  #look() {
    const looking = setInterval(() => {
      const found = !this.#microphone || this.sending;
      found ? clearInterval(looking) : this.#say({ type: "listConsumers" });
    }, 100);
    this.#timers.push(looking);
  }

  #ask(id) {
    if (id === this.me || this.#asked.has(id)) return;
    this.#asked.add(id);
    this.#say({ type: "startSession", peerId: id });
  }

  #connect(id) {
    const connection = new RTCPeerConnection({ iceServers: this.iceServers });
    this.#connections.set(id, connection);
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) {
        this.#say({ type: "peer", sessionId: id, ice: { candidate: candidate.candidate, sdpMLineIndex: candidate.sdpMLineIndex } });
      }
    };
    return connection;
  }

  #hear(id) {
    const connection = this.#connect(id);
    connection.ontrack = ({ track, receiver, streams }) => {
      if (track.kind !== "audio") return;
      this.#receiver = receiver;
      // As little as the network allows.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      const stream = streams[0] ?? new MediaStream([track]);
      this.stream = stream;
      this.#audio = new Audio();
      this.#audio.srcObject = stream;
      this.#audio.autoplay = true;
      this.#audio.play().catch(() => {});
      this.#tell({ type: "stream", stream });
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === "connected") this.#opened(connection);
      if (connection.connectionState === "failed") this.#tell({ type: "closed", reason: "the connection was lost" });
    };
    connection.ondatachannel = ({ channel }) => {
      this.#channel = channel;
      channel.onmessage = ({ data }) => {
        this.#take(JSON.parse(data));
        this.#greeted = true;
        this.#opened(connection);
      };
    };
  }

  /**
   * Sound and messages have their way, both ways: webrtcbin loses what comes before it has called the channel open itself, and
   * what the server says first tells that it has.
   */
  #opened(connection) {
    if (this.opened || connection.connectionState !== "connected" || !this.#greeted) return;
    this.ready();
    this.#timers.push(setInterval(() => this.#account(), REPORT_MS / 2));
  }

  async #speak(id) {
    this.sending = this.#connect(id);
    for (const track of this.#microphone.getAudioTracks()) {
      this.sending.addTransceiver(track, { direction: "sendonly", streams: [this.#microphone] });
    }
    await this.sending.setLocalDescription(await this.sending.createOffer());
    this.#say({ type: "peer", sessionId: id, sdp: { type: "offer", sdp: this.sending.localDescription.sdp } });
  }

  async #negotiate({ sessionId, sdp, ice }) {
    const connection = this.#connections.get(sessionId);
    if (!connection) return;
    if (ice) return connection.addIceCandidate({ candidate: ice.candidate, sdpMLineIndex: ice.sdpMLineIndex });
    await connection.setRemoteDescription(sdp);
    if (sdp.type !== "offer") return;
    await connection.setLocalDescription(await connection.createAnswer());
    this.#say({ type: "peer", sessionId, sdp: { type: "answer", sdp: connection.localDescription.sdp } });
  }

  #take(message) {
    if (message.type === "clear") this.#mute(message.rtp ?? Infinity);
    if (message.type === "utterance" && message.state === "started" && message.rtp !== undefined) {
      this.#started.set(message.utterance_id, { rtp: message.rtp, at: performance.now() });
    }
    if (message.type === "word" && message.rtp !== undefined) {
      return this.#tell({ ...message, begin: message.rtp / CLOCK, end: message.rtp / CLOCK + (message.duration_ms ?? 0) });
    }
    if (message.type === "utterance" && message.state !== "started") this.#started.delete(message.utterance_id);
    this.#tell(message);
  }

  /** What has been sent of a stopped answer is not heard to its end: it is silent until the sender's clock is at `rtp`. */
  #mute(rtp) {
    this.#audio.muted = true;
    // What the loudspeaker was given cannot be called back.
    const given = this.#given();
    if (given !== null) this.send({ type: "playout", rtp: Math.round(given), last: true });
    const until = performance.now() + MUTED_MS;
    clearInterval(this.#unmute);
    this.#unmute = setInterval(() => {
      if (this.#given() < rtp && performance.now() < until) return;
      clearInterval(this.#unmute);
      this.#audio.muted = false;
    }, LOOK_MS);
  }

  /** How far on the sender's clock sound has been given to the loudspeaker. */
  #given() {
    const [source] = this.#receiver?.getSynchronizationSources?.() ?? [];
    if (!source) return null;
    const since = performance.timeOrigin + performance.now() - source.timestamp;
    return source.rtpTimestamp + CLOCK * Math.min(Math.max(since, 0), 20);
  }

  /** How far it has left the loudspeaker. */
  #played() {
    const given = this.#given();
    return given === null ? null : given - CLOCK * 1000 * (this.context.outputLatency || 0);
  }

  async #account() {
    const played = this.#played();
    if (played === null) return;
    for (const [id, start] of this.#started) {
      if (played < start.rtp) continue;
      this.#tell({ type: "played", utterance_id: id, position: played / CLOCK });
      if (!start.told) {
        start.told = true;
        this.#hop(id, performance.now() - start.at);
      }
    }
    const now = performance.now();
    if (this.#channel?.readyState === "open" && this.#started.size && now - (this.reported ?? 0) >= REPORT_MS) {
      this.reported = now;
      this.send({ type: "playout", rtp: Math.round(played) });
    }
  }

  async #hop(id, all) {
    let buffered = 0;
    (await this.#receiver.getStats()).forEach((report) => {
      if (report.type !== "inbound-rtp" || !report.jitterBufferEmittedCount) return;
      const last = this.emitted ?? { delay: 0, count: 0 };
      const count = report.jitterBufferEmittedCount - last.count;
      if (count > 0) buffered = (1000 * (report.jitterBufferDelay - last.delay)) / count;
      this.emitted = { delay: report.jitterBufferDelay, count: report.jitterBufferEmittedCount };
    });
    const loudspeaker = 1000 * (this.context.outputLatency || 0);
    const jitter = Math.min(buffered, Math.max(0, all - loudspeaker));
    this.#tell({
      type: "hop",
      utterance_id: id,
      stages: [
        { name: "encoder and network", ms: Math.max(0, all - jitter - loudspeaker) },
        { name: "jitter buffer", ms: jitter },
        { name: "loudspeaker", ms: Math.min(loudspeaker, all) },
      ],
    });
  }

  send(message) {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(message));
  }

  async hear(microphone) {
    this.#microphone = microphone;
    const sender = this.sending?.getSenders().find(({ track }) => track?.kind === "audio");
    await sender?.replaceTrack(microphone.getAudioTracks()[0]);
  }

  async useSpeaker(id) {
    await this.#audio?.setSinkId?.(id);
  }

  close() {
    this.#timers.forEach((timer) => (clearTimeout(timer), clearInterval(timer)));
    clearInterval(this.#unmute);
    this.#connections.forEach((connection) => connection.close());
    if (this.#audio) this.#audio.srcObject = null;
    if (this.#socket) {
      this.#socket.onclose = null;
      this.#socket.close();
    }
  }
}

// SPDX-License-Identifier: MPL-2.0
// The page: a person talks, the agent answers, and falls silent when the person speaks again.

import { Captions } from "./captions.js";
import { RtcTransport } from "./rtc.js";
import { SocketTransport } from "./socket.js";
import { decibels, fillDevices, noMicrophone, openMicrophone, watchLevel } from "./sound.js";
import { Waterfall } from "./waterfall.js";

const $ = (id) => document.getElementById(id);
const RETRIES = 6;
const STATES = { off: "not connected", connecting: "connecting", listening: "listening", thinking: "thinking", speaking: "speaking", interrupted: "interrupted" };

const captions = new Captions($("captions"));
const waterfall = new Waterfall({ picture: $("latency"), rows: $("latency-rows"), none: $("latency-none") });
const query = new URLSearchParams(location.search);
const token = query.get("token");

let transport = null;
let microphone = null;
let context = null;
let about = { ice_servers: [], parts: [] };
let stopLevels = [];
let wanted = false;
let attempt = 0; // to connect; what an earlier one brings after it was given up is dropped
let tries = 0;
const latencies = new Map();

function state(name, detail) {
  $("state").dataset.state = name;
  $("state").textContent = `${STATES[name] ?? name}${detail ? ` (${detail})` : ""}`;
}

function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text ?? "";
}

function level(who, rms) {
  const db = decibels(rms);
  $(`level-${who}`).value = db;
  $(`level-${who}`).textContent = `${Math.round(db)} dB`;
}

/** A turn's time is told in two parts: by the server, up to its first sample, and by this end, from there on. */
function latency(id, part) {
  const known = { ...latencies.get(id), ...part };
  latencies.set(id, known);
  if (!known.server || !known.here) return;
  waterfall.show([...known.server, ...known.here]);
  latencies.delete(id);
}

function take(message) {
  switch (message.type) {
    case "session_start":
      break;
    case "turn":
      state(message.state);
      break;
    case "transcript":
      captions.said(message.text, message.final);
      break;
    case "word":
      captions.word(message.utterance_id, message.text, message.begin, message.end);
      break;
    case "played":
      captions.heard(message.utterance_id, message.position);
      break;
    case "utterance":
      if (message.state === "finished") setTimeout(() => captions.ended(message.utterance_id), 300);
      if (message.state === "interrupted") captions.ended(message.utterance_id, message.heard, message.unheard);
      break;
    case "latency":
      latency(message.utterance_id, { server: message.stages });
      break;
    case "hop":
      latency(message.utterance_id, { here: message.stages });
      break;
    case "level":
      level(message.who, message.rms);
      break;
    case "stream":
      stopLevels.push(watchLevel(context, message.stream, (rms) => level("it", rms)));
      break;
    case "error":
      notice(message.message);
      break;
    case "session_end":
      ended(`The server ended the session: ${message.reason}.`);
      break;
    case "closed":
      lost(message.reason);
      break;
  }
}

function address(path) {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  if (token) url.searchParams.set("token", token);
  return url.href;
}

/** `given()`: whether this was given up meanwhile. */
async function open(kind, given) {
  context ??= new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  await context.resume();
  if (given()) return;
  const shared = { context, tell: take };
  transport =
    kind === "webrtc"
      ? new RtcTransport({ ...shared, url: address("signalling"), iceServers: about.ice_servers })
      : new SocketTransport({ ...shared, url: address("talk") });
  await transport.open(microphone);
  if (given()) return;
  state("listening", transport.name);
  $("stop").disabled = false;
  tries = 0;
}

async function connect() {
  const mine = ++attempt;
  const given = () => mine !== attempt;
  wanted = true;
  notice(null);
  state("connecting");
  $("connect").textContent = "Disconnect";
  const why = noMicrophone();
  if (why) {
    notice(why);
  } else if (!microphone) {
    try {
      microphone = await openMicrophone($("microphone").value);
      await fillDevices($("microphone"), "audioinput");
      await fillDevices($("speaker"), "audiooutput");
      $("speaker-label").hidden = !("setSinkId" in HTMLMediaElement.prototype);
    } catch (error) {
      notice(`There is no microphone (${error.message}). You can type below.`);
    }
  }
  if (given()) return;
  const kind = $("transport").value;
  try {
    await open(kind, given);
  } catch (error) {
    if (given()) return;
    transport?.close();
    if (kind !== "webrtc") return lost(error.message);
    notice(`WebRTC does not get through: ${error.message}. The sound goes over the WebSocket instead.`);
    $("transport").value = "websocket";
    try {
      await open("websocket", given);
    } catch (second) {
      if (given()) return;
      return lost(second.message);
    }
  }
  if (given()) return;
  if (microphone && transport.name === "WebRTC") {
    stopLevels.push(watchLevel(context, microphone, (rms) => level("you", rms)));
  }
}

/** Nothing of what there is goes on. */
function hangUp() {
  attempt++;
  transport?.close();
  transport = null;
  stopLevels.forEach((stop) => stop());
  stopLevels = [];
}

/** The session is over, and nothing is tried again. */
function ended(text) {
  wanted = false;
  hangUp();
  level("you", 0);
  level("it", 0);
  state("off");
  $("connect").textContent = "Connect and listen";
  $("stop").disabled = true;
  if (text !== undefined) notice(text);
}

/** The other end went away without a word. */
function lost(reason) {
  if (!wanted) return;
  hangUp();
  if (++tries > RETRIES) return ended(`The connection was lost${reason ? `: ${reason}` : ""}. The server may be down.`);
  const wait = 250 * 2 ** (tries - 1);
  state("connecting", `again in ${wait / 1000} s`);
  setTimeout(() => wanted && connect(), wait);
}

function showParts() {
  const list = $("parts");
  list.replaceChildren();
  for (const { role, name, replace } of about.parts) {
    const term = document.createElement("dt");
    term.textContent = role;
    const value = document.createElement("dd");
    value.textContent = `${name}. `;
    if (replace) {
      const code = document.createElement("code");
      code.textContent = replace;
      value.append("Another one: ", code);
    }
    list.append(term, value);
  }
}

$("connect").onclick = () => (wanted ? ended(null) : connect());
$("stop").onclick = () => transport?.send({ type: "control", command: "STOP" });
$("transport").onchange = () => {
  if (!wanted) return;
  ended(null);
  connect();
};
$("microphone").onchange = async () => {
  if (!wanted) return (microphone = null);
  try {
    microphone = await openMicrophone($("microphone").value);
    await transport?.hear(microphone);
  } catch (error) {
    notice(`That microphone cannot be opened (${error.message}).`);
  }
};
$("speaker").onchange = () => transport?.useSpeaker($("speaker").value).catch((error) => notice(error.message));
$("typed").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("say").value.trim();
  if (!text) return;
  if (!transport) await connect();
  captions.said(text, true);
  transport?.send({ type: "text", text });
  $("say").value = "";
};

if (query.get("transport")) $("transport").value = query.get("transport");
const why = noMicrophone();
if (why) notice(why);
fetch(`about${token ? `?token=${encodeURIComponent(token)}` : ""}`)
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(response.statusText))))
  .then((told) => {
    about = { ...about, ...told };
    showParts();
  })
  .catch((error) => notice(`The server does not say what runs on it: ${error.message}.`));

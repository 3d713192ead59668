// SPDX-License-Identifier: MPL-2.0
// The browser's microphone and loudspeaker.

/** Why there is no microphone, as a sentence for the person in front of it; nothing where there may be one. */
export function noMicrophone() {
  if (navigator.mediaDevices?.getUserMedia) return null;
  if (!window.isSecureContext) {
    return (
      "Your browser gives no microphone to a page that comes over plain http from another machine. Serve it over https: " +
      "`make run TLS=1` makes a certificate and prints its fingerprint, and configs/Caddyfile shows one that every browser trusts. You can type below meanwhile."
    );
  }
  return "This browser has no microphone for pages. You can type below.";
}

/** Opens the microphone, with the browser's own echo cancellation. */
export async function openMicrophone(id) {
  return navigator.mediaDevices.getUserMedia({
    audio: {
      deviceId: id ? { exact: id } : undefined,
      channelCount: 1,
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    },
  });
}

/** Fills a list with the devices of a kind, once their names may be known. */
export async function fillDevices(select, kind) {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const chosen = select.value;
  const fixed = select.options[0];
  select.replaceChildren(fixed);
  for (const device of devices) {
    if (device.kind !== kind || !device.label || device.deviceId === "default") continue;
    select.append(new Option(device.label, device.deviceId));
  }
  select.value = chosen;
  if (!select.value) select.value = "";
}

export const decibels = (rms) => (rms > 0 ? Math.max(-60, 20 * Math.log10(rms)) : -60);

/** Calls back some ten times a second with the level of a stream. Gives a function that ends it. */
export function watchLevel(context, stream, tell) {
  const analyser = context.createAnalyser();
  const source = context.createMediaStreamSource(stream);
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    tell(Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length));
  }, 80);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}

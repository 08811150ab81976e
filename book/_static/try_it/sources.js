// Where audio comes from: a file in blocks of one channel, or the microphone as it records.

import { Refusal } from "./refusal.js";
import { openWav } from "./wav.js";

const RATE = 48000; // Hz; what the browser decodes compressed files to, unless they tell a rate or are long
const LOW_RATE = 16000; // Hz, for long ones, to hold less of them
const LONG = 20 * 60, LONGEST = 2 * 3600; // s; the browser decodes a compressed file whole
const LEAST_BYTES = 1500; // of a compressed second, for files that do not tell how long they are

/**
 * Opens a file of audio.
 * @param {File} file
 * @returns {Promise<{rate: number, seconds: number, blocks: AsyncIterable<Float32Array>}>}
 * @throws {Refusal} it cannot be decoded, is empty, or too long to be decoded whole.
 */
export async function openFile(file) {
  const opened = file.size ? ((await openWav(file)) ?? (await decoded(file))) : null;
  if (!opened?.seconds) throw new Refusal("undecodable", `${file.name} holds no audio.`);
  return opened;
}

async function decoded(file) {
  const seconds = await duration(file);
  if (seconds > LONGEST) {
    throw new Refusal("undecodable", `${file.name} is too long: compressed files may last 2 hours here. WAV files may be of any length.`);
  }
  const rate = (await flacRate(file)) || (seconds > LONG ? LOW_RATE : RATE);
  try {
    const audio = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
    return { rate: audio.sampleRate, seconds: audio.duration, blocks: slices(audio) };
  } catch {
    throw new Refusal("undecodable", `${file.name} cannot be decoded by this browser. Try a WAV, FLAC, MP3 or Ogg file.`);
  }
}

/** Seconds of a compressed file, from its header, or the most that its size can hold. */
function duration(file) {
  const address = URL.createObjectURL(file), player = new Audio();
  return new Promise((resolve) => {
    const most = file.size / LEAST_BYTES;
    player.onloadedmetadata = () => resolve(Number.isFinite(player.duration) ? player.duration : most);
    player.onerror = () => resolve(most);
    player.preload = "metadata";
    player.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}

/** The rate that a FLAC file tells, so that one at 16 kHz arrives as it was recorded; 0 for others. */
async function flacRate(file) {
  const head = new Uint8Array(await file.slice(0, 21).arrayBuffer());
  const isFlac = String.fromCharCode(...head.slice(0, 4)) === "fLaC";
  return isFlac ? (head[18] << 12) | (head[19] << 4) | (head[20] >> 4) : 0;
}

async function* slices(audio) {
  const channels = Array.from({ length: audio.numberOfChannels }, (_, number) => audio.getChannelData(number));
  for (let place = 0; place < audio.length; place += audio.sampleRate) {
    const block = new Float32Array(Math.min(audio.sampleRate, audio.length - place));
    for (const samples of channels) for (let i = 0; i < block.length; i++) block[i] += samples[place + i] / channels.length;
    yield block;
  }
}

/**
 * Listens to the microphone.
 * @param {(block: Float32Array, rate: number) => void} hear called with every block of one channel and its rate in Hz.
 * @returns {Promise<{stop: () => Promise<void>}>} `stop` resolves when the last block has been given.
 * @throws {Refusal} no microphone, or none that may be used.
 */
export async function openMicrophone(hear) {
  const media = await microphone(), context = new AudioContext();
  let ended;
  const last = new Promise((resolve) => (ended = resolve));

  function letGo() {
    media.getTracks().forEach((track) => track.stop());
    return context.close();
  }

  async function stop(recorder) {
    recorder.port.postMessage("stop");
    await last;
    await letGo();
  }

  try {
    await context.audioWorklet.addModule(new URL("recorder_worklet.js", import.meta.url));
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    recorder.port.onmessage = ({ data }) => (data ? hear(data, context.sampleRate) : ended());
    context.createMediaStreamSource(media).connect(recorder);
    await context.resume();
    return { stop: () => stop(recorder) };
  } catch (error) {
    await letGo();
    throw error;
  }
}

async function microphone() {
  try {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch (error) {
    const known = MICROPHONE_REFUSALS[error.name];
    throw new Refusal("refused", known ?? `The microphone cannot be used (${error.name}). Choose a file instead.`);
  }
}

const MICROPHONE_REFUSALS = {
  NotAllowedError: "Recording was refused. Allow the microphone for this page in the browser's settings, or choose a file instead.",
  NotFoundError: "No microphone was found. Connect one, or choose a file instead.",
  NotReadableError: "The microphone is in use by another program. Close that program, or choose a file instead.",
};

// Analyses a voice note off the page's own thread: another rate, speech, windows, the model. See analysis.js for the messages.

import { joined, resampler } from "./resample.js";
import { Speaker } from "./speaker.js";
import { RATE, network } from "./vad.js";
import { VoiceNoteStream, sum } from "./voice_note.js";

const BLOCK = 0.512; // s taken at once, whatever comes, so that the result does not depend on it; as in Python
const PEAK = 512; // samples of one step of the waveform's outline
const ROUNDING = 1e-3; // of a sum of probabilities
const PATIENCE = 150; // ms between two reports

let ort, detector; // loaded once
let model, settings, speaker; // the one in use, and who speaks
let adjusting = false;
let stream, rate, converter, waiting, outline, reported; // of one note

const calls = { load, start, feed, finish, adjust, forget };
let turn = Promise.resolve();

onmessage = ({ data: { id, call, argument } }) => {
  turn = turn.then(async () => {
    try {
      postMessage({ id, value: await calls[call](argument) });
    } catch (error) {
      postMessage({ id, error: String(error.message ?? error).split("\n")[0] });
    }
  });
};

/** Loads a model; the first time also what runs it. The one before is used until the new one is ready. */
async function load({ model: wanted, ...given }) {
  const sizes = { [wanted.file]: wanted.bytes };
  for (const name of detector ? [] : [given.detector, given.runtime.binary]) sizes[name] = given.bytes[name];
  const files = await fetched(sizes);
  ort ??= await import(new URL(given.runtime.module, import.meta.url));
  if (!detector) {
    Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: files[2] });
    ort.env.logLevel = "fatal";
    detector = await session(files[1]);
  }
  const before = model;
  [model, settings] = [await session(files[0]), wanted];
  adjusting = false;
  speaker = wanted.speakers && new Speaker(wanted.speakers.mean); // known to this model alone
  await before?.release();
}

/** Adjusts to the speaker, or no longer, and gives the last note anew. */
function adjust(wanted) {
  stream.adjusting = adjusting = wanted;
  return stream.note();
}

function forget() {
  speaker.forget();
}

const session = (file) => ort.InferenceSession.create(file, { executionProviders: ["wasm"] });

/** Files of this folder (name to bytes), with a report of the share that has come. */
async function fetched(sizes) {
  const whole = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
  const files = [];
  let come = 0;
  for (const name of Object.keys(sizes)) {
    const response = await fetch(new URL(name, import.meta.url));
    if (!response.ok) throw new Error(`${name} cannot be fetched (${response.status})`);
    const parts = [], reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      postMessage({ loaded: Math.min(1, (come += part.value.length) / whole) });
    }
    files.push(new Uint8Array(await new Blob(parts).arrayBuffer()));
  }
  return files;
}

function start(sampleRate) {
  stream = new VoiceNoteStream(settings.voice_note, settings.labels, () => network(ort, detector), classify, (shares) => speaker?.meet(shares) ?? shares);
  stream.adjusting = adjusting;
  [rate, converter, waiting] = [sampleRate, resampler(sampleRate, RATE), new Float32Array(0)];
  [outline, reported] = [{ rest: new Float32Array(0), peaks: [] }, 0];
}

async function classify(samples) {
  const { probabilities } = await model.run({ waveform: new ort.Tensor("float32", samples, [1, samples.length]) });
  const shares = Array.from(probabilities.data);
  if (shares.every((share) => share >= 0) && Math.abs(sum(shares) - 1) < ROUNDING) return shares;
  throw new Error(`the probabilities of ${settings.file} do not add up to 1; its weights are damaged`);
}

async function feed(samples) {
  waiting = joined(waiting, samples);
  const block = Math.round(BLOCK * rate);
  let place = 0;
  for (; place + block <= waiting.length; place += block) {
    await take(converter.push(waiting.subarray(place, place + block)));
    if (performance.now() - reported > PATIENCE) report();
  }
  waiting = waiting.slice(place);
}

async function finish() {
  await take(joined(converter.push(waiting), converter.finish()));
  const note = await stream.finish();
  report();
  return note;
}

async function take(samples) {
  outlineOf(samples);
  await stream.feed(samples);
}

function outlineOf(samples) {
  const all = joined(outline.rest, samples);
  let place = 0;
  for (; place + PEAK <= all.length; place += PEAK) {
    let low = 0, high = 0;
    for (let i = place; i < place + PEAK; i++) {
      if (all[i] < low) low = all[i];
      if (all[i] > high) high = all[i];
    }
    outline.peaks.push(low, high);
  }
  outline.rest = all.slice(place);
}

/** What is new: the note so far, and the outline as [low, high, low, high, ...] since the last report. */
function report() {
  const ongoing = stream.detector.ongoing?.map((place) => place / RATE);
  postMessage({ note: stream.note(), known: speaker?.known ?? 0, ongoing, peaks: outline.peaks });
  outline.peaks = [];
  reported = performance.now();
}

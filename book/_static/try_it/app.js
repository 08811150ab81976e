// "Try it": a voice note in, what the model makes of it out. Nothing leaves the browser.

import { analysis } from "./analysis.js";
import { clock, percent } from "./picture.js";
import { Refusal } from "./refusal.js";
import { heads, save, show } from "./result.js";
import { openFile, openMicrophone } from "./sources.js";

const HERE = new URL(".", import.meta.url);
const QUIETEST = -60; // dB below full scale, where the level meter begins
const REMEMBERED = 5; // recordings
const ENOUGH = 4; // windows of a speaker, before the page offers to adjust to them
const REST = 10; // between two drawings, against the time that the last one took
const root = document.querySelector(".try-it");
const find = (part) => root.querySelector(`[data-part="${part}"]`);

let settings, worker, model, loaded; // `loaded` is the promise of the model in use
let latest = null, name = "voice-note";
let task = null; // while something is analysed
let nextDrawing = 0; // ms
let chosen = null; // the control that began it
let again = null; // analyses once more what was analysed last; a recording is not kept

/** Brings the page into a state and tells the reader. */
function say(state, sentence) {
  root.dataset.state = state;
  find("status").textContent = sentence;
  const choices = ["record", "file", "example", "better", "adjust", "forget"].map(find), busy = task !== null;
  const held = document.activeElement;
  find("stop").hidden = !busy;
  if (choices.includes(held) && busy) {
    chosen = held;
    find("stop").focus();
  }
  choices.forEach((choice) => (choice.disabled = busy));
  if (held === find("stop") && !busy) chosen?.focus();
  find("listening").hidden = state !== "recording";
  find("progress").hidden = !["loading", "hearing"].includes(state);
}

async function begin() {
  settings = await (await fetch(new URL("settings.json", HERE))).json();
  if (!settings.ready) return say("unready", settings.reason);
  if (typeof WebAssembly !== "object") return say("unready", "This browser has no WebAssembly, which the model needs. Use a current one.");
  worker = analysis((share) => (find("progress").value = share), update);
  introduce(settings.models[0]);
  find("banner").hidden = find("model").hidden = find("controls").hidden = false;
  find("example").hidden = !settings.example;
  const canRecord = typeof AudioWorkletNode === "function" && navigator.mediaDevices;
  find("record").hidden = !canRecord;
  const first = `The first use loads ${megabytes()} MB from this site.`;
  const unable = window.isSecureContext ? "This browser cannot record" : "Browsers record only on pages from https or localhost";
  say("ready", canRecord ? first : `${unable}; choose a file. ${first}`);
}

/** Takes a model, says so, and offers the next one. */
function introduce(taken) {
  model = taken;
  find("adjust").checked = false;
  find("speaker").hidden = true;
  heads(find, model.labels);
  find("banner").className = `banner banner-${model.banner.kind}`;
  find("banner").textContent = model.banner.text;
  find("model").textContent = model.summary;
  const rates = Object.entries(model.rates).map(([label, rate]) => `${label} ${percent(rate)}`);
  find("rates").textContent = `On them it recognizes ${rates.join(", ")}.`;
  find("rates").hidden = !rates.length;
  const better = settings.models[settings.models.indexOf(model) + 1];
  find("better").hidden = !better;
  if (better) find("better").textContent = `Use the better model (${(better.bytes / 1e6).toFixed(0)} MB)`;
}

/** What is still to be loaded. */
function megabytes() {
  return (Object.values(settings.bytes).reduce((sum, bytes) => sum + bytes, model.bytes) / 1e6).toFixed(0);
}

/** Shows what was found so far, for a small part of the time only: long notes take long to draw. */
function update(found) {
  const began = performance.now();
  latest = found;
  if (began < nextDrawing) return;
  show(find, latest, model.labels, false);
  nextDrawing = performance.now() + REST * (performance.now() - began);
}

/** Fetches model and runtime when they are first needed. */
async function load() {
  if (!loaded) say("loading", `Loading ${megabytes()} MB, which stay in the browser's cache.`);
  loaded ??= worker.load({ ...settings, model });
  await loaded.catch((error) => {
    loaded = null;
    throw error;
  });
  settings.bytes = {}; // of what runs every model
}

/** Analyses something from beginning to end; every mistake ends in a sentence. */
async function attempt(listen) {
  task = begun();
  nextDrawing = 0;
  find("result").hidden = true;
  latest = null;
  try {
    await load();
    if (task.stopped) throw new Refusal("ready", "Stopped.");
    await listen();
    const note = await worker.finish();
    if (!note.seconds) throw new Refusal("undecodable", "Nothing was recorded. Check the microphone, or choose a file.");
    latest = { ...latest, note, ongoing: null };
    task = null;
    end(note);
  } catch (error) {
    task = null;
    if (error instanceof Refusal) say(error.state, error.message);
    else say("failed", `This did not work: ${error.message}. Reload the page and try again.`);
  }
}

function begun() {
  const made = { stopped: false };
  made.ended = new Promise((resolve, reject) => {
    made.fail = reject;
    made.stop = () => resolve((made.stopped = true));
  });
  return made;
}

/** Keeps what was found in the last recordings in sight, the latest first, until the page is left. */
function remember(note) {
  const result = note.label ? `${note.label}, certainty ${percent(note.certainty)}` : "no speech";
  const entry = Object.assign(document.createElement("li"), { textContent: `${name} (${clock(note.seconds)}): ${result}` });
  find("history").prepend(entry);
  [...find("history").children].slice(REMEMBERED).forEach((old) => old.remove());
  find("earlier").hidden = false;
}

function end(note) {
  remember(note);
  offerAdjusting(latest.known);
  show(find, latest, model.labels, true);
  if (note.assumed) say("result", `No speech was found, but it sounds like a voice: all of it was analysed, and may be ${note.label}.`);
  else if (note.label) say("result", `Done. The emotion is ${note.label}, with a certainty of ${percent(note.certainty)}.`);
  else say("no-speech", "No speech was found, so there is no emotion. Speak closer to the microphone, or choose another file.");
}

/** Offers to adjust to the speaker, once enough of them is known. */
function offerAdjusting(known) {
  find("speaker").hidden = known < ENOUGH && !find("adjust").checked;
  find("known").textContent = `${known} windows so far`;
}

/** Shows the last note anew, adjusted to the speaker or not. */
async function adjust() {
  latest = { ...latest, note: await worker.adjust(find("adjust").checked) };
  show(find, latest, model.labels, true);
  const how = find("adjust").checked ? "Adjusted to this voice" : "Not adjusted";
  if (latest.note.label) say("result", `${how}. The emotion is ${latest.note.label}, with a certainty of ${percent(latest.note.certainty)}.`);
}

/** Begins anew with another speaker; what is shown stays. */
async function forget() {
  find("record").focus(); // the button goes
  find("adjust").checked = false;
  offerAdjusting(0);
  await worker.forget();
  await adjust();
}

/** Goes over to the better model, and analyses with it what was analysed last. */
function improve() {
  find("file").focus(); // the button goes
  introduce(settings.models[1]);
  loaded = null;
  attempt(again ?? (() => {
    throw new Refusal("ready", "The better model is ready. Record, or choose a file.");
  }));
}

async function hearFile(file) {
  again = () => hearFile(file);
  name = file.name.replace(/\.[^.]*$/, "");
  say("hearing", `Listening to ${file.name}.`);
  find("progress").value = 0;
  const { rate, seconds, blocks } = await openFile(file);
  await worker.start(rate);
  let done = 0;
  for await (const block of blocks) {
    if (task.stopped) break;
    done += block.length / rate;
    await worker.feed(block);
    find("progress").value = done / seconds;
  }
}

async function hearMicrophone() {
  again = null;
  name = "recording";
  say("asking", "Waiting for the microphone. The browser may ask whether this page may use it.");
  let samples = 0, started;
  const microphone = await openMicrophone((block, rate) => {
    started ??= worker.start(rate);
    samples += block.length;
    meter(block, samples / rate);
    worker.feed(block).catch(task.fail);
  });
  try {
    say("recording", "Recording. Speak, then press Stop.");
    await task.ended;
  } finally {
    await microphone.stop();
  }
  await (started ??= worker.start(1));
}

function meter(block, seconds) {
  const power = block.reduce((sum, sample) => sum + sample * sample, 0) / block.length;
  find("level").value = Math.max(QUIETEST, 10 * Math.log10(power + 1e-12));
  find("elapsed").textContent = clock(seconds);
}

async function hearExample() {
  const response = await fetch(new URL(settings.example, HERE));
  await hearFile(new File([await response.blob()], settings.example));
}

function dropped(event) {
  event.preventDefault();
  find("controls").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file && !task) attempt(() => hearFile(file));
}

find("record").onclick = () => attempt(hearMicrophone);
find("stop").onclick = () => task?.stop();
find("better").onclick = improve;
find("adjust").onchange = adjust;
find("forget").onclick = forget;
find("example").onclick = () => attempt(hearExample);
find("save").onclick = () => save(latest.note, name);
find("file").onchange = ({ target }) => {
  const [file] = target.files;
  if (file) attempt(() => hearFile(file));
  target.value = "";
};
find("controls").ondragover = (event) => {
  event.preventDefault();
  find("controls").classList.add("over");
};
find("controls").ondragleave = () => find("controls").classList.remove("over");
find("controls").ondrop = dropped;
new ResizeObserver(() => latest && show(find, latest, model.labels, task === null)).observe(find("figure"));
begin().catch((error) => say("unready", `This page could not be prepared: ${error.message}`));

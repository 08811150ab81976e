// From a recording to the emotion of a note, while it goes on: as sercore/runtime/voice_note.py. Places are samples at 16 kHz.

import { joined } from "./resample.js";
import { RATE, SpeechDetector, USUAL_PEAK, resemblesVoice } from "./vad.js";

const SILENCE_PEAK = 1e-3; // of full scale (-60 dB)

/** Takes a voice note at 16 kHz in pieces and classifies each window as soon as it is complete. */
export class VoiceNoteStream {
  /**
   * @param {object} settings the fields of sercore.runtime.VoiceNoteSettings.
   * @param {string[]} labels
   * @param {() => (frames: Float32Array) => Promise<Float32Array>} begin makes what gives the probability of speech of each
   *     frame of a recording.
   * @param {(samples: Float32Array) => Promise<number[]>} classify probabilities of the labels.
   * @param {(probabilities: number[]) => number[]} adjust the same for the speaker; used where `adjusting` is true.
   */
  constructor(settings, labels, begin, classify, adjust) {
    Object.assign(this, { settings, labels, begin, classify, adjust });
    this.adjusting = false;
    this.second = null; // analysis of the same recording, where the first found nothing
    this.detector = new SpeechDetector(settings, begin());
    this.silent = settings.retry ? new Float32Array(0) : null; // the recording so far, while it is short and nobody speaks
    this.window = Math.round(settings.window * RATE);
    this.hop = this.window - Math.round(settings.overlap * RATE);
    this.maxPause = Math.round(settings.max_pause * RATE);
    this.audio = new Float32Array(0); // what is kept
    this.origin = 0; // place of its first sample
    this.passage = null; // start and end so far
    this.next = 0; // start of the next whole window
    this.classified = 0; // end of the last window
    this.segments = []; // [start, end]
    this.rows = []; // windows: {start, end, speech, weight, plain, adjusted}, the last two probabilities
  }

  get seconds() {
    return (this.origin + this.audio.length) / RATE;
  }

  async feed(samples) {
    this.audio = joined(this.audio, samples);
    if (this.silent) this.silent = joined(this.silent, samples);
    await this.extendAll(await this.detector.feed(samples));
    if (this.segments.length || this.detector.ongoing || this.seconds > this.settings.retry) this.silent = null;
    if (this.detector.ongoing) await this.extend(...this.detector.ongoing);
    if (this.passage && this.detector.settled - this.passage[1] > this.maxPause) await this.endPassage();
    this.forget(this.passage ? Math.max(this.passage[0], this.classified - this.window) : this.detector.settled);
  }

  /** The note, with the windows that only its end completes. */
  async finish() {
    await this.extendAll(await this.detector.finish());
    await this.endPassage();
    if (!this.rows.length) this.second = await this.tryAgain();
    return this.note();
  }

  /** Finds what a short recording holds at a usual peak; else all of it, where it resembles a voice; else null. */
  async tryAgain() {
    const audio = this.silent ?? new Float32Array(0), peak = audio.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    if (peak >= SILENCE_PEAK && peak < USUAL_PEAK) {
      const stream = await this.analyze(audio.map((sample) => sample * (USUAL_PEAK / peak)), {});
      if (stream.rows.length) return stream;
    }
    return resemblesVoice(audio) ? this.analyze(audio, { vad: false }) : null;
  }

  async analyze(audio, changed) {
    const parts = [this.labels, this.begin, this.classify, this.adjust];
    const stream = new VoiceNoteStream({ ...this.settings, retry: 0, ...changed }, ...parts);
    await stream.feed(audio);
    await stream.finish();
    return stream;
  }

  async extendAll(segments) {
    for (const segment of segments) {
      this.segments.push(segment);
      await this.extend(...segment);
    }
  }

  /** Speech goes on from `start` to `end` at least, in the passage or, after a long pause, in a new one. */
  async extend(start, end) {
    if (this.passage && start - this.passage[1] > this.maxPause) await this.endPassage();
    if (!this.passage) this.next = start;
    this.passage = [this.passage?.[0] ?? start, end];
    for (; this.next + this.window <= end; this.next += this.hop) await this.add(this.next, this.next + this.window);
  }

  /** What none of its windows covers gets one that ends with it. */
  async endPassage() {
    if (this.passage && this.classified < this.passage[1]) {
      const [first, last] = this.passage;
      await this.add(Math.max(first, last - this.window), last);
    }
    this.passage = null;
  }

  async add(start, end) {
    const speech = this.speech(start, end) / (end - start);
    const weight = this.speech(Math.max(start, this.classified), end) / RATE;
    const plain = await this.classify(this.audio.slice(start - this.origin, end - this.origin));
    this.rows.push({ start, end, speech, weight, plain, adjusted: this.adjust(plain) });
    this.classified = end;
  }

  speech(start, end) {
    const known = this.detector.ongoing ? [...this.segments, this.detector.ongoing] : this.segments;
    return sum(known.map(([first, last]) => Math.max(0, Math.min(last, end) - Math.max(first, start))));
  }

  forget(place) {
    this.audio = this.audio.slice(place - this.origin);
    this.origin = place;
  }

  /** The note so far, with the fields of VoiceNote.as_dict(). */
  note() {
    if (this.second) {
      this.second.adjusting = this.adjusting;
      return { ...this.second.note(), assumed: this.second.settings.vad !== this.settings.vad };
    }
    const seconds = ([start, end]) => ({ start: start / RATE, end: end / RATE });
    const windows = this.windows.map(({ start, end, speech, weight, probabilities }) => ({
      ...seconds([start, end]),
      speech,
      weight,
      ...named(this.labels, probabilities),
    }));
    const speech_seconds = sum(this.segments.map(([start, end]) => end - start)) / RATE;
    return { seconds: this.seconds, speech_seconds, ...this.summary(), assumed: false, segments: this.segments.map(seconds), windows };
  }

  /** The rows with the probabilities in use. */
  get windows() {
    return this.rows.map(({ plain, adjusted, ...row }) => ({ ...row, probabilities: this.adjusting ? adjusted : plain }));
  }

  summary() {
    const windows = this.windows;
    if (!windows.length) return { label: null, probabilities: null, certainty: null, agreement: null };
    const total = AGGREGATES[this.settings.aggregate](windows), best = strongest(total);
    const agreeing = windows.filter(({ probabilities }) => strongest(probabilities) === best);
    return {
      label: this.labels[best],
      probabilities: named(this.labels, total),
      certainty: 1 - entropy(total) / Math.log(total.length),
      agreement: sum(agreeing.map(({ weight }) => weight)) / sum(windows.map(({ weight }) => weight)),
    };
  }
}

const AGGREGATES = {
  weighted: (windows) => shares(perLabel(windows, (values) => sum(values.map((value, i) => value * windows[i].weight)))),
  mean: (windows) => shares(perLabel(windows, sum)),
  median: (windows) => shares(perLabel(windows, median)),
};

function perLabel(windows, combine) {
  return Array.from(windows[0].probabilities, (_, label) => combine(windows.map(({ probabilities }) => probabilities[label])));
}

/** Values as parts of their sum. */
export function shares(values) {
  const whole = sum(values);
  return values.map((value) => value / whole);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

function entropy(probabilities) {
  return -sum(probabilities.map((share) => (share > 0 ? share * Math.log(share) : 0)));
}

function strongest(probabilities) {
  return probabilities.indexOf(Math.max(...probabilities));
}

export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function named(labels, values) {
  return Object.fromEntries(labels.map((label, i) => [label, values[i]]));
}

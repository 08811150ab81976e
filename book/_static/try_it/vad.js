// Where somebody speaks, while the recording goes on: as sercore/runtime/vad.py. Places are samples at 16 kHz.

import { joined } from "./resample.js";

export const RATE = 16000; // Hz
const FRAME = 512; // samples that get one probability
const CONTEXT = 64; // samples before a frame that the network gets again
const MEMORY = 128; // numbers in each of the network's two states
export const USUAL_PEAK = 0.3; // of full scale
const [RISE_DB, LOUD_DB, PERIODIC] = [27, 20, 0.3]; // see `resemblesVoice`
const [SHORTEST, LONGEST] = [Math.floor(RATE / 600), Math.floor(RATE / 60)]; // periods of voices, in samples
const UNDECIDED = 5 * RATE; // between `release` and `threshold`, after which speech is over

/**
 * Silero's network on a recording that comes in pieces.
 * @param {object} ort ONNX Runtime.
 * @param {object} session of silero_vad_16k_sequence.onnx.
 * @returns {(frames: Float32Array) => Promise<Float32Array>} takes whole frames and gives one probability for each.
 */
export function network(ort, session) {
  let context = new Float32Array(CONTEXT);
  let h = new ort.Tensor("float32", new Float32Array(MEMORY), [1, 1, MEMORY]), c = h;

  return async (frames) => {
    const count = frames.length / FRAME, width = CONTEXT + FRAME;
    const samples = joined(context, frames), input = new Float32Array(count * width);
    for (let i = 0; i < count; i++) input.set(samples.subarray(i * FRAME, i * FRAME + width), i * width);
    context = samples.slice(-CONTEXT);
    const found = await session.run({ input: new ort.Tensor("float32", input, [count, width]), h, c });
    [h, c] = [found.hn, found.cn];
    return found.speech_probs.data;
  };
}

/**
 * Whether a recording rises by RISE_DB above its background and is periodic where it is loud, as shouts are.
 * @param {Float32Array} samples
 */
export function resemblesVoice(samples) {
  const frames = Array.from({ length: Math.floor(samples.length / FRAME) }, (_, i) => samples.subarray(i * FRAME, (i + 1) * FRAME));
  const levels = frames.map((frame) => 10 * Math.log10(power(frame) / FRAME + 1e-12)), loudest = Math.max(...levels);
  if (!frames.length || loudest - quantile(levels, 0.1) < RISE_DB) return false;
  return quantile(frames.filter((_, i) => levels[i] > loudest - LOUD_DB).map(periodicity), 0.5) >= PERIODIC;
}

/** Largest autocorrelation of the differences of a frame at the period of a voice: 1 where it repeats. */
function periodicity(frame) {
  const steps = Float64Array.from(frame.subarray(1), (sample, i) => sample - frame[i]);
  let most = 0;
  for (let lag = SHORTEST; lag < LONGEST; lag++) {
    let product = 0;
    for (let i = lag; i < steps.length; i++) product += steps[i] * steps[i - lag];
    most = Math.max(most, product);
  }
  return most / (power(steps) + 1e-12);
}

function power(samples) {
  return samples.reduce((sum, sample) => sum + sample * sample, 0);
}

/** As numpy.quantile: between two values, in proportion. */
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b), place = share * (sorted.length - 1), low = Math.floor(place);
  return sorted[low] + (place - low) * (sorted[Math.ceil(place)] - sorted[low]);
}

/** Finds the segments that silero_vad.get_speech_timestamps finds, each as soon as it is final. */
export class SpeechDetector {
  /**
   * @param {object} settings `vad` (without it all is speech), `threshold`, `release`; `min_speech`, `min_silence`, `pad` in seconds.
   * @param {(frames: Float32Array) => Promise<Float32Array>} listen gives a probability for each frame.
   */
  constructor(settings, listen) {
    const { vad, threshold, release, min_speech, min_silence, pad } = settings;
    Object.assign(this, { threshold, release, listen: vad ? listen : (frames) => new Float32Array(frames.length / FRAME).fill(1) });
    [this.minSpeech, this.minSilence, this.pad] = [vad ? min_speech : 0, min_silence, pad].map((span) => Math.round(span * RATE));
    this.rest = new Float32Array(0); // less than a frame
    this.reached = 0; // samples in frames
    this.start = this.quiet = null; // where speech began; where it perhaps ended
    this.certain = null; // padded start of speech that is long enough to stay
    this.pending = null; // padded start and unpadded end of a segment whose pad is not sure yet
  }

  /** @returns {Promise<number[][]>} start and end of each segment that these samples made final. */
  async feed(samples) {
    const waiting = joined(this.rest, samples);
    const whole = waiting.length - (waiting.length % FRAME);
    this.rest = waiting.slice(whole);
    if (!whole) return [];
    const found = await this.listen(waiting.subarray(0, whole));
    return Array.from(found).flatMap((probability) => this.advance(probability, FRAME));
  }

  /** The segments that the end of the recording makes final; zeros fill the last frame. */
  async finish() {
    const rest = this.rest.length, segments = [];
    if (rest) {
      const [probability] = await this.listen(joined(this.rest, new Float32Array(FRAME - rest)));
      segments.push(...this.advance(probability, rest));
    }
    this.quiet = null; // silence that the end cuts short ends nothing
    segments.push(...this.final());
    if (this.ongoing) segments.push([this.ongoing[0], Math.min(this.reached, this.ongoing[1] + this.pad)]);
    this.start = this.certain = this.pending = null;
    return segments;
  }

  /** Start and least end of the segment that is certain but not final; null where there is none. */
  get ongoing() {
    return this.certain === null ? this.pending : [this.certain, this.quiet ?? this.reached];
  }

  /** Sample before which no segment to come begins. */
  get settled() {
    return this.ongoing?.[0] ?? Math.max(0, (this.start ?? this.reached) - this.pad);
  }

  advance(probability, samples) {
    this.judge(probability);
    this.reached += samples;
    return this.final();
  }

  /** The hysteresis of get_speech_timestamps, for the frame that begins at `reached`. */
  judge(probability) {
    const undecided = this.quiet !== null && this.reached - this.quiet >= UNDECIDED;
    if (probability >= this.threshold) {
      this.quiet = null;
      this.start ??= this.reached;
    } else if (this.start !== null && (probability < this.release || undecided)) {
      this.quiet ??= this.reached;
      if (this.reached - this.quiet < this.minSilence) return;
      if (this.certain !== null) this.pending = [this.certain, this.quiet];
      this.start = this.quiet = this.certain = null;
    }
  }

  /** The segment before, once it is sure where the next one begins, or that none is near. */
  final() {
    const begin = this.start ?? this.reached, reached = this.quiet ?? this.reached, segments = [];
    const grown = this.start !== null && this.certain === null && reached - begin > this.minSpeech;
    let pad = this.pad;
    if (this.pending && (grown || begin - this.pending[1] >= 2 * pad)) {
      const [start, end] = this.pending;
      pad = Math.min(pad, Math.floor((begin - end) / 2));
      segments.push([start, end + pad]);
      this.pending = null;
    }
    if (grown) this.certain = Math.max(0, begin - pad);
    return segments;
  }
}

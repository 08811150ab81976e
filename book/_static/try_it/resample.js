// Another sampling rate, block by block: a windowed sinc with the pass band of soxr's high quality, which Python uses.

const PASS_BAND = 0.913; // of the lower Nyquist frequency; above it the filter falls, and stops at 1
const REJECTION = 126; // dB
const CUTOFF = 0.957; // where half of the amplitude is left, in the same unit
const BETA = 0.1102 * (REJECTION - 8.7); // Kaiser's window
const HALF_WIDTH = (REJECTION - 8) / (2.285 * Math.PI * (1 - PASS_BAND)) / 2; // periods of the lower rate

/**
 * Converts a waveform that arrives in blocks.
 * @param {number} from Hz
 * @param {number} to Hz
 * @returns {{push: (block: Float32Array) => Float32Array, finish: () => Float32Array}} `finish` gives what is left.
 */
export function resampler(from, to) {
  if (from === to) return { push: (block) => block, finish: () => new Float32Array(0) };
  const divisor = commonDivisor(from, to);
  const up = to / divisor, down = from / divisor;
  const half = Math.ceil(HALF_WIDTH * Math.max(1, from / to));
  const filters = new Map();
  let history = new Float32Array(half), start = -half; // `start` is the place of history[0] in the waveform
  let received = 0, given = 0; // samples

  function filter(phase) {
    if (!filters.has(phase)) filters.set(phase, kernel(phase / up, half, Math.min(1, to / from)));
    return filters.get(phase);
  }

  function convert(until) {
    const converted = new Float32Array(Math.max(0, until - given));
    for (let i = 0; i < converted.length; i++, given++) {
      const place = Math.floor((given * down) / up), weights = filter((given * down) % up);
      const first = place - half + 1 - start;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * history[first + k];
      converted[i] = sum;
    }
    const used = Math.floor((given * down) / up) - half + 1 - start;
    history = history.subarray(Math.min(used, history.length));
    start += Math.min(used, history.length + used);
    return converted;
  }

  function push(block) {
    received += block.length;
    history = joined(history, block);
    return convert(Math.ceil(((received - half) * up) / down));
  }

  function finish() {
    history = joined(history, new Float32Array(half + 1));
    return convert(Math.round((received * up) / down));
  }

  return { push, finish };
}

/** Weights of the samples around one output that lies `shift` of a sample behind sample 0; their places are 1 - half ... half. */
function kernel(shift, half, ratio) {
  const cutoff = ratio * CUTOFF;
  const weights = new Float64Array(2 * half);
  for (let k = 0; k < weights.length; k++) {
    const time = k + 1 - half - shift;
    const angle = Math.PI * cutoff * time;
    const sinc = time === 0 ? 1 : Math.sin(angle) / angle;
    weights[k] = cutoff * sinc * (bessel(BETA * Math.sqrt(Math.max(0, 1 - (time / half) ** 2))) / bessel(BETA));
  }
  return weights;
}

/** Modified Bessel function of order 0. */
function bessel(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

export function joined(...parts) {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

function commonDivisor(a, b) {
  return b ? commonDivisor(b, a % b) : a;
}

// One speaker's mean logits, as sercore/runtime/speaker.py.

import { shares, sum } from "./voice_note.js";

const PRIOR = 8; // windows with the training speakers' mean, which count as come before
const LEAST = 1e-9; // of a probability, before its logarithm

/** Gets to know one speaker, window by window. */
export class Speaker {
  /** @param {number[]} home where the training speakers' mean logits lie. */
  constructor(home) {
    this.home = home;
    this.forget();
  }

  forget() {
    this.count = PRIOR;
    this.total = this.home.map((value) => PRIOR * value);
  }

  /** How many windows are known. */
  get known() {
    return this.count - PRIOR;
  }

  /** The probabilities of a window for this speaker, who is known better from now on. */
  meet(probabilities) {
    const logits = probabilities.map((share) => Math.log(Math.max(share, LEAST)));
    const middle = sum(logits) / logits.length;
    this.count += 1;
    this.total = this.total.map((value, i) => value + logits[i] - middle);
    return shares(logits.map((value, i) => Math.exp(value - middle - this.total[i] / this.count + this.home[i])));
  }
}

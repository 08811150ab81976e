/** A sentence for the reader: what cannot be done, and what to do instead. */
export class Refusal extends Error {
  /**
   * @param {string} state of the page: "refused" or "undecodable".
   * @param {string} sentence
   */
  constructor(state, sentence) {
    super(sentence);
    this.state = state;
  }
}

// The page's side of the worker: calls are served in their order, reports come in between.

const STEP = 512 / 16000; // s of one step of the outline

/**
 * Starts the worker.
 * @param {(share: number) => void} onLoading called with the share of the files that has come, from 0 to 1.
 * @param {(latest: object) => void} onReport given `note` (the fields of VoiceNote.as_dict()), how many windows of the speaker
 *     are `known`, `ongoing` ([start, end] of speech that goes on, or undefined) and the outline of the recording: `peaks`
 *     ([low, high, ...]) every `step` seconds.
 * @returns {{load, start, feed, finish, adjust, forget}} see worker.js; each gives a promise.
 */
export function analysis(onLoading, onReport) {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let calls = 0, peaks = [];

  worker.onmessage = ({ data }) => {
    if (data.loaded !== undefined) onLoading(data.loaded);
    else if (data.note) onReport({ ...data, peaks: peaks = peaks.concat(data.peaks), step: STEP });
    else settle(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    waiting.forEach(({ reject }) => reject(new Error(event.message ?? "the worker did not start")));
    waiting.clear();
  };

  function settle({ id, value, error }) {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(value);
  }

  function call(name, argument, transfer = []) {
    return new Promise((resolve, reject) => {
      waiting.set(++calls, { resolve, reject });
      worker.postMessage({ id: calls, call: name, argument }, transfer);
    });
  }

  function start(rate) {
    peaks = [];
    return call("start", rate);
  }

  return {
    load: (settings) => call("load", settings),
    start,
    feed: (samples) => call("feed", samples, [samples.buffer]),
    finish: () => call("finish"),
    adjust: (wanted) => call("adjust", wanted),
    forget: () => call("forget"),
  };
}

// WAV files, read in pieces at their own rate: a long one is never held whole, and 16 kHz arrive as they were written.

import { Refusal } from "./refusal.js";

const PCM = 1, FLOAT = 3, EXTENSIBLE = 0xfffe;
const PIECE = 2 ** 20; // bytes read at a time
const RATES = [1_000, 400_000]; // Hz, as in Python
const LOUDEST = 1e10; // of full scale, as in Python
const NO_LENGTH = 2_000_000_000; // bytes; what writers to a pipe put into the header, who cannot know, is above it
const READERS = {
  [`${PCM} 8`]: (view, place) => (view.getUint8(place) - 128) / 2 ** 7,
  [`${PCM} 16`]: (view, place) => view.getInt16(place, true) / 2 ** 15,
  [`${PCM} 24`]: (view, place) => (view.getUint8(place) + (view.getInt16(place + 1, true) << 8)) / 2 ** 23,
  [`${PCM} 32`]: (view, place) => view.getInt32(place, true) / 2 ** 31,
  [`${FLOAT} 32`]: (view, place) => view.getFloat32(place, true),
  [`${FLOAT} 64`]: (view, place) => view.getFloat64(place, true),
};

/**
 * Reads the header of a file.
 * @param {Blob} file
 * @returns {Promise<?{rate: number, seconds: number, blocks: AsyncGenerator<Float32Array>}>} Hz, and one channel as the
 *     average of all; null where this is no WAV, or one of an encoding that only the browser may know.
 * @throws {Refusal} it is cut short, its header is damaged; while it is read also where it holds values that are not finite.
 */
export async function openWav(file) {
  if ((await text(file, 0)) !== "RIFF" || (await text(file, 8)) !== "WAVE") return null;
  let format = null;
  for (let place = 12; place + 8 <= file.size; ) {
    const name = await text(file, place), length = (await bytes(file, place + 4, 4)).getUint32(0, true);
    if (name === "fmt ") format = parsed(file, await bytes(file, place + 8, Math.min(length, 40)));
    if (name === "data") return format && opened(file, format, place + 8, length);
    place += 8 + length + (length % 2);
  }
  return null;
}

function parsed(file, view) {
  if (view.byteLength < 16) throw new Refusal("undecodable", `${file.name} has a damaged header; record or copy it again.`);
  const named = view.getUint16(0, true), bits = view.getUint16(14, true);
  const tag = named === EXTENSIBLE && view.byteLength >= 26 ? view.getUint16(24, true) : named;
  const read = READERS[`${tag} ${bits}`];
  const channels = view.getUint16(2, true), rate = view.getUint32(4, true);
  if (!channels || rate < RATES[0] || rate > RATES[1]) {
    throw new Refusal("undecodable", `${file.name} claims ${channels} channels at ${rate} Hz; its header is damaged.`);
  }
  return read && { read, channels, rate, width: bits / 8 };
}

function opened(file, format, start, promised) {
  const length = Math.min(promised, file.size - start);
  if (length < promised && promised < NO_LENGTH) throw new Refusal("undecodable", `${file.name} is cut short; record or copy it again.`);
  const frame = format.channels * format.width;
  const frames = Math.floor(length / frame);
  return { rate: format.rate, seconds: frames / format.rate, blocks: blocks(file, format, start, frames * frame) };
}

async function* blocks(file, { read, channels, width }, start, length) {
  const frame = channels * width, step = Math.floor(PIECE / frame) * frame;
  for (let place = 0; place < length; place += step) {
    const view = await bytes(file, start + place, Math.min(step, length - place));
    const block = new Float32Array(view.byteLength / frame);
    for (let i = 0; i < block.length; i++) {
      let sum = 0;
      for (let channel = 0; channel < channels; channel++) sum += read(view, i * frame + channel * width);
      block[i] = sum / channels;
    }
    if (!block.every((value) => Math.abs(value) <= LOUDEST)) {
      throw new Refusal("undecodable", `${file.name} holds values that are not finite, or too large.`);
    }
    yield block;
  }
}

async function bytes(file, place, length) {
  return new DataView(await file.slice(place, place + length).arrayBuffer());
}

async function text(file, place) {
  return new TextDecoder("latin1").decode(await bytes(file, place, 4));
}

// A voice note over time, as sercore.page.timeline draws it: level, speech, and the emotion of each window.

const SPACE = "http://www.w3.org/2000/svg";
const LEFT = 54, RIGHT = 8; // pixels beside the panels
const LEVEL = [4, 74], SPEECH = [82, 96], SHARES = [116, 256], HEIGHT = 294; // top and bottom of each panel
const TICKS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]; // s
const LEAST_EDGED = 4; // pixels; narrower windows are drawn without an edge
const TICK_WIDTH = 64; // pixels, at least
export const HATCHES = ["none", "lines", "none", "dots"]; // what colour says is said again, in the order of the labels

/**
 * Draws into an SVG element, at its width.
 * @param {SVGElement} svg
 * @param {{note: object, ongoing: ?number[], peaks: number[], step: number}} latest see analysis.js.
 * @param {string[]} labels
 */
export function draw(svg, latest, labels) {
  const width = Math.max(240, svg.clientWidth);
  const seconds = Math.max(latest.note.seconds, 1e-3);
  const x = (time) => LEFT + (Math.min(time, seconds) / seconds) * (width - LEFT - RIGHT);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(
    title(latest.note, labels),
    patterns(),
    ...level(latest, x, width),
    ...speech(latest, x),
    ...shares(latest.note.windows, labels, x),
    ...axis(seconds, x, width),
  );
}

function level({ note, peaks, step }, x, width) {
  const columns = Math.max(1, Math.min(Math.floor(width - LEFT - RIGHT), peaks.length / 2));
  const loudest = peaks.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-4);
  const [top, bottom] = LEVEL, middle = (top + bottom) / 2;
  const y = (value) => (middle - (value / loudest) * (middle - top)).toFixed(1);
  const upper = [], lower = [];
  for (let column = 0; column < columns && peaks.length; column++) {
    const [first, last] = [column, column + 1].map((edge) => 2 * Math.floor((edge * peaks.length) / 2 / columns));
    const part = peaks.slice(first, last), place = x(((first / 2) * step + (last / 2) * step) / 2).toFixed(1);
    upper.push(`${place},${y(Math.max(0, ...part))}`);
    lower.unshift(`${place},${y(Math.min(0, ...part))}`);
  }
  const bands = note.segments.map(({ start, end }) => box("detected", x(start), top, x(end) - x(start), bottom - top));
  return [...bands, shape("polygon", { class: "level", points: [...upper, ...lower].join(" ") }), name("level", middle)];
}

function speech({ note, ongoing }, x) {
  const [top, bottom] = SPEECH;
  const spans = [...note.segments.map(({ start, end }) => [start, end]), ...(ongoing ? [ongoing] : [])];
  const bars = spans.map(([start, end]) => box("speech", x(start), top, Math.max(1, x(end) - x(start)), bottom - top));
  return [shape("line", { class: "rule", x1: x(0), x2: x(Infinity), y1: bottom, y2: bottom }), ...bars, name("speech", (top + bottom) / 2)];
}

/** Windows as stacked areas; where one reaches into the one before, only what is new of it. */
function shares(windows, labels, x) {
  const [top, bottom] = SHARES, parts = [];
  windows.forEach((window, i) => {
    const start = x(Math.max(window.start, windows[i - 1]?.end ?? 0)), width = x(window.end) - start;
    const kind = width > LEAST_EDGED ? "share edged" : "share";
    let below = 0;
    labels.forEach((label, place) => {
      const height = window[label] * (bottom - top), y = bottom - below - height;
      parts.push(box(`${kind} emotion-${place}`, start, y, width, height));
      if (HATCHES[place % 4] !== "none") parts.push(hatched(HATCHES[place % 4], start, y, width, height));
      if (height > 20 && width > 9 * label.length) parts.push(named(label, place, start + width / 2, y + height / 2 + 5));
      below += height;
    });
  });
  const lines = [0, 0.5, 1].flatMap((share) => {
    const y = bottom - share * (bottom - top);
    return [shape("line", { class: "rule", x1: x(0), x2: x(Infinity), y1: y, y2: y }), name(`${100 * share} %`, y)];
  });
  return [...lines, ...parts];
}

function axis(seconds, x, width) {
  const most = (width - LEFT - RIGHT) / TICK_WIDTH;
  const tick = TICKS.find((length) => seconds / length <= most) ?? TICKS.at(-1);
  const times = Array.from({ length: Math.floor(seconds / tick) + 1 }, (_, i) => i * tick);
  return times.flatMap((time) => [
    shape("line", { class: "tick", x1: x(time), x2: x(time), y1: SHARES[1], y2: SHARES[1] + 5 }),
    written(clock(time, tick < 1 ? 1 : 0), x(time), SHARES[1] + 20, x(time) > width - 20 ? "end" : "middle"),
  ]);
}

/** 75.25 → "1:15" or, with one digit, "1:15.3". */
export function clock(time, digits = 0) {
  const rounded = Number(time.toFixed(digits)), minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

export const strongestOf = (window, labels) => labels.reduce((best, label) => (window[label] > window[best] ? label : best));

function title(note, labels) {
  const whole = `A voice note of ${note.seconds.toFixed(1)} s over time`;
  const said = note.windows.map((window) => strongestOf(window, labels)).join(", ");
  const windows = `Its ${note.windows.length} windows in order: ${said}. The table below has the values.`;
  const element = shape("title", {});
  element.textContent = said ? `${whole}. ${windows}` : `${whole}. No window yet.`;
  return element;
}

function patterns() {
  const definitions = shape("defs", {});
  definitions.innerHTML = `
    <pattern id="try-it-lines" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <line y2="7" class="hatch" /></pattern>
    <pattern id="try-it-dots" width="8" height="8" patternUnits="userSpaceOnUse"><circle cx="4" cy="4" r="1.1" class="dot" /></pattern>`;
  return definitions;
}

const name = (text, y) => written(text, LEFT - 6, y + 4, "end");
const box = (kind, x, y, width, height) => shape("rect", { class: kind, x, y, width: Math.max(0, width), height: Math.max(0, height) });

function named(label, place, x, y) {
  const element = written(label, x, y, "middle");
  element.setAttribute("class", `named emotion-${place}`);
  return element;
}

function hatched(kind, x, y, width, height) {
  const element = box("hatched", x, y, width, height);
  element.setAttribute("fill", `url(#try-it-${kind})`);
  return element;
}

function written(text, x, y, anchor) {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}

function shape(kind, attributes) {
  const element = document.createElementNS(SPACE, kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

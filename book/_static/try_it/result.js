// The emotion of a note, its windows as a table, and the same as a file.

import { HATCHES, clock, draw, percent, strongestOf } from "./picture.js";

/**
 * Shows what was found so far.
 * @param {(part: string) => Element} find gives an element of the page by its name.
 * @param {object} latest see analysis.js.
 * @param {string[]} labels
 * @param {boolean} ended
 */
export function show(find, latest, labels, ended) {
  const { note } = latest;
  find("result").hidden = false;
  find("answer").textContent = headline(note, ended);
  find("answer").hidden = ended && !note.label; // the status says so
  find("detail").textContent = detail(note);
  find("shares").replaceChildren(...labels.map((label, place) => share(label, note.probabilities?.[label] ?? 0, place)));
  find("shares").hidden = !note.label;
  find("windows").replaceChildren(...note.windows.map((window) => row(window, labels)));
  find("segments").textContent = note.segments.map(({ start, end }) => `${clock(start, 1)} – ${clock(end, 1)}`).join(", ");
  find("count").textContent = note.segments.length;
  for (const part of ["table", "spoken"]) find(part).hidden = !note.windows.length;
  find("save").hidden = !ended;
  draw(find("picture"), latest, labels);
}

function headline({ label }, ended) {
  if (!label) return "Listening …";
  return ended ? label : `${label}, so far`;
}

function detail(note) {
  if (!note.label) return `${note.seconds.toFixed(1)} s.`;
  const length = `Of ${note.seconds.toFixed(1)} s, ${note.speech_seconds.toFixed(1)} s are speech`;
  return `Certainty ${percent(note.certainty)}. ${length}, and ${percent(note.agreement)} of it lies in windows with this emotion.`;
}

function share(label, value, place) {
  const row = element("li", "");
  const bar = element("span", "", "bar");
  const fill = element("span", "", `fill emotion-${place} hatch-${HATCHES[place % 4]}`);
  fill.style.width = `${100 * value}%`;
  bar.append(fill);
  bar.ariaHidden = "true";
  row.append(element("span", label, "name"), bar, element("span", percent(value), "value"));
  return row;
}

function row(window, labels) {
  const cells = element("tr", "");
  const best = strongestOf(window, labels);
  const head = element("th", `${clock(window.start, 1)} – ${clock(window.end, 1)}`);
  head.scope = "row";
  cells.append(head, element("td", percent(window.speech), "value"), element("td", best));
  for (const label of labels) cells.append(element("td", percent(window[label]), label === best ? "value best" : "value"));
  return cells;
}

/** The head of the windows' table; its last columns are the labels. */
export function heads(find, labels) {
  const row = element("tr", "");
  for (const text of ["window", "speech", "emotion", ...labels]) row.append(Object.assign(element("th", text), { scope: "col" }));
  find("heads").replaceChildren(row);
}

/** Offers the note as a file: the fields of VoiceNote.as_dict(). */
export function save(note, name) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(note, null, 1)], { type: "application/json" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: `${name}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function element(kind, text, className = "") {
  return Object.assign(document.createElement(kind), { textContent: text, className });
}

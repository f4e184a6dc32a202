"use strict";
// What all parts of the page share: the study, its sounds, and small helpers. Texts are set as text, never as HTML.
const percept = { study: JSON.parse(document.getElementById("data").textContent) };
percept.find = (id) => document.getElementById(id);
percept.make = (tag, text = "", attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== "") element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
percept.fill = (select, entries) => {
  select.replaceChildren(...entries.map(([value, text]) => percept.make("option", text, { value })));
};
percept.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
percept.palette = [
  "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#56b4e9", "#ca9161", "#8d8d8d", "#ece133", "#fbafe4",
];
percept.show = (value) => {
  if (value === null) return "";
  const far = Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3);
  return far ? value.toExponential(2) : String(Number(value.toPrecision(4)));
};
percept.family = (name) => percept.study.families[name] ? percept.study.families[name].title : name || "other";
// An alert in a place of its own: that of the player, or of the blind test.
percept.trouble = (text, place = "trouble") => {
  percept.find(place).textContent = text;
  percept.find(place).hidden = !text;
};
percept.narrow = matchMedia("(max-width: 700px)");
percept.label = (measure) => measure.unit ? `${measure.title} [${measure.unit}]` : measure.title;
percept.save = (name, text) => {
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = percept.make("a", "", { download: name, href });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
};
percept.csv = (rows) => rows.map((row) => row.map((cell) => {
  const text = cell === null || cell === undefined ? "" : String(cell);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}).join(",")).join("\n") + "\n";
percept.sounds = new Map(
  percept.study.sounds.map((sound, index) => [`${sound.clip}\n${sound.condition}`, { ...sound, index }]),
);
percept.sound = (clip, condition) => percept.sounds.get(`${clip}\n${condition}`);
// Why this version cannot be heard; empty where it can.
percept.missing = (clip, condition) => {
  if (percept.sound(clip, "reference") && percept.sound(clip, condition)) return "";
  const neither = percept.sound(clip, "reference") ? "" : ", and neither is the reference of its clip";
  return `${condition} of ${clip} is not on this page${neither}: what was left out, and why, stands under "Listen".`;
};
percept.row = (clip, condition) =>
  percept.study.rows.find((row) => row.clip === clip && row.condition === condition);
// A file's name may hold what means something else in an address.
percept.address = (path) => path.split("/").map(encodeURIComponent).join("/");
percept.bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// Sounds as decoded buffers; the last are kept, up to some minutes: a minute of one channel takes about 12 MB.
percept.audio = {
  context: null,
  output: null,
  kept: new Map(),
  most: 600,
  files: new Map(),
  ready() {
    if (!this.context) {
      this.context = new AudioContext();
      this.output = new GainNode(this.context);
      this.output.connect(this.context.destination);
    }
    if (this.context.state === "suspended") this.context.resume();
    return this.context;
  },
  content(sound) {
    return percept.bytes(percept.find(`sound-${sound.index}`).textContent);
  },
  async buffer(sound) {
    const known = this.kept.get(sound.index);
    if (known) {
      this.kept.delete(sound.index);
      this.kept.set(sound.index, known);
      return known;
    }
    const data = sound.embedded ? this.content(sound).buffer : await this.fetched(sound.link);
    const buffer = await this.ready().decodeAudioData(data);
    this.kept.set(sound.index, buffer);
    this.bounded(sound.index);
    return buffer;
  },
  bounded(last) {
    const length = (buffer) => buffer.duration * buffer.numberOfChannels;
    let all = [...this.kept.values()].reduce((sum, buffer) => sum + length(buffer), 0);
    for (const [index, buffer] of this.kept) {
      if (all <= this.most) return;
      if (index !== last) {
        this.kept.delete(index);
        all -= length(buffer);
      }
    }
  },
  async fetched(link) {
    const answer = await fetch(percept.address(link));
    if (!answer.ok) throw new Error(`${link}: ${answer.status} ${answer.statusText}`);
    return answer.arrayBuffer();
  },
  // Where the browser's own player finds the sound.
  file(sound) {
    if (!sound.embedded) return percept.address(sound.link);
    if (!this.files.has(sound.index)) {
      const blob = new Blob([this.content(sound)], { type: "audio/flac" });
      this.files.set(sound.index, URL.createObjectURL(blob));
    }
    return this.files.get(sound.index);
  },
};

"use strict";
// Reference and version play at once, from one clock; A/B turns one down and the other up, so the position is the same.
(() => {
  const { find, make, study, audio } = percept;
  const state = { clip: "", condition: "", reference: false, playing: false, loop: false, match: false, at: 0, started: 0, from: 0, to: 1, voices: [] };
  const player = percept.player = { state };
  const clips = [...new Set(study.sounds.filter((sound) => sound.condition === "reference").map((sound) => sound.clip))];
  if (!clips.length) return;
  find("player").hidden = false;
  find("silent").hidden = true;

  const seconds = () => percept.sound(state.clip, "reference").seconds;
  const span = () => [state.from * seconds(), state.to * seconds()];
  player.position = () => {
    if (!state.playing || !state.voices.length) return state.at;
    const told = state.voices[0].now();
    if (told !== null) return told;
    const passed = state.at + audio.context.currentTime - state.started;
    const [from, to] = span();
    if (!state.loop || passed < to || to <= from) return Math.min(passed, seconds());
    return from + (passed - from) % (to - from);
  };
  player.gains = () => state.voices.map((voice) => voice.level());

  const pair = () => [percept.sound(state.clip, "reference"), percept.sound(state.clip, state.condition)].filter(Boolean);
  const key = () => pair().map((sound) => sound.index).join();
  // Levels are matched by lowering the louder of the two, so that nothing clips.
  const level = (sound) => {
    const both = pair().map(({ lufs }) => lufs);
    return !state.match || both.includes(null) ? 1 : 10 ** ((Math.min(...both) - sound.lufs) / 20);
  };
  const stop = () => {
    for (const voice of state.voices) voice.stop();
    state.voices = [];
  };
  const loaded = async (sounds) => {
    if (sounds.some(percept.needsFiles)) return null;
    try { return await Promise.all(sounds.map((sound) => audio.buffer(sound))); } catch (error) { percept.trouble(`A sound cannot be played: ${error.message}`); return undefined; }
  };
  const start = async () => {
    const context = audio.ready(), sounds = pair(), wanted = key();
    percept.trouble("");
    const buffers = await loaded(sounds);
    if (!state.playing || key() !== wanted) return;
    const at = player.position();
    stop();
    if (buffers === undefined) { Object.assign(state, { playing: false, at: 0 }); return; }
    state.at = at >= seconds() - 0.01 ? span()[0] : at;
    state.started = context.currentTime;
    const how = { when: state.started, at: state.at, loop: state.loop, from: span()[0], to: span()[1] };
    state.voices = sounds.map((sound, index) => ({ sound, ...(buffers ? percept.sampled(buffers[index], how) : percept.filed(sound, how)) }));
    state.voices[0].ended(() => { if (state.playing && !state.loop) { stop(); Object.assign(state, { playing: false, at: 0 }); shown(); } });
    heard();
  };
  const heard = () => {
    for (const [index, voice] of state.voices.entries()) {
      const on = state.voices.length === 1 || (index === 0) === state.reference;
      voice.set(on ? level(voice.sound) : 0);
    }
  };
  player.play = async (on = !state.playing) => {
    if (on === state.playing) return;
    if (on) { audio.ready(); state.playing = true; state.started = audio.context.currentTime; await start(); }
    else { state.at = player.position(); state.playing = false; stop(); }
    shown();
  };
  player.toggle = () => {
    state.reference = !state.reference;
    heard();
    shown();
  };
  player.seek = async (at) => {
    const playing = state.playing;
    state.playing = false; stop();
    state.at = Math.max(0, Math.min(at, seconds() - 0.02));
    state.playing = playing;
    if (playing) { state.started = audio.context.currentTime; await start(); }
    shown();
  };
  player.loop = async (on = !state.loop) => {
    state.at = player.position(); if (state.playing) state.started = audio.context.currentTime;
    state.loop = on;
    if (on && (state.at < span()[0] || state.at >= span()[1])) state.at = span()[0];
    if (state.playing) { await start(); }
    shown();
  };
  player.select = async (clip, condition, play = false) => {
    if (!percept.sound(clip, "reference")) return;
    if (clip !== state.clip) {
      if (state.playing) { state.playing = false; stop(); }
      Object.assign(state, { clip, at: 0, from: 0, to: 1 });
      versions();
    }
    state.condition = condition;
    find("clip").value = clip;
    if (state.playing) await start(); else if (play) { state.reference = false; await player.play(true); }
    shown();
  };

  const conditions = () => study.sounds.filter((sound) => sound.clip === state.clip && sound.condition !== "reference").map((sound) => sound.condition);
  const versions = () => {
    find("versions").replaceChildren(...conditions().map((condition) => {
      const button = make("button", condition, { type: "button", role: "radio", "data-condition": condition });
      button.addEventListener("click", () => player.select(state.clip, condition));
      return button;
    }));
  };
  const values = () => {
    const row = percept.row(state.clip, state.condition);
    if (!row) return find("values").replaceChildren();
    const table = make("table");
    table.append(make("caption", `${state.clip}, ${state.condition}`));
    study.measures.forEach((measure, index) => {
      const line = make("tr");
      line.append(make("th", percept.label(measure), { scope: "row" }));
      const value = row.values[index];
      line.append(value === null ? make("td", row.reasons[index] || "none", { class: "missing" }) : make("td", percept.show(value), { class: "number" }));
      table.append(line);
    });
    find("values").replaceChildren(table);
  };
  let picture = new Image();
  const shown = () => {
    find("play").textContent = state.playing ? "Pause" : "Play";
    find("play").setAttribute("aria-pressed", state.playing);
    find("ab").setAttribute("aria-pressed", state.reference);
    const told = `${state.clip}: ${state.reference ? "the reference" : state.condition}`;
    if (find("heard").textContent !== told) find("heard").textContent = told;
    find("loop").setAttribute("aria-pressed", state.loop);
    for (const button of find("versions").children) {
      const on = button.dataset.condition === state.condition;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
    }
    find("from").value = Math.round(1000 * state.from);
    find("to").value = Math.round(1000 * state.to);
    const seen = percept.sound(state.clip, state.reference ? "reference" : state.condition);
    if (seen && player.seen !== seen.index) {
      player.seen = seen.index;
      picture = new Image();
      picture.onload = draw;
      if (seen.picture) picture.src = `data:image/png;base64,${seen.picture}`;
      values();
    }
    draw();
  };
  const outlined = (pen, width, half, outline) => {
    const ends = new Int8Array(percept.bytes(outline).buffer), count = ends.length / 2;
    const place = (value) => half / 2 * (1 - value / 127);
    const corners = [...ends.keys()].map((i) => i < count ? [i, ends[2 * i + 1]] : [2 * count - 1 - i, ends[2 * (2 * count - 1 - i)]]);
    pen.fillStyle = pen.strokeStyle = "#7db8f0";
    pen.beginPath();
    for (const [i, value] of corners) pen.lineTo((i + 0.5) * width / count, place(value));
    pen.closePath(); pen.fill(); pen.stroke();
  };
  const told = (pen, text, x, y) => {
    pen.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    pen.textBaseline = "top";
    const width = pen.measureText(text).width + 8 * devicePixelRatio, height = 17 * devicePixelRatio;
    pen.fillStyle = "rgba(0, 0, 0, .7)"; pen.fillRect(x, y, width, height);
    pen.fillStyle = "#fff"; pen.fillText(text, x + 4 * devicePixelRatio, y + 3 * devicePixelRatio);
    return height;
  };
  const draw = () => {
    const canvas = find("screen"), pen = canvas.getContext("2d");
    const { width, height } = canvas, half = height / 3;
    const seen = percept.sound(state.clip, state.reference ? "reference" : state.condition);
    pen.fillStyle = "#000"; pen.fillRect(0, 0, width, height);
    if (!seen) return;
    if (seen.picture && picture.complete && picture.naturalWidth) {
      pen.drawImage(picture, 0, half, width, height - half);
      told(pen, `${Number((seen.rate / 2000).toPrecision(3))} kHz`, 0, half);
      told(pen, "0", 0, height - 17 * devicePixelRatio);
    } else told(pen, "no picture of this sound", 0, half);
    outlined(pen, width, half, seen.outline);
    if (state.from > 0 || state.to < 1) {
      pen.fillStyle = "rgba(255, 255, 255, .25)";
      pen.fillRect(state.from * width, 0, (state.to - state.from) * width, height);
    }
    const at = player.position();
    pen.fillStyle = "#fff"; pen.fillRect(at / seconds() * width - 1, 0, 2 * devicePixelRatio, height);
    find("time").textContent = `${at.toFixed(2)} s of ${seconds().toFixed(2)} s`;
    if (document.activeElement !== find("seek")) find("seek").value = Math.round(1000 * at / seconds());
  };
  new ResizeObserver(([{ contentRect: box }]) => {
    Object.assign(find("screen"), { width: Math.round(box.width * devicePixelRatio), height: Math.round(box.height * devicePixelRatio) });
    draw();
  }).observe(find("screen"));
  const tick = () => { if (state.playing) draw(); requestAnimationFrame(tick); };

  percept.fill(find("clip"), clips.map((clip) => [clip, clip]));
  find("clip").addEventListener("change", (event) => { const clip = event.target.value; player.select(clip, (study.sounds.find((s) => s.clip === clip && s.condition !== "reference") || { condition: "reference" }).condition); });
  find("play").addEventListener("click", () => player.play());
  find("ab").addEventListener("click", player.toggle);
  find("loop").addEventListener("click", () => player.loop());
  find("match").disabled = study.sounds.every((sound) => sound.lufs === null);
  find("match").addEventListener("change", (event) => { state.match = event.target.checked; heard(); });
  find("seek").addEventListener("input", (event) => player.seek(event.target.value / 1000 * seconds()));
  const selection = () => {
    state.from = Math.min(find("from").value, find("to").value - 1) / 1000;
    state.to = Math.max(find("to").value, Number(find("from").value) + 1) / 1000;
    if (state.loop) player.loop(true); else shown();
  };
  find("from").addEventListener("input", selection);
  find("to").addEventListener("input", selection);
  let grip = null;
  const place = (event) => { const box = find("screen").getBoundingClientRect(); return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)); };
  find("screen").addEventListener("pointerdown", (event) => { grip = place(event); find("screen").setPointerCapture(event.pointerId); });
  find("screen").addEventListener("pointermove", (event) => {
    if (grip === null || Math.abs(place(event) - grip) < 0.005) return;
    [state.from, state.to] = [Math.min(grip, place(event)), Math.max(grip, place(event))];
    draw();
  });
  find("screen").addEventListener("pointerup", (event) => {
    const click = Math.abs(place(event) - grip) < 0.005;
    if (click) player.seek(grip * seconds()); else if (state.loop) player.loop(true); else shown();
    grip = null;
  });
  const step = (by) => {
    const all = conditions(), next = all[(all.indexOf(state.condition) + by + all.length) % all.length];
    if (next) { player.select(state.clip, next); if (find("versions").contains(document.activeElement)) find("versions").querySelector(`[aria-checked="true"]`).focus(); }
  };
  document.addEventListener("keydown", (event) => {
    if (!find("keys").checked || event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable], #trial") || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target.closest("button, summary, a, input");
    const keys = {
      x: player.toggle, l: () => player.loop(), ArrowLeft: () => player.seek(player.position() - 0.5), ArrowRight: () => player.seek(player.position() + 0.5),
      ArrowUp: () => step(-1), ArrowDown: () => step(1), " ": onButton ? null : () => player.play(),
    };
    const scrolls = event.key.startsWith("Arrow") && !find("listen").contains(event.target) && event.target !== document.body;
    if (!keys[event.key] || scrolls) return;
    event.preventDefault();
    keys[event.key]();
  });
  player.select(clips[0], (study.sounds.find((sound) => sound.clip === clips[0] && sound.condition !== "reference") || { condition: "reference" }).condition);
  requestAnimationFrame(tick);
})();

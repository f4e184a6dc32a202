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
  const tracks = () => state.condition === "reference" ? pair().slice(0, 1) : pair();
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
    if (on) { if (percept.blind) percept.blind.silence(); audio.ready(); state.playing = true; state.started = audio.context.currentTime; await start(); }
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
    if (play) state.reference = false;
    if (state.playing) await start(); else if (play) await player.play(true);
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
  const announce = (id, text) => { if (find(id).getAttribute("aria-valuetext") !== text) find(id).setAttribute("aria-valuetext", text); };
  const exactly = (value) => `${value.toFixed(2)} s`;
  const shown = () => {
    find("play").textContent = state.playing ? "Pause" : "Play";
    find("ab").setAttribute("aria-pressed", state.reference);
    const told = `${state.clip}: ${state.reference ? "the reference" : state.condition}`;
    if (find("heard").textContent !== told) find("heard").textContent = told;
    find("loop").setAttribute("aria-pressed", state.loop);
    for (const button of find("versions").children) {
      const on = button.dataset.condition === state.condition;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
    }
    const [from, to] = span();
    find("from").value = Math.round(1000 * state.from);
    find("to").value = Math.round(1000 * state.to);
    announce("from", exactly(from));
    announce("to", exactly(to));
    find("selected").textContent = state.from > 0 || state.to < 1 ? `selected ${from.toFixed(2)}–${exactly(to)}` : "";
    const version = `${state.clip}\n${state.condition}`;
    if (player.told !== version) { player.told = version; values(); }
    draw();
    if (state.playing && !player.ticking) { player.ticking = true; requestAnimationFrame(tick); }
  };
  const draw = () => {
    const at = player.position(), length = seconds();
    percept.screen.draw({ sounds: tracks(), heard: state.reference || state.condition === "reference" ? 0 : 1, at, length, from: state.from, to: state.to });
    find("time").textContent = `${exactly(at)} of ${exactly(length)}`;
    if (document.activeElement !== find("seek")) find("seek").value = Math.round(1000 * at / length);
    announce("seek", exactly(at));
  };
  // Frames are asked for only while something plays.
  const tick = () => {
    for (const voice of state.voices) voice.tick();
    draw();
    player.ticking = state.playing;
    if (state.playing) requestAnimationFrame(tick);
  };
  new ResizeObserver(([{ contentRect: box }]) => {
    Object.assign(find("screen"), { width: Math.round(box.width * devicePixelRatio), height: Math.round(box.height * devicePixelRatio) });
    draw();
  }).observe(find("screen"));

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
    shown();
  });
  find("screen").addEventListener("pointerup", (event) => {
    const click = Math.abs(place(event) - grip) < 0.005;
    if (click) player.seek(grip * seconds()); else if (state.loop) player.loop(true); else shown();
    grip = null;
  });
  const step = (by) => {
    const all = conditions(), next = all[(all.indexOf(state.condition) + by + all.length) % all.length];
    if (!next) return;
    player.select(state.clip, next);
    if (find("versions").contains(document.activeElement)) [...find("versions").children].find((button) => button.dataset.condition === next).focus();
  };
  // As in any group of radio buttons, whether or not the keys of the page are on.
  find("versions").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    step(by);
  });
  // x and l act anywhere; what scrolls a page, or presses a button, only within the player.
  document.addEventListener("keydown", (event) => {
    if (!find("keys").checked || !find("trial").hidden || event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target.closest("button:not([role=radio]), summary, a, input");
    const here = find("listen").contains(event.target) && !event.target.closest(".scroll");
    const keys = {
      x: player.toggle, l: () => player.loop(), ArrowLeft: () => player.seek(player.position() - 0.5), ArrowRight: () => player.seek(player.position() + 0.5),
      ArrowUp: () => step(-1), ArrowDown: () => step(1), " ": onButton ? null : () => player.play(),
    };
    if (!keys[event.key] || !(here || event.key === "x" || event.key === "l")) return;
    event.preventDefault();
    keys[event.key]();
  });
  player.select(clips[0], (study.sounds.find((sound) => sound.clip === clips[0] && sound.condition !== "reference") || { condition: "reference" }).condition);
})();

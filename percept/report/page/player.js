"use strict";
// Reference and version play at once, from one clock; A/B turns one down and the other up, so the position is the same.
(() => {
  const { find, make, study, audio } = percept;
  // Voices begin a little later than now: so both can be told to begin at the same sample.
  const LEAD_S = 0.03, LONGEST_LEAD_S = 1, STEP_S = 0.5, TOLD_MS = 1000, CLICK = 0.005;
  const state = {
    clip: "", condition: "", reference: false, playing: false, loop: false, match: false,
    from: 0, to: 1,  // the selection, as shares of the clip's length
    voices: [], at: 0, started: 0,  // at this time of the audio clock the voices are at this second of the clip
    lead: 0,  // for so long before, they stand for those before them, which go on until then
    round: null,  // the seconds between which the voices go round
  };
  const player = percept.player = { state };
  const references = study.sounds.filter((sound) => sound.condition === "reference");
  const clips = [...new Set(references.map((sound) => sound.clip))];
  if (!clips.length) return;
  find("player").hidden = false;
  find("silent").hidden = true;

  const seconds = () => percept.sound(state.clip, "reference").seconds;
  const span = () => [state.from * seconds(), state.to * seconds()];
  // Where the decoded voices are at a time of the audio clock.
  const placed = (time) => {
    const passed = state.at + Math.max(-state.lead, time - state.started);
    if (!state.round) return Math.min(passed, seconds());
    const [from, to] = state.round, length = to - from;
    if (passed >= from && passed < to) return passed;
    return from + ((passed - from) % length + length) % length;
  };
  player.position = () => {
    if (!state.playing || !state.voices.length) return state.at;
    const told = state.voices[0].now();
    return told === null ? placed(audio.context.currentTime) : told;
  };
  player.gains = () => state.voices.map((voice) => voice.level());

  const pair = () =>
    [percept.sound(state.clip, "reference"), percept.sound(state.clip, state.condition)].filter(Boolean);
  const tracks = () => state.condition === "reference" ? pair().slice(0, 1) : pair();
  const key = () => pair().map((sound) => sound.index).join();
  // Levels are matched by lowering the louder of the two, so that nothing clips.
  const matchable = () => !pair().some(({ lufs }) => lufs === null);
  const level = (sound) => {
    if (!state.match || !matchable()) return 1;
    return 10 ** ((Math.min(...pair().map(({ lufs }) => lufs)) - sound.lufs) / 20);
  };
  const stop = () => {
    for (const voice of state.voices) voice.stop();
    state.voices = [];
  };
  const loaded = async (sounds) => {
    if (sounds.some(percept.needsFiles)) return null;
    try {
      return await Promise.all(sounds.map((sound) => audio.buffer(sound)));
    } catch (error) {
      percept.trouble(`A sound cannot be played: ${error.message}`);
      return undefined;
    }
  };
  const within = (at) => {
    const [from, to] = span();
    return at < seconds() - 0.01 && (!state.loop || (at >= from && at < to)) ? at : from;
  };
  // All voices anew, from the same sample; those that sound already go on until then.
  const begin = (sounds, buffers, lead = LEAD_S) => {
    const { context } = audio, [from, to] = span(), old = state.voices;
    const goes = old.length > 0 && buffers !== null && old[0].now() === null;
    const when = context.currentTime + lead;
    const reached = goes ? placed(when) : player.position();
    const at = within(reached);
    const how = { when, at, loop: state.loop, from, to };
    const voices = sounds.map((sound, index) =>
      ({ sound, ...(buffers ? percept.sampled(buffers[index], how) : percept.filed(sound, how)) }));
    if (buffers && context.currentTime >= when && lead < LONGEST_LEAD_S) {  // too late for one sample
      for (const voice of voices) voice.stop();
      return begin(sounds, buffers, 2 * lead);
    }
    for (const voice of old) voice.stop(goes ? when : undefined);
    const round = state.loop ? [from, to] : null;
    return Object.assign(state, { voices, at, started: when, round, lead: goes && at === reached ? lead : 0 });
  };
  const ended = () => {
    if (!state.playing || state.loop) return;
    stop();
    Object.assign(state, { playing: false, at: 0 });
    shown();
  };
  const start = async () => {
    audio.ready();
    const sounds = pair(), wanted = key();
    percept.trouble("");
    const buffers = await loaded(sounds);
    if (!state.playing || key() !== wanted) return;
    if (buffers === undefined) {
      stop();
      Object.assign(state, { playing: false, at: 0 });
      return;
    }
    begin(sounds, buffers);
    state.voices[0].ended(ended);
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
    if (on) {
      if (percept.blind) percept.blind.silence();
      state.playing = true;
      await start();
    } else {
      state.at = player.position();
      state.playing = false;
      stop();
    }
    shown();
  };
  player.toggle = () => {
    state.reference = !state.reference;
    heard();
    shown();
  };
  player.seek = async (at) => {
    const wanted = Math.max(0, Math.min(at, seconds() - 0.02));
    stop();
    state.at = within(wanted);
    if (state.playing) await start();
    shown();
  };
  player.loop = async (on = !state.loop) => {
    const at = player.position();
    state.loop = on;
    if (on && within(at) !== at) {
      stop();
      state.at = within(at);
    }
    if (state.playing) await start();
    shown();
  };
  player.select = async (clip, condition, play = false) => {
    const missing = percept.missing(clip, condition);
    percept.trouble(missing);
    if (missing) return;
    if (clip !== state.clip) {
      if (state.playing) {
        state.playing = false;
        stop();
      }
      Object.assign(state, { clip, at: 0, from: 0, to: 1 });
      versions();
    }
    state.condition = condition;
    find("clip").value = clip;
    if (play) state.reference = false;
    if (state.playing) await start(); else if (play) await player.play(true);
    shown();
  };

  const others = (clip) => study.sounds.filter((sound) => sound.clip === clip && sound.condition !== "reference");
  const conditions = () => others(state.clip).map((sound) => sound.condition);
  const first = (clip) => (others(clip)[0] || { condition: "reference" }).condition;
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
      const line = make("tr"), value = row.values[index];
      const told = value === null
        ? make("td", row.reasons[index] || "none", { class: "missing" })
        : make("td", percept.show(value), { class: "number" });
      line.append(make("th", percept.label(measure), { scope: "row" }), told);
      table.append(line);
    });
    return find("values").replaceChildren(table);
  };
  const announce = (id, text) => {
    if (find(id).getAttribute("aria-valuetext") !== text) find(id).setAttribute("aria-valuetext", text);
  };
  const exactly = (value) => `${value.toFixed(2)} s`;
  const shown = () => {
    find("play").textContent = state.playing ? "Pause" : "Play";
    find("ab").setAttribute("aria-pressed", state.reference);
    const told = `${state.clip}: ${state.reference ? "the reference" : state.condition}`;
    if (find("heard").textContent !== told) find("heard").textContent = told;
    find("loop").setAttribute("aria-pressed", state.loop);
    find("unmatched").hidden = matchable();
    const buttons = [...find("versions").children];
    const chosen = buttons.find((button) => button.dataset.condition === state.condition);
    for (const button of buttons) {
      button.setAttribute("aria-checked", button === chosen);
      button.tabIndex = button === (chosen || buttons[0]) ? 0 : -1;
    }
    const [from, to] = span();
    find("from").value = Math.round(1000 * state.from);
    find("to").value = Math.round(1000 * state.to);
    announce("from", exactly(from));
    announce("to", exactly(to));
    const selected = state.from > 0 || state.to < 1;
    find("selected").textContent = selected ? `selected ${from.toFixed(2)}–${exactly(to)}` : "";
    const version = `${state.clip}\n${state.condition}`;
    if (player.told !== version) {
      player.told = version;
      values();
    }
    draw();
    tell();
    if (state.playing && !player.ticking) {
      player.ticking = true;
      requestAnimationFrame(tick);
    }
  };
  const draw = () => {
    const at = player.position(), length = seconds();
    const which = state.reference || state.condition === "reference" ? 0 : 1;
    percept.screen.draw({ sounds: tracks(), heard: which, at, length, from: state.from, to: state.to });
    find("time").textContent = `${exactly(at)} of ${exactly(length)}`;
    if (!held) find("seek").value = Math.round(1000 * at / length);
  };
  // What a screen reader says of the position. Said at every frame, it would never end.
  let toldAt = 0, held = false;
  const tell = () => {
    toldAt = performance.now();
    announce("seek", exactly(player.position()));
  };
  // Frames are asked for only while something plays.
  const tick = () => {
    for (const voice of state.voices) voice.tick();
    draw();
    if (performance.now() - toldAt >= TOLD_MS) tell();
    player.ticking = state.playing;
    if (state.playing) requestAnimationFrame(tick);
  };
  new ResizeObserver(([{ contentRect: box }]) => {
    const [width, height] = [box.width, box.height].map((size) => Math.round(size * devicePixelRatio));
    Object.assign(find("screen"), { width, height });
    draw();
  }).observe(find("screen"));

  percept.fill(find("clip"), clips.map((clip) => [clip, clip]));
  find("clip").addEventListener("change", ({ target }) => player.select(target.value, first(target.value)));
  find("play").addEventListener("click", () => player.play());
  find("ab").addEventListener("click", player.toggle);
  find("loop").addEventListener("click", () => player.loop());
  find("match").disabled = study.sounds.every((sound) => sound.lufs === null);
  find("match").addEventListener("change", (event) => {
    state.match = event.target.checked;
    heard();
  });
  find("seek").addEventListener("input", (event) => player.seek(event.target.value / 1000 * seconds()));
  find("seek").addEventListener("focus", tell);
  // Under a pointer the slider stays where it was drawn to.
  find("seek").addEventListener("pointerdown", () => { held = true; });
  for (const kind of ["pointerup", "pointercancel", "blur"]) {
    find("seek").addEventListener(kind, () => { held = false; });
  }
  const selection = () => {
    state.from = Math.min(find("from").value, find("to").value - 1) / 1000;
    state.to = Math.max(find("to").value, Number(find("from").value) + 1) / 1000;
    if (state.loop) player.loop(true); else shown();
  };
  find("from").addEventListener("input", selection);
  find("to").addEventListener("input", selection);
  let grip = null;
  const share = (event) => {
    const box = find("screen").getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  find("screen").addEventListener("pointerdown", (event) => {
    grip = share(event);
    find("screen").setPointerCapture(event.pointerId);
  });
  find("screen").addEventListener("pointermove", (event) => {
    if (grip === null || Math.abs(share(event) - grip) < CLICK) return;
    [state.from, state.to] = [Math.min(grip, share(event)), Math.max(grip, share(event))];
    shown();
  });
  find("screen").addEventListener("pointerup", (event) => {
    const click = Math.abs(share(event) - grip) < CLICK;
    if (click) player.seek(grip * seconds()); else if (state.loop) player.loop(true); else shown();
    grip = null;
  });
  const step = (by) => {
    const all = conditions(), next = all[(all.indexOf(state.condition) + by + all.length) % all.length];
    if (!next) return;
    player.select(state.clip, next);
    if (!find("versions").contains(document.activeElement)) return;
    [...find("versions").children].find((button) => button.dataset.condition === next).focus();
  };
  const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;
  // As in any group of radio buttons, whether or not the keys of the page are on.
  find("versions").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by || modified(event)) return;
    event.preventDefault();
    event.stopPropagation();
    step(by);
  });
  // x and l act anywhere; what scrolls a page, or presses a button, only within the player.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
    if (!find("keys").checked || !find("trial").hidden || typing || modified(event)) return;
    const onButton = event.target.closest("button:not([role=radio]), summary, a, input");
    const here = find("listen").contains(event.target) && !event.target.closest(".scroll");
    const keys = {
      x: player.toggle,
      l: () => player.loop(),
      ArrowLeft: () => player.seek(player.position() - STEP_S),
      ArrowRight: () => player.seek(player.position() + STEP_S),
      ArrowUp: () => step(-1),
      ArrowDown: () => step(1),
      " ": onButton ? null : () => player.play(),
    };
    if (!keys[event.key] || !(here || event.key === "x" || event.key === "l")) return;
    event.preventDefault();
    keys[event.key]();
  });
  player.select(clips[0], first(clips[0]));
})();

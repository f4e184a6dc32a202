"use strict";
// A blind test in the manner of ITU-R BS.1534: all versions of a clip at once, unnamed, in random order, with the reference
// and a low anchor among them. Ratings stay in the browser's own store until they are downloaded or forgotten.
(() => {
  const { find, make, study, audio } = percept;
  const STORE = "percept-ratings", ANCHOR_HZ = 3500, ANCHOR = "anchor 3.5 kHz", HIDDEN = "hidden reference";
  const blind = percept.blind = { trial: null };
  const clips = [...new Set(study.sounds.filter((sound) => sound.condition === "reference").map((sound) => sound.clip))];
  const read = () => { try { return JSON.parse(localStorage.getItem(STORE)) || []; } catch { return blind.memory || []; } };
  const write = (ratings) => { blind.memory = ratings; try { localStorage.setItem(STORE, JSON.stringify(ratings)); } catch { say("This browser keeps nothing for this page: download before you leave."); } };
  const say = (text) => { find("blind-state").textContent = text; };
  const counted = () => { const number = read().length; find("export").disabled = !number; return `${number} ratings are kept in this browser.`; };
  const shuffled = (list) => {
    const found = [...list];
    for (let i = found.length - 1; i > 0; i -= 1) {
      const j = Math.floor(crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32 * (i + 1));
      [found[i], found[j]] = [found[j], found[i]];
    }
    return found;
  };
  // Windows of versions of one clip; each has the hidden reference and the anchor.
  const planned = () => shuffled(clips).flatMap((clip) => {
    const own = shuffled(study.sounds.filter((sound) => sound.clip === clip && sound.condition !== "reference").map((sound) => sound.condition));
    const size = Math.max(1, Math.min(12, Number(find("at-once").value) || 6)), parts = [];
    for (let i = 0; i < own.length; i += size) parts.push({ clip, conditions: shuffled([...own.slice(i, i + size), HIDDEN, ANCHOR]) });
    return parts;
  });
  const anchored = async (buffer) => {
    const offline = new OfflineAudioContext(1, buffer.length, buffer.sampleRate);
    const source = new AudioBufferSourceNode(offline, { buffer });
    let last = source;
    for (let i = 0; i < 4; i += 1) { const filter = new BiquadFilterNode(offline, { type: "lowpass", frequency: ANCHOR_HZ, Q: 0 }); last.connect(filter); last = filter; }
    last.connect(offline.destination);
    source.start();
    return offline.startRendering();
  };
  let voice = null, begun = 0;
  const silence = () => { if (voice) { voice.stop(); voice = null; } };
  const hear = (buffer) => {
    const context = audio.ready(), at = voice ? (context.currentTime - begun) % buffer.duration : 0;
    silence();
    voice = new AudioBufferSourceNode(context, { buffer, loop: true });
    voice.connect(context.destination);
    voice.start(context.currentTime, at);
    begun = context.currentTime - at;
  };
  const show = async () => {
    silence();
    const trial = blind.trial = blind.plan[blind.at];
    if (!trial) { find("trial").hidden = true; find("trial").replaceChildren(); return say(`Done. ${counted()} Download them and save the file beside this page.`); }
    const reference = await audio.buffer(percept.sound(trial.clip, "reference"));
    const anchor = await anchored(reference);
    const buffers = await Promise.all(trial.conditions.map((name) => name === HIDDEN ? reference : name === ANCHOR ? anchor : audio.buffer(percept.sound(trial.clip, name))));
    const panel = find("trial");
    panel.hidden = false;
    panel.replaceChildren(make("h3", `Part ${blind.at + 1} of ${blind.plan.length}`), make("p", "Keys: 0 the reference, 1 to 9 a version, arrows move a slider, Esc silence.", { class: "hint" }));
    const open = make("button", "Play the reference", { type: "button", id: "open-reference" });
    open.addEventListener("click", () => hear(reference));
    panel.append(open);
    trial.sliders = trial.conditions.map((_, number) => {
      const line = make("div", "", { class: "trial-row" });
      const play = make("button", `Play ${number + 1}`, { type: "button" });
      play.addEventListener("click", () => hear(buffers[number]));
      const slider = make("input", "", { type: "range", min: 0, max: 100, value: 50, "aria-label": `Rating of version ${number + 1}, 0 bad to 100 like the reference` });
      const told = make("output", "–");
      slider.addEventListener("input", () => { slider.dataset.moved = "yes"; told.textContent = slider.value; });
      line.append(play, slider, told);
      panel.append(line);
      return slider;
    });
    trial.play = (number) => number < 0 ? hear(reference) : buffers[number] && hear(buffers[number]);
    const next = make("button", blind.at + 1 < blind.plan.length ? "Next" : "Finish", { type: "button", id: "next-trial" });
    next.addEventListener("click", finish);
    panel.append(next);
    open.focus();
    say(counted());
  };
  const finish = () => {
    const { clip, conditions, sliders } = blind.trial;
    if (sliders.some((slider) => !slider.dataset.moved)) { say("Rate every version first: each slider has to be moved once, also to stay at 50."); return; }
    const rater = find("rater").value.trim(), when = new Date().toISOString();
    write([...read(), ...conditions.map((condition, place) => ({ rater, clip, condition, rating: Number(sliders[place].value), when }))]);
    blind.at += 1;
    show();
  };
  // One line a clip and version, as --pairs wants it: the mean over raters, and the half width of its interval.
  blind.csv = () => {
    const found = new Map();
    for (const { clip, condition, rating } of read()) {
      if (condition === HIDDEN || condition === ANCHOR) continue;
      const key = `${clip}\n${condition}`;
      found.set(key, [...(found.get(key) || []), rating]);
    }
    const rows = [...found].map(([key, ratings]) => {
      const [clip, condition] = key.split("\n"), row = percept.row(clip, condition);
      const mean = ratings.reduce((sum, value) => sum + value, 0) / ratings.length;
      const spread = ratings.length > 1 ? 1.96 * Math.sqrt(ratings.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (ratings.length - 1) / ratings.length) : null;
      return row && [row.reference, row.degraded, clip, condition, row.family, row.level, row.kind, mean, spread];
    }).filter(Boolean);
    return percept.csv([["reference", "degraded", "clip", "condition", "family", "level", "kind", "mos", "mos_ci95"], ...rows]);
  };
  blind.details = () => percept.csv([["rater", "clip", "condition", "rating", "when"], ...read().map((r) => [r.rater, r.clip, r.condition, r.rating, r.when])]);
  find("begin").disabled = !clips.length;
  find("begin").addEventListener("click", () => { if (percept.player.play) percept.player.play(false); blind.plan = planned(); blind.at = 0; show(); });
  find("export").addEventListener("click", () => { percept.save("ratings.csv", blind.csv()); percept.save("ratings_single.csv", blind.details()); });
  find("forget").addEventListener("click", () => { if (confirm("Forget all ratings kept in this browser?")) { write([]); say(counted()); } });
  document.addEventListener("keydown", (event) => {
    if (find("trial").hidden || !blind.trial || !blind.trial.play || event.target.id === "rater") return;
    if (/^[0-9]$/.test(event.key)) { blind.trial.play(Number(event.key) - 1); event.preventDefault(); }
    if (event.key === "Escape") silence();
  });
  say(clips.length ? counted() : "There are no sounds on this page to rate.");
})();

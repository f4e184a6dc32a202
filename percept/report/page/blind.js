"use strict";
// A blind test in the manner of ITU-R BS.1534: all versions of a clip at once, unnamed, in random order, with the reference
// and a low anchor among them. Ratings stay in the browser's own store until they are downloaded or forgotten.
(() => {
  const { find, make, study, audio } = percept;
  const STORE = `percept-ratings ${study.digest}`, THINKING_S = 5, ANCHOR = "anchor 3.5 kHz", HIDDEN = "hidden reference";
  const WORDS = ["bad", "poor", "fair", "good", "excellent"];
  // Quantiles 0.975 of Student's t for 1 to 30 degrees of freedom; beyond, 1.96 + 2.4 / n is closer than 0.002.
  const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042];
  const blind = percept.blind = { trial: null, plan: [], at: 0, memory: null };
  const clips = [...new Set(study.sounds.filter((sound) => sound.condition === "reference").map((sound) => sound.clip))];
  const say = (text) => { find("blind-state").textContent = text; };
  // What the browser does not keep is kept here, until the page is left.
  const read = () => { if (blind.memory) return blind.memory; try { return JSON.parse(localStorage.getItem(STORE)) || []; } catch { return []; } };
  const write = (ratings) => {
    try { localStorage.setItem(STORE, JSON.stringify(ratings)); blind.memory = null; }
    catch { blind.memory = ratings; percept.trouble("This browser keeps nothing for this page: download the ratings before you leave."); }
  };
  // Only those of clips and versions that the page still has: it may have been made anew since.
  const ours = () => read().filter(({ clip, condition }) => clips.includes(clip) && (condition === HIDDEN || condition === ANCHOR || percept.row(clip, condition)));
  const counted = () => {
    const number = ours().length;
    for (const id of ["export", "export-single", "forget"]) find(id).disabled = !number;
    const where = blind.memory ? "is lost when you leave this page: download it." : "is kept in this browser.";
    return number === 1 ? `1 rating ${where}` : `${number} ratings ${where.replace(/^is/, "are").replace(/ it\./, " them.")}`;
  };
  const shuffled = (list) => {
    const found = [...list];
    for (let i = found.length - 1; i > 0; i -= 1) {
      const j = Math.floor(crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32 * (i + 1));
      [found[i], found[j]] = [found[j], found[i]];
    }
    return found;
  };
  // Parts of those versions that were chosen and that this listener has not rated yet; each has the hidden reference and
  // the anchor. Who has rated all begins again.
  const planned = (rater) => {
    const rated = new Set(ours().filter((rating) => rating.rater === rater).map(({ clip, condition }) => `${clip}\n${condition}`));
    const open = chosen("clip").flatMap((clip) => chosen("version").filter((condition) => percept.sound(clip, condition)).map((condition) => ({ clip, condition })));
    const left = open.filter(({ clip, condition }) => !rated.has(`${clip}\n${condition}`)), wanted = left.length ? left : open;
    const size = Math.max(1, Math.min(12, Number(find("at-once").value) || 6));
    return shuffled([...new Set(wanted.map(({ clip }) => clip))]).flatMap((clip) => {
      const own = shuffled(wanted.filter((one) => one.clip === clip).map(({ condition }) => condition)), number = Math.ceil(own.length / size);
      return Array.from({ length: number }, (_, part) => ({ clip, conditions: shuffled([...own.filter((_, i) => i % number === part), HIDDEN, ANCHOR]) }));
    });
  };
  // A rating is taken to cost hearing the version and the reference twice, and some seconds more.
  const foretold = (plan) => {
    const number = plan.reduce((sum, part) => sum + part.conditions.length, 0);
    const cost = plan.reduce((sum, part) => sum + part.conditions.length * (4 * percept.sound(part.clip, "reference").seconds + THINKING_S), 0);
    return `${number} ratings in ${plan.length} parts: about ${Math.max(1, Math.round(cost / 60))} min.`;
  };
  const planning = () => { find("plan").textContent = clips.length ? foretold(planned(find("rater").value.trim())) : ""; };
  const boxes = (kind, names) => {
    find(`choose-${kind}`).append(...names.map((name) => {
      const line = make("label"), box = make("input", "", { type: "checkbox", checked: "", "data-name": name });
      line.append(box, make("span", name));
      return line;
    }));
    find(`choose-${kind}`).addEventListener("change", planning);
  };
  const chosen = (kind) => [...find(`choose-${kind}`).querySelectorAll("input:checked")].map((box) => box.dataset.name);
  // BS.1534-3 asks of the low anchor: flat to 3.5 kHz, 25 dB less at 4 kHz, 50 dB at 4.5 kHz. A sinc under a Kaiser
  // window (beta 5.65 is 60 dB, and 500 Hz wide from the last flat to the first stopped frequency) does more.
  const bessel = (x) => { let sum = 1, term = 1; for (let k = 1; k < 40; k += 1) { term *= (x / (2 * k)) ** 2; sum += term; } return sum; };
  blind.lowpass = (rate) => {
    const half = Math.ceil(1.82 * rate / 500), centre = 3750 / rate;
    return Float32Array.from({ length: 2 * half + 1 }, (_, place) => {
      const t = place - half, sinc = t ? Math.sin(2 * Math.PI * centre * t) / (Math.PI * t) : 2 * centre;
      return sinc * bessel(5.65 * Math.sqrt(1 - (t / half) ** 2)) / bessel(5.65);
    });
  };
  const anchored = async (buffer) => {
    const rate = { sampleRate: buffer.sampleRate }, taps = blind.lowpass(buffer.sampleRate), delay = (taps.length - 1) / 2;
    const response = new AudioBuffer({ length: taps.length, ...rate });
    response.copyToChannel(taps, 0);
    const found = new AudioBuffer({ length: buffer.length, numberOfChannels: buffer.numberOfChannels, ...rate });
    for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
      const offline = new OfflineAudioContext(1, buffer.length + delay, buffer.sampleRate), one = new AudioBuffer({ length: buffer.length, ...rate });
      one.copyToChannel(buffer.getChannelData(channel), 0);
      const source = new AudioBufferSourceNode(offline, { buffer: one });
      source.connect(new ConvolverNode(offline, { buffer: response, disableNormalization: true })).connect(offline.destination);
      source.start();
      found.copyToChannel((await offline.startRendering()).getChannelData(0).subarray(delay), channel);
    }
    return found;
  };
  blind.anchored = anchored;

  let voice = null, begun = 0;
  const quiet = () => { if (percept.player.play) percept.player.play(false); };
  const playing = (number) => { for (const button of find("trial").querySelectorAll("button[data-number]")) button.setAttribute("aria-pressed", button.dataset.number === String(number)); };
  const silence = () => { if (voice) voice.stop(); voice = null; playing(null); };
  blind.silence = silence;
  const hear = (number) => {
    const buffer = blind.trial.buffers[number];
    if (!buffer) return;
    quiet();
    const context = audio.ready(), at = voice ? (context.currentTime - begun) % buffer.duration : 0;
    if (voice) voice.stop();
    voice = percept.sampled(buffer, { when: context.currentTime, at, loop: true, from: 0, to: buffer.duration });
    voice.set(1);
    begun = context.currentTime - at;
    playing(number);
  };
  const playButton = (number, text) => {
    const button = make("button", text, { type: "button", "data-number": number, "aria-pressed": false });
    button.addEventListener("click", () => hear(number));
    return button;
  };
  const rated = (_, place) => {
    const line = make("div", "", { class: "trial-row" }), number = place + 1;
    const slider = make("input", "", { type: "range", min: 0, max: 100, value: 50, "aria-label": `Rating of version ${number}, 0 bad to 100 like the reference` });
    const told = make("output", "–");
    const moved = () => { slider.dataset.moved = "yes"; told.textContent = slider.value; };
    for (const kind of ["input", "pointerup"]) slider.addEventListener(kind, moved);
    slider.addEventListener("keydown", (event) => { if (event.key === "Enter") moved(); });
    line.append(playButton(number, `Play ${number}`), slider, told);
    return { line, slider };
  };
  const scale = () => {
    const line = make("div", "", { class: "trial-row scale", "aria-hidden": true }), words = make("div");
    words.append(...WORDS.map((word) => make("span", word)));
    line.append(make("span"), words, make("span"));
    return line;
  };
  const show = async () => {
    silence();
    const panel = find("trial"), trial = blind.plan[blind.at];
    blind.trial = null;
    panel.hidden = !trial;
    panel.replaceChildren();
    planning();
    if (!trial) return say(`Done. ${counted()} Download them and save the file beside this page.`);
    const sounds = trial.conditions.map((name) => percept.sound(trial.clip, name === HIDDEN || name === ANCHOR ? "reference" : name));
    if (sounds.some(percept.tooLong)) { panel.hidden = true; return say(`${trial.clip} is too long to be decoded whole: leave it out under "Clips and versions".`); }
    if (sounds.some(percept.needsFiles)) { panel.hidden = true; return say("Linked sounds can be compared blindly only with --serve: start analyze_results.py with it, and open the address that it prints."); }
    let buffers;
    try { buffers = await Promise.all(trial.conditions.map(async (name, place) => { const buffer = await audio.buffer(sounds[place]); return name === ANCHOR ? anchored(buffer) : buffer; })); }
    catch (error) { panel.hidden = true; return say(`A sound cannot be played: ${error.message}`); }
    trial.buffers = [await audio.buffer(percept.sound(trial.clip, "reference")), ...buffers];
    const rows = trial.conditions.map(rated);
    trial.sliders = rows.map((row) => row.slider);
    const next = make("button", blind.at + 1 < blind.plan.length ? "Next" : "Finish", { type: "button", id: "next-trial" });
    next.addEventListener("click", finish);
    const leave = make("button", "Stop here", { type: "button", id: "leave-trial" });
    leave.addEventListener("click", () => { blind.plan = []; return show(); });
    panel.replaceChildren(make("h3", `Part ${blind.at + 1} of ${blind.plan.length}`),
      make("p", "Keys: 0 the reference, 1 to 9 a version, arrows move a slider, Enter keeps it at 50, Esc silence.", { class: "hint" }),
      playButton(0, "Play the reference"), scale(), ...rows.map((row) => row.line), next, " ", leave);
    blind.trial = trial;
    panel.querySelector("button").focus();
    say(counted());
  };
  const finish = () => {
    const { clip, conditions, sliders } = blind.trial;
    if (sliders.some((slider) => !slider.dataset.moved)) return say("Rate every version first: move each slider once, or press Enter on it to keep it at 50.");
    const when = new Date().toISOString();
    write([...read(), ...conditions.map((condition, place) => ({ rater: blind.rater, clip, condition, rating: Number(sliders[place].value), when }))]);
    blind.at += 1;
    return show();
  };

  // One line a clip and version, as --pairs wants it: the mean over raters (of whose own ratings the mean is taken
  // first), and the half width of its 95 % interval.
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const opinion = (ratings) => {
    const own = new Map();
    for (const { rater, rating } of ratings) own.set(rater, [...(own.get(rater) || []), rating]);
    const means = [...own.values()].map(mean), centre = mean(means), free = means.length - 1;
    if (!free) return [centre, null];
    const spread = Math.sqrt(means.reduce((sum, value) => sum + (value - centre) ** 2, 0) / free / means.length);
    return [centre, spread * (STUDENT[free - 1] || 1.96 + 2.4 / free)];
  };
  blind.opinion = opinion;
  blind.csv = () => {
    const found = new Map();
    for (const rating of ours()) {
      if (rating.condition === HIDDEN || rating.condition === ANCHOR) continue;
      const key = `${rating.clip}\n${rating.condition}`;
      found.set(key, [...(found.get(key) || []), rating]);
    }
    const prefixes = [...new Set(study.rows.flatMap((row) => Object.keys(row.embeddings)))];
    const header = ["reference", "degraded", "clip", "condition", "family", "level", "kind", "mos", "mos_ci95"];
    const rows = [...found].map(([key, ratings]) => {
      const row = percept.row(...key.split("\n"));
      const embedded = prefixes.flatMap((prefix) => row.embeddings[prefix] || ["", ""]);
      return [row.reference, row.degraded, row.clip, row.condition, row.family, row.level, row.kind, ...opinion(ratings), ...embedded];
    });
    return percept.csv([[...header, ...prefixes.flatMap((prefix) => [`${prefix}_reference`, `${prefix}_degraded`])], ...rows]);
  };
  blind.details = () => percept.csv([["rater", "clip", "condition", "rating", "when"], ...ours().map((r) => [r.rater, r.clip, r.condition, r.rating, r.when])]);
  find("begin").disabled = !clips.length;
  find("begin").addEventListener("click", () => {
    const rater = find("rater").value.trim();
    if (!rater) { find("rater").focus(); return say("Your name or number first: ratings are kept by listener."); }
    quiet();
    const plan = planned(rater);
    if (!plan.length) return say("Choose a clip and a version to rate.");
    Object.assign(blind, { rater, plan, at: 0 });
    return show();
  });
  boxes("clip", clips);
  boxes("version", [...new Set(study.sounds.filter(({ condition }) => condition !== "reference").map(({ condition }) => condition))]);
  for (const id of ["rater", "at-once"]) find(id).addEventListener("input", planning);
  planning();
  find("export").addEventListener("click", () => percept.save("ratings.csv", blind.csv()));
  find("export-single").addEventListener("click", () => percept.save("ratings_single.csv", blind.details()));
  find("forget").addEventListener("click", () => { if (confirm("Forget all ratings of this page's clips?")) { const kept = ours().map((r) => JSON.stringify(r)); write(read().filter((r) => !kept.includes(JSON.stringify(r)))); say(counted()); } });
  document.addEventListener("keydown", (event) => {
    if (!blind.trial || event.target.closest("input:not([type=range], [type=checkbox]), select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9]$/.test(event.key)) { hear(Number(event.key)); event.preventDefault(); }
    if (event.key === "Escape") silence();
  });
  say(clips.length ? counted() : "There are no sounds on this page to rate.");
})();

"use strict";
// A blind test in the manner of ITU-R BS.1534: all versions of a clip at once, unnamed, in random order, with the
// reference and a low anchor among them. Ratings stay in the browser's own store until they are downloaded or
// forgotten.
(() => {
  const { find, make, study, audio } = percept;
  const THINKING_S = 5, ANCHOR = "anchor 3.5 kHz", HIDDEN = "hidden reference";
  const WORDS = ["bad", "poor", "fair", "good", "excellent"];
  // Quantiles 0.975 of Student's t for 1 to 30 degrees of freedom; beyond, 1.96 + 2.4 / n is closer than 0.002.
  const STUDENT = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
  ];
  const blind = percept.blind = { trial: null, plan: [], at: 0, memory: new Map() };
  const references = study.sounds.filter((sound) => sound.condition === "reference");
  const clips = [...new Set(references.map((sound) => sound.clip))];
  const hidden = (condition) => condition === HIDDEN || condition === ANCHOR;
  const sound = (clip, condition) => percept.sound(clip, hidden(condition) ? "reference" : condition);
  const say = (text) => { find("blind-state").textContent = text; };

  // A store a clip, named by its reference's digest: whatever else of a study changes, the ratings stay. What the
  // browser does not keep is kept here, until the page is left.
  const store = (clip) => `percept-ratings ${percept.sound(clip, "reference").digest}`;
  const stores = [...new Set(clips.map(store))];
  const read = (name) => {
    if (blind.memory.has(name)) return blind.memory.get(name);
    try {
      return JSON.parse(localStorage.getItem(name)) || [];
    } catch {
      return [];
    }
  };
  const write = (name, ratings) => {
    try {
      if (ratings.length) localStorage.setItem(name, JSON.stringify(ratings)); else localStorage.removeItem(name);
      blind.memory.delete(name);
    } catch {
      blind.memory.set(name, ratings);
    }
    const lost = "This browser keeps nothing for this page: download the ratings before you leave.";
    percept.trouble(blind.memory.size ? lost : "", "blind-trouble");
  };
  const kept = () => stores.flatMap(read);
  // Only those of versions that sound as they did: the page may have been made anew since.
  const fits = ({ clip, condition, digest }) => {
    const now = clips.includes(clip) && sound(clip, condition);
    return Boolean(now) && now.digest === digest && Boolean(hidden(condition) || percept.row(clip, condition));
  };
  const ours = () => kept().filter(fits);
  const counted = () => {
    const number = ours().length, all = kept().length;
    for (const id of ["export", "export-single"]) find(id).disabled = !number;
    find("forget").disabled = !all;
    const [verb, them] = number === 1 ? ["is", "it"] : ["are", "them"];
    const where = blind.memory.size ? `lost when you leave this page: download ${them}` : "kept in this browser";
    const others = all === number ? "" : ` ${all - number} more are kept of versions that this page does not have, `
      + "or that sound different now: they are not counted.";
    return `${number} rating${number === 1 ? "" : "s"} ${verb} ${where}.${others}`;
  };

  const shuffled = (list) => {
    const found = [...list];
    for (let i = found.length - 1; i > 0; i -= 1) {
      const j = Math.floor(crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32 * (i + 1));
      [found[i], found[j]] = [found[j], found[i]];
    }
    return found;
  };
  const chosen = (kind) =>
    [...find(`choose-${kind}`).querySelectorAll("input:checked")].map((box) => box.dataset.name);
  // Parts of those versions that were chosen and that this listener has not rated yet; each has the hidden reference
  // and the anchor. Who has rated all begins again.
  const planned = (rater) => {
    const name = ({ clip, condition }) => `${clip}\n${condition}`;
    const rated = new Set(ours().filter((rating) => rating.rater === rater).map(name));
    const open = chosen("clip").flatMap((clip) => chosen("version").map((condition) => ({ clip, condition })))
      .filter(({ clip, condition }) => percept.sound(clip, condition));
    const left = open.filter((version) => !rated.has(name(version))), wanted = left.length ? left : open;
    const size = Math.max(1, Math.min(12, Number(find("at-once").value) || 6));
    return shuffled([...new Set(wanted.map(({ clip }) => clip))]).flatMap((clip) => {
      const own = shuffled(wanted.filter((one) => one.clip === clip).map(({ condition }) => condition));
      const number = Math.ceil(own.length / size);
      return Array.from({ length: number }, (_, part) => {
        const some = own.filter((_, i) => i % number === part);
        return { clip, conditions: shuffled([...some, HIDDEN, ANCHOR]) };
      });
    });
  };
  // A rating is taken to cost hearing the version and the reference twice, and some seconds more.
  const foretold = (plan) => {
    const sum = (values) => values.reduce((all, value) => all + value, 0);
    const number = sum(plan.map((part) => part.conditions.length));
    const cost = sum(plan.map(({ clip, conditions }) =>
      conditions.length * (4 * percept.sound(clip, "reference").seconds + THINKING_S)));
    return `${number} ratings in ${plan.length} parts: about ${Math.max(1, Math.round(cost / 60))} min.`;
  };
  const planning = () => {
    find("plan").textContent = clips.length ? foretold(planned(find("rater").value.trim())) : "";
  };
  const boxes = (kind, names) => {
    find(`choose-${kind}`).append(...names.map((name) => {
      const line = make("label"), box = make("input", "", { type: "checkbox", checked: "", "data-name": name });
      line.append(box, make("span", name));
      return line;
    }));
    find(`choose-${kind}`).addEventListener("change", planning);
  };

  // BS.1534-3 asks of the low anchor: flat to 3.5 kHz, 25 dB less at 4 kHz, 50 dB at 4.5 kHz. A sinc under a Kaiser
  // window (beta 5.65 is 60 dB, and 500 Hz wide from the last flat to the first stopped frequency) does more.
  const bessel = (x) => {
    let sum = 1, term = 1;
    for (let k = 1; k < 40; k += 1) {
      term *= (x / (2 * k)) ** 2;
      sum += term;
    }
    return sum;
  };
  blind.lowpass = (rate) => {
    const half = Math.ceil(1.82 * rate / 500), centre = 3750 / rate;
    return Float32Array.from({ length: 2 * half + 1 }, (_, place) => {
      const t = place - half, sinc = t ? Math.sin(2 * Math.PI * centre * t) / (Math.PI * t) : 2 * centre;
      return sinc * bessel(5.65 * Math.sqrt(1 - (t / half) ** 2)) / bessel(5.65);
    });
  };
  const lowpassed = async (samples, taps, sampleRate) => {
    const one = new AudioBuffer({ length: samples.length, sampleRate });
    const response = new AudioBuffer({ length: taps.length, sampleRate });
    const delay = (taps.length - 1) / 2;
    one.copyToChannel(samples, 0);
    response.copyToChannel(taps, 0);
    const offline = new OfflineAudioContext(1, samples.length + delay, sampleRate);
    const source = new AudioBufferSourceNode(offline, { buffer: one });
    const filter = new ConvolverNode(offline, { buffer: response, disableNormalization: true });
    source.connect(filter).connect(offline.destination);
    source.start();
    return (await offline.startRendering()).getChannelData(0).subarray(delay);
  };
  blind.anchored = async (buffer) => {
    const { length, numberOfChannels, sampleRate } = buffer, taps = blind.lowpass(sampleRate);
    const found = new AudioBuffer({ length, numberOfChannels, sampleRate });
    for (let channel = 0; channel < numberOfChannels; channel += 1) {
      found.copyToChannel(await lowpassed(buffer.getChannelData(channel), taps, sampleRate), channel);
    }
    return found;
  };

  let voice = null, begun = 0;
  const quiet = () => { if (percept.player.play) percept.player.play(false); };
  const playing = (number) => {
    for (const button of find("trial").querySelectorAll("button[data-number]")) {
      button.setAttribute("aria-pressed", button.dataset.number === String(number));
    }
  };
  const silence = () => {
    if (voice) voice.stop();
    voice = null;
    playing(null);
  };
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
    const line = make("div", "", { class: "trial-row" }), number = place + 1, told = make("output", "–");
    const name = `Rating of version ${number}, 0 bad to 100 like the reference`;
    const slider = make("input", "", { type: "range", min: 0, max: 100, value: 50, "aria-label": name });
    const moved = () => {
      slider.dataset.moved = "yes";
      told.textContent = slider.value;
    };
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

  const unheard = (sounds) => {
    if (sounds.some(percept.tooLong)) {
      return `${sounds[0].clip} is too long to be decoded whole: leave it out under "Clips and versions".`;
    }
    if (!sounds.some(percept.needsFiles)) return "";
    return "Linked sounds can be compared blindly only with --serve: start analyze_results.py with it, and open the "
      + "address that it prints.";
  };
  const decoded = ({ clip, conditions }) => Promise.all(["reference", ...conditions].map(async (condition) => {
    const buffer = await audio.buffer(sound(clip, condition));
    return condition === ANCHOR ? blind.anchored(buffer) : buffer;
  }));
  const show = async () => {
    silence();
    const panel = find("trial"), trial = blind.plan[blind.at];
    const refuse = (text) => {
      panel.hidden = true;
      say(text);
    };
    blind.trial = null;
    panel.hidden = !trial;
    panel.replaceChildren();
    planning();
    if (!trial) return say(`Done. ${counted()} Download them and save the file beside this page.`);
    const reason = unheard(trial.conditions.map((name) => sound(trial.clip, name)));
    if (reason) return refuse(reason);
    try {
      trial.buffers = await decoded(trial);
    } catch (error) {
      return refuse(`A sound cannot be played: ${error.message}`);
    }
    const rows = trial.conditions.map(rated);
    trial.sliders = rows.map((row) => row.slider);
    const last = blind.at + 1 === blind.plan.length;
    const next = make("button", last ? "Finish" : "Next", { type: "button", id: "next-trial" });
    next.addEventListener("click", finish);
    const leave = make("button", "Stop here", { type: "button", id: "leave-trial" });
    leave.addEventListener("click", () => {
      blind.plan = [];
      return show();
    });
    const keys = "Keys: 0 the reference, 1 to 9 a version, arrows move a slider, Enter keeps it at 50, Esc silence.";
    panel.replaceChildren(
      make("h3", `Part ${blind.at + 1} of ${blind.plan.length}`), make("p", keys, { class: "hint" }),
      playButton(0, "Play the reference"), scale(), ...rows.map((row) => row.line), next, " ", leave,
    );
    blind.trial = trial;
    panel.querySelector("button").focus();
    return say(counted());
  };
  const finish = () => {
    const { clip, conditions, sliders } = blind.trial, { rater } = blind;
    if (sliders.some((slider) => !slider.dataset.moved)) {
      return say("Rate every version first: move each slider once, or press Enter on it to keep it at 50.");
    }
    const when = new Date().toISOString();
    const ratings = conditions.map((condition, place) => {
      const { digest } = sound(clip, condition);
      return { rater, clip, condition, digest, rating: Number(sliders[place].value), when };
    });
    write(store(clip), [...read(store(clip)), ...ratings]);
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
    const spread = Math.sqrt(mean(means.map((value) => (value - centre) ** 2)) / free);
    return [centre, spread * (STUDENT[free - 1] || 1.96 + 2.4 / free)];
  };
  blind.opinion = opinion;
  blind.csv = () => {
    const found = new Map();
    for (const rating of ours()) {
      if (hidden(rating.condition)) continue;
      const key = `${rating.clip}\n${rating.condition}`;
      found.set(key, [...(found.get(key) || []), rating]);
    }
    const prefixes = [...new Set(study.rows.flatMap((row) => Object.keys(row.embeddings)))];
    const labels = ["reference", "degraded", "clip", "condition", "family", "level", "kind"];
    const embedded = prefixes.flatMap((prefix) => [`${prefix}_reference`, `${prefix}_degraded`]);
    const rows = [...found].map(([key, ratings]) => {
      const row = percept.row(...key.split("\n"));
      const files = prefixes.flatMap((prefix) => row.embeddings[prefix] || ["", ""]);
      return [...labels.map((name) => row[name]), ...opinion(ratings), ...files];
    });
    return percept.csv([[...labels, "mos", "mos_ci95", ...embedded], ...rows]);
  };
  blind.details = () => {
    const names = ["rater", "clip", "condition", "rating", "when"];
    return percept.csv([names, ...ours().map((rating) => names.map((name) => rating[name]))]);
  };

  find("begin").disabled = !clips.length;
  find("begin").addEventListener("click", () => {
    const rater = find("rater").value.trim();
    if (!rater) {
      find("rater").focus();
      return say("Your name or number first: ratings are kept by listener.");
    }
    quiet();
    const plan = planned(rater);
    if (!plan.length) return say("Choose a clip and a version to rate.");
    Object.assign(blind, { rater, plan, at: 0 });
    return show();
  });
  boxes("clip", clips);
  const versions = study.sounds.filter(({ condition }) => condition !== "reference");
  boxes("version", [...new Set(versions.map(({ condition }) => condition))]);
  for (const id of ["rater", "at-once"]) find(id).addEventListener("input", planning);
  planning();
  find("export").addEventListener("click", () => percept.save("ratings.csv", blind.csv()));
  find("export-single").addEventListener("click", () => percept.save("ratings_single.csv", blind.details()));
  find("forget").addEventListener("click", () => {
    if (!confirm("Forget all ratings of this page's clips, also those of versions that it does not have?")) return;
    for (const name of stores) write(name, []);
    say(counted());
    planning();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=range], [type=checkbox]), select");
    if (!blind.trial || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9]$/.test(event.key)) {
      hear(Number(event.key));
      event.preventDefault();
    }
    if (event.key === "Escape") silence();
  });
  say(clips.length ? counted() : "There are no sounds on this page to rate.");
})();

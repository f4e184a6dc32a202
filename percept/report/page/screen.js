"use strict";
// The picture of what plays: reference above, version below, each with waveform and spectrogram on one axis of time.
// What is heard is framed. Only the cursor moves, so the rest is drawn once and kept.
(() => {
  const { find } = percept;
  const KEPT = 32, STEPS_S = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];
  const outlines = new Map(), pictures = new Map(), still = document.createElement("canvas");
  let drawn = "", latest = null;
  const once = (kept, sound, make) => {
    if (!kept.has(sound.index)) {
      kept.set(sound.index, make());
      if (kept.size > KEPT) kept.delete(kept.keys().next().value);
    }
    return kept.get(sound.index);
  };
  const ends = (sound) => once(outlines, sound, () => new Int8Array(percept.bytes(sound.outline).buffer));
  const picture = (sound) => once(pictures, sound, () => {
    const made = new Image();
    made.onload = () => {
      drawn = "";
      if (latest) percept.screen.draw(latest);
    };
    if (sound.picture) made.src = `data:image/png;base64,${sound.picture}`;
    return made;
  });
  const lettered = (pen) => {
    pen.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    pen.textBaseline = "top";
  };
  const boxed = (pen, text, x, y, ink = "#fff") => {
    const dot = devicePixelRatio;
    lettered(pen);
    pen.fillStyle = "rgba(0, 0, 0, .7)";
    pen.fillRect(x, y, pen.measureText(text).width + 8 * dot, 17 * dot);
    pen.fillStyle = ink;
    pen.fillText(text, x + 4 * dot, y + 3 * dot);
  };
  const wave = (pen, values, width, top, height) => {
    const count = values.length / 2;
    const across = (i) => (i + 0.5) * width / count, down = (value) => top + height / 2 * (1 - value / 127);
    pen.fillStyle = pen.strokeStyle = "#7db8f0";
    pen.beginPath();
    for (let i = 0; i < count; i += 1) pen.lineTo(across(i), down(values[2 * i + 1]));
    for (let i = count - 1; i >= 0; i -= 1) pen.lineTo(across(i), down(values[2 * i]));
    pen.closePath();
    pen.fill();
    pen.stroke();
  };
  const track = (pen, sound, { width, top, height, heard }) => {
    const dot = devicePixelRatio, third = height / 3, image = picture(sound);
    if (sound.picture && image.complete && image.naturalWidth) {
      pen.drawImage(image, 0, top + third, width, height - third);
      boxed(pen, `${Number((sound.rate / 2000).toPrecision(3))} kHz`, 0, top + third);
      boxed(pen, "0", 0, top + height - 17 * dot);
    } else boxed(pen, "no picture of this sound", 0, top + third);
    wave(pen, ends(sound), width, top, third);
    boxed(pen, sound.condition + (heard ? ", heard" : ""), 0, top, heard ? "#ffd27a" : "#fff");
    if (!heard) return;
    pen.strokeStyle = "#ffb454";
    pen.lineWidth = 3 * dot;
    pen.strokeRect(1.5 * dot, top + 1.5 * dot, pen.canvas.width - 3 * dot, height - 3 * dot);
    pen.lineWidth = 1;
  };
  const axis = (pen, length, top) => {
    const dot = devicePixelRatio, { width } = pen.canvas;
    const step = STEPS_S.find((seconds) => seconds / length * width >= 56 * dot) || length;
    lettered(pen);
    pen.fillStyle = "#fff";
    for (let i = 0; i * step < length - step / 4; i += 1) {
      const x = i * step / length * width;
      pen.fillRect(x, top, dot, 5 * dot);
      pen.fillText(`${Number((i * step).toFixed(2))}${i ? "" : " s"}`, x + 3 * dot, top + 4 * dot);
    }
  };
  const rest = ({ sounds, heard, length, from, to }) => {
    const pen = still.getContext("2d"), { width, height } = still;
    const dot = devicePixelRatio, foot = 18 * dot, gap = 5 * dot;
    const each = (height - foot - gap * (sounds.length - 1)) / sounds.length;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, width, height);
    sounds.forEach((sound, i) => {
      const place = { top: i * (each + gap), height: each, width: width * Math.min(1, sound.seconds / length) };
      track(pen, sound, { ...place, heard: i === heard });
    });
    if (from > 0 || to < 1) {
      pen.fillStyle = "rgba(255, 255, 255, .25)";
      pen.fillRect(from * width, 0, (to - from) * width, height - foot);
    }
    axis(pen, length, height - foot);
  };
  percept.screen = {
    // sounds: reference and version; heard: which of them; at, length: seconds; from, to: shares of the length.
    draw(view) {
      const canvas = find("screen"), { width, height } = canvas, dot = devicePixelRatio;
      latest = view;
      if (!width || !height || !view.sounds.length) return;
      const shown = view.sounds.map((sound) => sound.index);
      const wanted = [width, height, dot, view.heard, view.from, view.to, ...shown].join();
      if (wanted !== drawn) {
        Object.assign(still, { width, height });
        rest(view);
        drawn = wanted;
      }
      const pen = canvas.getContext("2d");
      pen.drawImage(still, 0, 0);
      pen.fillStyle = "#fff";
      pen.fillRect(view.at / view.length * width - dot, 0, 2 * dot, height - 18 * dot);
    },
  };
})();

"use strict";
// One sounding version. Decoded samples play on the audio clock; a page that was opened from a folder may not read its
// neighbours, so linked files play there by the browser's own player, whose clocks agree less closely. So do long ones
// anywhere, linked or embedded: decoded whole, they would take much memory.
(() => {
  const { audio } = percept;
  const FADE_S = 0.006;
  audio.long = 300;  // seconds
  percept.tooLong = (sound) => sound.seconds > audio.long;
  percept.needsFiles = (sound) => percept.tooLong(sound) || (!sound.embedded && location.protocol === "file:");
  // Begins at the time `when` of the audio clock, at the second `at` of the sound, and is silent until it is set.
  percept.sampled = (buffer, { when, at, loop = false, from = 0, to = 0 }) => {
    const { context } = audio;
    const source = new AudioBufferSourceNode(context, { buffer, loop, loopStart: from, loopEnd: to });
    const node = new GainNode(context, { gain: 0 });
    const fade = (value, time) => {
      node.gain.cancelScheduledValues(context.currentTime);
      node.gain.setTargetAtTime(value, time, FADE_S / 3);
    };
    source.connect(node).connect(audio.output);
    source.start(when, at);
    return {
      now: () => null,
      tick: () => {},
      level: () => node.gain.value,
      set: (value) => fade(value, Math.max(when, context.currentTime)),
      ended: (act) => { source.onended = act; },
      stop(time = context.currentTime) {
        source.onended = null;
        fade(0, time);
        source.stop(time + 4 * FADE_S);
      },
    };
  };
  percept.filed = (sound, { at, loop = false, from = 0, to = 0 }) => {
    const element = new Audio(audio.file(sound));
    element.volume = 0;
    element.muted = true;
    element.currentTime = at;
    // A pause before the file is there is no trouble.
    const play = () => element.play().catch((error) => {
      if (error.name !== "AbortError") percept.trouble(`${sound.link || sound.condition} cannot be played`);
    });
    let stopped = false;
    const again = () => {
      if (stopped) return;
      element.currentTime = from;
      play();
    };
    const tick = () => { if (loop && element.currentTime >= to) again(); };
    if (loop) {
      element.addEventListener("timeupdate", tick);  // four times a second, also where no pictures are drawn
      element.addEventListener("ended", again);
    }
    play();
    return {
      now: () => element.currentTime,
      tick,
      level: () => element.volume,
      set(value) {
        element.volume = Math.min(1, value);
        element.muted = !value;  // some browsers leave the volume to the listener
      },
      ended: (act) => { if (!loop) element.onended = act; },
      stop() {
        stopped = true;
        element.onended = null;
        element.pause();
      },
    };
  };
})();

"use strict";
// One sounding version. Decoded samples play on the audio clock; a page that was opened from a folder may not read its
// neighbours, so linked files play there by the browser's own player, whose clocks agree less closely. So do long ones
// anywhere: decoded whole, they would take much memory.
(() => {
  const { audio } = percept;
  const FADE_S = 0.006;
  const LONG_S = 300;
  percept.tooLong = (sound) => !sound.embedded && sound.seconds > LONG_S;
  percept.needsFiles = (sound) => percept.tooLong(sound) || (!sound.embedded && location.protocol === "file:");
  percept.sampled = (buffer, { when, at, loop = false, from = 0, to = 0 }) => {
    const source = new AudioBufferSourceNode(audio.context, { buffer, loop, loopStart: from, loopEnd: to });
    const gain = new GainNode(audio.context, { gain: 0 });
    source.connect(gain).connect(audio.output);
    source.start(when, at);
    return {
      now: () => null,
      tick: () => {},
      level: () => gain.gain.value,
      set: (value) => gain.gain.setTargetAtTime(value, audio.context.currentTime, FADE_S / 3),
      ended: (act) => { source.onended = act; },
      stop() {
        source.onended = null;
        gain.gain.cancelScheduledValues(audio.context.currentTime);
        gain.gain.setTargetAtTime(0, audio.context.currentTime, FADE_S / 3);
        source.stop(audio.context.currentTime + 4 * FADE_S);
      },
    };
  };
  percept.filed = (sound, { at, loop = false, from = 0, to = 0 }) => {
    const element = new Audio(percept.address(sound.link));
    element.volume = 0;
    element.currentTime = at;
    // A pause before the file is there is no trouble.
    const play = () => element.play().catch((error) => { if (error.name !== "AbortError") percept.trouble(`${sound.link} cannot be played`); });
    let stopped = false;
    const again = () => { if (!stopped) { element.currentTime = from; play(); } };
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
      set: (value) => { element.volume = Math.min(1, value); },
      ended: (act) => { if (!loop) element.onended = act; },
      stop: () => { stopped = true; element.onended = null; element.pause(); },
    };
  };
})();

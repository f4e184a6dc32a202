"use strict";
// The library of the charts is large: it is read when the charts come near, or are to be printed; all else works
// before.
(() => {
  const NEAR_PX = 600;
  percept.charts = () => {
    if (percept.drawn) return;
    watch.disconnect();
    for (const text of document.querySelectorAll("script.later")) {
      document.body.append(percept.make("script", text.textContent));
    }
    percept.drawn = performance.now();
  };
  const near = (seen) => { if (seen.some((one) => one.isIntersecting)) percept.charts(); };
  const watch = new IntersectionObserver(near, { rootMargin: `${NEAR_PX}px` });
  addEventListener("load", () => watch.observe(percept.find("explore")));
  const print = matchMedia("print");
  print.addEventListener("change", () => { if (print.matches) percept.charts(); });
  // A closed part would not be printed.
  let opened = [];
  addEventListener("beforeprint", () => {
    percept.charts();
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
})();

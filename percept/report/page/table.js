"use strict";
// All versions as a table: sorted by a column, filtered by words, some lines at a time; what is shown can be taken
// away.
(() => {
  const { find, make, study, show, label, fill, family } = percept;
  const LINES = 50, PRINTED = 500;
  const state = percept.table = { sort: null, down: false, page: 0, printed: false };
  const labels = [["clip", "clip"], ["condition", "condition"], ["family", "degradation"], ["level", "level"]];
  const sets = [
    ["target", "targets"], ["perceptual", "perceptual"], ["embedding", "embeddings"], ["signal", "signal"],
    ["given", "given"], ["all", "all"],
  ];
  const inSet = (measure, set) =>
    set === "all" || (set === "target" ? measure.target : measure.group === set);
  const columns = () => study.measures.map((measure, index) => ({ measure, index }))
    .filter(({ measure }) => inSet(measure, find("columns").value));
  const cell = (row, key) => typeof key === "number" ? row.values[key] : row[key];
  const words = () => find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const order = (a, b) => {
    const [x, y] = [cell(a, state.sort), cell(b, state.sort)];
    if (x === null || y === null) return (x === null) - (y === null);  // what is missing stands last, either way
    const before = typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    return state.down ? -before : before;
  };
  state.rows = () => {
    const wanted = words();
    const rows = study.rows.filter((row) => {
      const text = [row.clip, row.condition, row.family, family(row.family), row.kind].join(" ").toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    return state.sort === null ? rows : [...rows].sort(order);
  };
  const heading = (key, text) => {
    const numeric = typeof key === "number" || key === "level";
    const head = make("th", "", { scope: "col", class: numeric ? `number ${key}` : key });
    const button = make("button", text, { type: "button" });
    if (state.sort === key) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    button.addEventListener("click", () => {
      state.down = state.sort === key && !state.down;
      state.sort = key;
      draw();
      find("values-table").querySelector("[aria-sort] button").focus();
    });
    head.append(button);
    return head;
  };
  const value = (row, index) => {
    if (row.values[index] !== null) return make("td", show(row.values[index]), { class: "number" });
    return make("td", "–", { class: "missing number", title: row.reasons[index] || "none" });
  };
  const line = (row, shown) => {
    const found = make("tr");
    found.append(make("th", row.clip, { scope: "row" }), make("td", row.condition));
    found.append(make("td", family(row.family), { class: "family" }));
    found.append(make("td", show(row.level), { class: "number level" }));
    found.append(...shown.map(({ index }) => value(row, index)));
    if (!study.sounds.length) return found;
    const place = make("td", "", { class: "sound" });
    if (percept.missing(row.clip, row.condition)) {
      place.append(make("span", "–", { class: "missing", title: "not on this page" }));
    } else {
      const button = make("button", "Play", { type: "button", "aria-label": `Play ${row.clip}, ${row.condition}` });
      button.addEventListener("click", () => percept.player.select(row.clip, row.condition, true));
      place.append(button);
    }
    found.append(place);
    return found;
  };
  // What paper cannot show otherwise: how many versions there are, and which of them these are.
  const onPaper = (number, rows) => {
    const filter = words().length ? `, those with "${words().join(" ")}"` : "";
    const first = number < rows ? `, the first of ${rows}; a CSV of the page has them all` : "";
    const set = find("columns").selectedOptions[0];
    return `${number} of ${study.rows.length} versions${filter}${first}. Measures: ${set ? set.textContent : "none"}.`;
  };
  const draw = () => {
    const rows = state.rows(), shown = columns(), pages = Math.max(1, Math.ceil(rows.length / LINES));
    state.page = Math.min(state.page, pages - 1);
    const [from, to] = state.printed ? [0, PRINTED] : [state.page * LINES, (state.page + 1) * LINES];
    const lines = rows.slice(from, to);
    const head = make("tr");
    head.append(...labels.map(([key, text]) => heading(key, text)));
    head.append(...shown.map(({ measure, index }) => heading(index, label(measure))));
    if (study.sounds.length) head.append(make("th", "sound", { scope: "col", class: "sound" }));
    find("values-table").tHead.replaceChildren(head);
    find("values-table").tBodies[0].replaceChildren(...lines.map((row) => line(row, shown)));
    find("shown").textContent = `${rows.length} of ${study.rows.length} versions`;
    find("printed").textContent = onPaper(lines.length, rows.length);
    find("page").textContent = `page ${state.page + 1} of ${pages}`;
    find("previous").disabled = state.page === 0;
    find("next").disabled = state.page === pages - 1;
  };
  const turn = (by) => {
    state.page += by;
    draw();
  };
  const printing = (on) => {
    state.printed = on;
    draw();
  };
  fill(find("columns"), sets.filter(([set]) => study.measures.some((measure) => inSet(measure, set))));
  find("filter").addEventListener("input", () => turn(-state.page));
  find("columns").addEventListener("change", draw);
  find("previous").addEventListener("click", () => turn(-1));
  find("next").addEventListener("click", () => turn(1));
  find("download").addEventListener("click", () => {
    const shown = columns();
    const names = [...labels.map(([key]) => key), ...shown.map(({ measure }) => measure.name)];
    const rows = state.rows().map((row) => [
      ...labels.map(([key]) => row[key]), ...shown.map(({ index }) => row.values[index]),
    ]);
    percept.save("shown.csv", percept.csv([names, ...rows]));
  });
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  draw();
})();

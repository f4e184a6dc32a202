"use strict";
// All versions as a table: sorted by a column, filtered by words, some lines at a time; what is shown can be taken away.
(() => {
  const { find, make, study, show, label, fill, family } = percept;
  const LINES = 50;
  const state = percept.table = { sort: null, down: false, page: 0 };
  const labels = [["clip", "clip"], ["condition", "condition"], ["family", "degradation"], ["level", "level"]];
  const sets = [["target", "targets"], ["perceptual", "perceptual"], ["embedding", "embeddings"], ["signal", "signal"], ["given", "given"], ["all", "all"]];
  const inSet = (measure, set) => set === "all" || (set === "target" ? measure.target : measure.group === set);
  const columns = () => study.measures.map((measure, index) => ({ measure, index })).filter(({ measure }) => inSet(measure, find("columns").value));
  const cell = (row, key) => typeof key === "number" ? row.values[key] : row[key];
  state.rows = () => {
    const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = study.rows.filter((row) => { const text = `${row.clip} ${row.condition} ${row.family} ${family(row.family)} ${row.kind}`.toLowerCase(); return words.every((word) => text.includes(word)); });
    if (state.sort === null) return rows;
    const order = (a, b) => {
      const [x, y] = [cell(a, state.sort), cell(b, state.sort)];
      if (x === null || y === null) return (x === null) - (y === null);  // what is missing stands last, either way
      return (typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true })) * (state.down ? -1 : 1);
    };
    return [...rows].sort(order);
  };
  const heading = (key, text) => {
    const head = make("th", "", { scope: "col", class: typeof key === "number" || key === "level" ? `number ${key}` : key });
    const button = make("button", text, { type: "button" });
    if (state.sort === key) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    button.addEventListener("click", () => { state.down = state.sort === key && !state.down; state.sort = key; draw(); find("values-table").querySelector("[aria-sort] button").focus(); });
    head.append(button);
    return head;
  };
  const line = (row, shown) => {
    const found = make("tr");
    found.append(make("th", row.clip, { scope: "row" }), make("td", row.condition), make("td", family(row.family), { class: "family" }), make("td", show(row.level), { class: "number level" }));
    for (const { index } of shown) {
      const value = row.values[index];
      const made = value === null ? make("td", "–", { class: "missing number", title: row.reasons[index] || "none" }) : make("td", show(value), { class: "number" });
      found.append(made);
    }
    if (percept.sound(row.clip, row.condition)) {
      const button = make("button", "Play", { type: "button", "aria-label": `Play ${row.clip}, ${row.condition}` });
      button.addEventListener("click", () => percept.player.select(row.clip, row.condition, true));
      const place = make("td"); place.append(button); found.append(place);
    }
    return found;
  };
  const draw = () => {
    const rows = state.rows(), shown = columns(), pages = Math.max(1, Math.ceil(rows.length / LINES));
    state.page = Math.min(state.page, pages - 1);
    const head = make("tr");
    head.append(...labels.map(([key, text]) => heading(key, text)), ...shown.map(({ measure, index }) => heading(index, label(measure))));
    if (study.sounds.length) { const last = make("th", "sound", { scope: "col" }); head.append(last); }
    find("values-table").tHead.replaceChildren(head);
    find("values-table").tBodies[0].replaceChildren(...rows.slice(state.page * LINES, (state.page + 1) * LINES).map((row) => line(row, shown)));
    find("shown").textContent = `${rows.length} of ${study.rows.length} versions`;
    find("page").textContent = `page ${state.page + 1} of ${pages}`;
    find("previous").disabled = state.page === 0;
    find("next").disabled = state.page === pages - 1;
  };
  fill(find("columns"), sets.filter(([set]) => study.measures.some((measure) => inSet(measure, set))));
  find("filter").addEventListener("input", () => { state.page = 0; draw(); });
  find("columns").addEventListener("change", draw);
  find("previous").addEventListener("click", () => { state.page -= 1; draw(); });
  find("next").addEventListener("click", () => { state.page += 1; draw(); });
  find("download").addEventListener("click", () => {
    const shown = columns();
    const rows = state.rows().map((row) => [...labels.map(([key]) => row[key]), ...shown.map(({ index }) => row.values[index])]);
    percept.save("shown.csv", percept.csv([[...labels.map(([key]) => key), ...shown.map(({ measure }) => measure.name)], ...rows]));
  });
  draw();
})();

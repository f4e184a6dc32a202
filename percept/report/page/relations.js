"use strict";
// The correlations of the chart as a table, which can be read aloud, searched and taken away.
(() => {
  const { find, make, study, show } = percept;
  const title = (name) => (study.measures.find((measure) => measure.name === name) || { title: name }).title;
  const scope = (row) => `${row.scope === "pooled" ? "all" : row.scope.replace("kind:", "")} (${row.clips})`;
  const small = (p) => p === null ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3);
  const rows = () => study.correlations.filter((row) => row.method === find("method").value);
  const line = (row) => {
    const found = make("tr");
    const interval = row.low === null ? "–" : `[${row.low.toFixed(3)}, ${row.high.toFixed(3)}]`;
    const numbers = [row.r === null ? "–" : row.r.toFixed(3), interval, show(row.n), small(row.p_adjusted)];
    found.append(make("th", title(row.measure), { scope: "row" }));
    found.append(make("td", title(row.target)), make("td", scope(row)));
    found.append(...numbers.map((text) => make("td", text, { class: "number" })));
    return found;
  };
  const draw = () => {
    if (find("relations").open) find("relations-table").tBodies[0].replaceChildren(...rows().map(line));
  };
  find("relations").addEventListener("toggle", draw);
  find("method").addEventListener("change", draw);
  find("download-relations").addEventListener("click", () => {
    const names = ["measure", "target", "scope", "method", "n", "clips", "r", "low", "high", "p_adjusted"];
    const told = rows().map((row) => names.map((name) => row[name]));
    percept.save("correlations_shown.csv", percept.csv([names, ...told]));
  });
})();

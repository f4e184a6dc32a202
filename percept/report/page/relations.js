"use strict";
// The correlations of the chart as a table, which can be read aloud, searched and taken away.
(() => {
  const { find, make, study, show } = percept;
  const title = (name) => (study.measures.find((measure) => measure.name === name) || { title: name }).title;
  const scope = (row) => row.scope === "pooled" ? `all (${row.clips})` : `${row.scope.replace("kind:", "")} (${row.clips})`;
  const small = (p) => p === null ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3);
  const rows = () => study.correlations.filter((row) => row.method === find("method").value);
  const line = (row) => {
    const found = make("tr"), interval = row.low === null ? "–" : `[${row.low.toFixed(3)}, ${row.high.toFixed(3)}]`;
    found.append(make("th", title(row.measure), { scope: "row" }), make("td", title(row.target)), make("td", scope(row)));
    for (const text of [row.r === null ? "–" : row.r.toFixed(3), interval, show(row.n), small(row.p_adjusted)]) found.append(make("td", text, { class: "number" }));
    return found;
  };
  const draw = () => { if (find("relations").open) find("relations-table").tBodies[0].replaceChildren(...rows().map(line)); };
  find("relations").addEventListener("toggle", draw);
  find("method").addEventListener("change", draw);
  find("download-relations").addEventListener("click", () => {
    const names = ["measure", "target", "scope", "method", "n", "clips", "r", "low", "high", "p_adjusted"];
    percept.save("correlations_shown.csv", percept.csv([names, ...rows().map((row) => names.map((name) => row[name]))]));
  });
})();

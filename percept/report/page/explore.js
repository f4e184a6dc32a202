"use strict";
// Charts by Plotly: scatter, correlations, curves by level. Redrawn when a choice or the colour scheme changes.
(() => {
  const { find, study, fill, label } = percept;
  const settings = { displayModeBar: false, responsive: true };
  const index = (name) => study.measures.findIndex((measure) => measure.name === name);
  const layout = (more) => {
    const ink = percept.colour("--ink"), line = percept.colour("--line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 13 },
      margin: { l: 60, r: 15, t: 20, b: 50 }, hovermode: "closest", legend: { orientation: "h", y: -0.22 }, ...more,
      xaxis: { ...axis, ...(more.xaxis || {}) }, yaxis: { ...axis, ...(more.yaxis || {}) },
    };
  };
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const family = (name) => study.families[name] ? study.families[name].title : name || "other";
  const groups = (key) => [...new Set(study.rows.map((row) => row[key]))];

  const scatter = () => {
    const [x, y] = [find("x-measure").value, find("y-measure").value].map(index), key = find("colour").value;
    const traces = groups(key).map((name, number) => {
      const rows = study.rows.filter((row) => row[key] === name && row.values[x] !== null && row.values[y] !== null);
      return {
        type: rows.length > 2000 ? "scattergl" : "scatter", mode: "markers", name: plain(key === "family" ? family(name) : name),
        x: rows.map((row) => row.values[x]), y: rows.map((row) => row.values[y]), customdata: rows.map((row) => [row.clip, row.condition]),
        text: rows.map((row) => `${plain(row.clip)}<br>${plain(row.condition)}`), hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        marker: { size: 9, color: percept.palette[number % percept.palette.length], symbol: number % 12, line: { width: 1, color: percept.colour("--paper") } },
      };
    });
    const [across, up] = [x, y].map((place) => plain(label(study.measures[place])));
    Plotly.react("scatter", traces, layout({ xaxis: { title: { text: across } }, yaxis: { title: { text: up } } }), settings);
  };
  const heat = () => {
    const rows = study.correlations.filter((row) => row.method === find("method").value);
    const targets = study.measures.filter((measure) => rows.some((row) => row.target === measure.name));
    const measures = study.measures.filter((measure) => rows.some((row) => row.measure === measure.name)).reverse();
    const cell = (measure, target) => rows.find((row) => row.measure === measure.name && row.target === target.name);
    const words = (row) => row && row.r !== null ? row.r.toFixed(2) + (row.low === null ? "" : ` [${row.low.toFixed(2)}, ${row.high.toFixed(2)}]`) : "";
    const trace = {
      type: "heatmap", zmin: -1, zmax: 1, colorscale: [[0, "#c25b00"], [0.5, percept.colour("--paper")], [1, "#0b5cad"]], colorbar: { title: { text: "r" } },
      x: targets.map((m) => plain(m.title)), y: measures.map((m) => plain(m.title)), z: measures.map((m) => targets.map((t) => { const row = cell(m, t); return row ? row.r : null; })),
      text: measures.map((m) => targets.map((t) => words(cell(m, t)))), texttemplate: window.innerWidth > 700 ? "%{text}" : "", 
      customdata: measures.map((m) => targets.map((t) => { const row = cell(m, t); return row ? `${row.n} versions of ${row.clips} clips, ${row.scope}` : ""; })),
      hovertemplate: "%{y}<br>%{x}: %{text}<br>%{customdata}<extra></extra>",
    };
    find("heat").style.height = `${120 + 26 * measures.length}px`;
    Plotly.react("heat", [trace], layout({ margin: { l: 60, r: 10, t: 10, b: 60 }, yaxis: { automargin: true, tickfont: { size: window.innerWidth > 700 ? 12 : 9 } } }), settings);
  };
  const curves = () => {
    const place = index(find("curve-measure").value), name = find("curve-family").value, about = study.families[name];
    const rows = study.rows.filter((row) => row.family === name && row.level !== null && row.values[place] !== null);
    const levels = [...new Set(rows.map((row) => row.level))].sort((a, b) => about && about.harsher === "lower" ? b - a : a - b);
    const traces = [...new Set(rows.map((row) => row.clip))].map((clip, number) => {
      const own = rows.filter((row) => row.clip === clip).sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
      return {
        type: "scatter", mode: "lines+markers", name: plain(clip), x: own.map((row) => String(row.level)), y: own.map((row) => row.values[place]),
        customdata: own.map((row) => [row.clip, row.condition]), hovertemplate: `${plain(clip)}<br>%{x}: %{y:.4g}<extra></extra>`,
        line: { width: 1.5, color: percept.palette[number % percept.palette.length] }, marker: { symbol: number % 12, size: 7 },
      };
    });
    const mean = levels.map((level) => { const own = rows.filter((row) => row.level === level); return own.reduce((sum, row) => sum + row.values[place], 0) / own.length; });
    traces.push({ type: "scatter", mode: "lines", name: "mean", x: levels.map(String), y: mean, line: { width: 4, color: percept.colour("--ink") }, hovertemplate: "mean at %{x}: %{y:.4g}<extra></extra>" });
    const axis = { type: "category", categoryorder: "array", categoryarray: levels.map(String), title: { text: plain(family(name) + (about && about.unit ? ` [${about.unit}]` : "")) } };
    Plotly.react("curves", traces, layout({ xaxis: axis, yaxis: { title: { text: plain(label(study.measures[place])) } } }), settings);
  };
  const all = () => { scatter(); heat(); curves(); };
  percept.explore = { all };

  const entries = study.measures.map((measure) => [measure.name, label(measure)]);
  for (const id of ["x-measure", "y-measure", "curve-measure"]) fill(find(id), entries);
  fill(find("curve-family"), Object.keys(study.families).map((name) => [name, family(name)]));
  const target = study.measures.find((measure) => measure.target) || study.measures[0];
  const other = study.measures.find((measure) => measure.group === "embedding") || study.measures.find((measure) => !measure.target) || target;
  find("x-measure").value = other.name;
  find("y-measure").value = target.name;
  find("curve-measure").value = target.name;
  for (const [id, draw] of [["x-measure", scatter], ["y-measure", scatter], ["colour", scatter], ["method", heat], ["curve-measure", curves], ["curve-family", curves]]) find(id).addEventListener("change", draw);
  all();
  for (const id of ["scatter", "curves"]) {
    find(id).on("plotly_click", (event) => {
      const data = event.points[0].customdata;
      if (data && percept.player.select) percept.player.select(data[0], data[1], true);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  window.addEventListener("beforeprint", all);
})();

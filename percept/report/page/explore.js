"use strict";
// Charts by Plotly: scatter, correlations, curves by level. Redrawn when a choice, the colour scheme or the width changes.
(() => {
  const { find, study, fill, label, family, narrow } = percept;
  const settings = { displayModeBar: false, responsive: true };
  const MOST_NAMED = 24;  // groups; of more, a legend would be longer than the chart
  const index = (name) => study.measures.findIndex((measure) => measure.name === name);
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const wrapped = (text, width) => {
    const lines = [""];
    for (const word of text.split(" ")) if (`${lines.at(-1)} ${word}`.length > width && lines.at(-1)) lines.push(word); else lines.push(`${lines.pop()} ${word}`.trim());
    return lines.map(plain).join("<br>");
  };
  const titled = (text) => ({ title: { text: wrapped(text, narrow.matches ? 30 : 60) } });
  const layout = (more) => {
    const ink = percept.colour("--ink"), line = percept.colour("--line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 13 },
      margin: { l: 50, r: 12, t: 12, b: 40 }, hovermode: "closest",
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom" }, ...more,
      xaxis: { ...axis, ...(more.xaxis || {}) }, yaxis: { ...axis, ...(more.yaxis || {}) },
    };
  };
  const chart = (id, traces, more, named) => {
    const rows = named > MOST_NAMED ? 0 : Math.ceil(named / (narrow.matches ? 1 : 4));
    find(id).style.height = `${(narrow.matches ? 320 : 380) + 20 * rows}px`;
    Plotly.react(id, traces, layout({ showlegend: rows > 0, ...more }), settings);
  };

  const scatter = () => {
    const [x, y] = [find("x-measure").value, find("y-measure").value].map(index), key = find("colour").value;
    const names = [...new Set(study.rows.map((row) => row[key]))];
    const traces = names.map((name, number) => {
      const rows = study.rows.filter((row) => row[key] === name && row.values[x] !== null && row.values[y] !== null);
      return {
        type: "scatter", mode: "markers", name: plain(key === "family" ? family(name) : name),
        x: rows.map((row) => row.values[x]), y: rows.map((row) => row.values[y]), customdata: rows.map((row) => [row.clip, row.condition]),
        text: rows.map((row) => `${plain(row.clip)}<br>${plain(row.condition)}`), hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        marker: { size: 9, color: percept.palette[number % percept.palette.length], symbol: number % 12, line: { width: 1, color: percept.colour("--paper") } },
      };
    });
    chart("scatter", traces, { xaxis: titled(label(study.measures[x])), yaxis: titled(label(study.measures[y])) }, names.length);
  };
  const heat = () => {
    const rows = study.correlations.filter((row) => row.method === find("method").value);
    const targets = study.targets.map((name) => study.measures[index(name)]).filter((measure) => rows.some((row) => row.target === measure.name));
    const measures = study.measures.filter((measure) => rows.some((row) => row.measure === measure.name));
    const cells = measures.map((m) => targets.map((t) => rows.find((row) => row.measure === m.name && row.target === t.name)));
    const signed = (value) => value.toFixed(2).replace("-", "−");
    const interval = (row) => row.low === null ? "" : ` [${signed(row.low)}, ${signed(row.high)}]`;
    const words = (row, whole) => row && row.r !== null ? signed(row.r) + (whole ? interval(row) : "") : "";
    const each = (told) => cells.map((line) => line.map((row) => row ? told(row) : ""));
    const small = narrow.matches;
    const trace = {
      type: "heatmap", zmin: -1, zmax: 1, colorscale: [[0, percept.colour("--falls")], [0.5, percept.colour("--paper")], [1, percept.colour("--rises")]],
      showscale: !small, colorbar: { title: { text: "r" }, thickness: 14 }, xgap: 1, ygap: 1,
      x: targets.map((m) => wrapped(m.title, small ? 8 : 40)), y: measures.map((m) => wrapped(m.title, small ? 18 : 60)),
      z: cells.map((line) => line.map((row) => row ? row.r : null)), text: each((row) => words(row, !small)), texttemplate: "%{text}", textfont: { color: percept.colour("--ink") },
      customdata: each((row) => `${words(row, true)}<br>${row.n} versions of ${row.clips} clips, ${plain(row.scope)}`),
      hovertemplate: "%{y}<br>%{x}: %{customdata}<extra></extra>",
    };
    const bare = { showgrid: false, zeroline: false };
    find("heat").style.height = `${90 + (small ? 34 : 26) * measures.length}px`;
    const yaxis = { ...bare, autorange: "reversed", tickfont: { size: small ? 9 : 12 } };
    Plotly.react("heat", [trace], layout({ xaxis: { ...bare, side: "top", tickangle: 0 }, yaxis, margin: { l: 50, r: 10, t: 50, b: 10 } }), settings);
  };
  const curves = () => {
    const place = index(find("curve-measure").value), name = find("curve-family").value, about = study.families[name];
    const rows = study.rows.filter((row) => row.family === name && row.level !== null && row.values[place] !== null);
    const levels = [...new Set(rows.map((row) => row.level))].sort((a, b) => about && about.harsher === "lower" ? b - a : a - b);
    const clips = [...new Set(rows.map((row) => row.clip))], many = clips.length > MOST_NAMED;
    const traces = clips.map((clip, number) => {
      const own = rows.filter((row) => row.clip === clip).sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
      return {
        type: "scatter", mode: many ? "lines" : "lines+markers", name: plain(clip), x: own.map((row) => String(row.level)), y: own.map((row) => row.values[place]),
        customdata: own.map((row) => [row.clip, row.condition]), text: own.map(() => plain(clip)), hovertemplate: "%{text}<br>%{x}: %{y:.4g}<extra></extra>",
        line: { width: many ? 0.7 : 1.5, color: percept.palette[number % percept.palette.length] }, marker: { symbol: number % 12, size: 7 },
      };
    });
    const mean = levels.map((level) => { const own = rows.filter((row) => row.level === level); return own.reduce((sum, row) => sum + row.values[place], 0) / own.length; });
    traces.push({ type: "scatter", mode: "lines", name: "mean", x: levels.map(String), y: mean, line: { width: 4, color: percept.colour("--ink") }, hovertemplate: "mean at %{x}: %{y:.4g}<extra></extra>" });
    const axis = { type: "category", categoryorder: "array", categoryarray: levels.map(String), ...titled(family(name) + (about && about.unit ? ` [${about.unit}]` : "")) };
    chart("curves", traces, { xaxis: axis, yaxis: titled(label(study.measures[place])) }, clips.length + 1);
  };
  const all = () => { scatter(); heat(); curves(); };
  percept.explore = { all };

  const entries = study.measures.map((measure) => [measure.name, measure.title]);
  for (const id of ["x-measure", "y-measure", "curve-measure"]) fill(find(id), entries);
  // First the one with the most levels: it has the most to show.
  const families = Object.keys(study.families), levels = (name) => new Set(study.rows.filter((row) => row.family === name).map((row) => row.level)).size;
  fill(find("curve-family"), families.map((name) => [name, family(name)]));
  find("curve-family").value = families.reduce((best, name) => levels(name) > levels(best) ? name : best, families[0]);
  const target = study.measures[index(study.targets[0])] || study.measures[0];
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
  for (const medium of [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print"), narrow]) medium.addEventListener("change", all);
})();

"use strict";
// Charts by Plotly: scatter, correlations, curves by level. Redrawn when a choice, the colour scheme or the width
// changes.
(() => {
  const { find, study, fill, label, family, narrow, palette } = percept;
  const settings = { displayModeBar: false, responsive: true };
  const MOST_NAMED = 24;  // groups; of more, a legend would be longer than the chart
  const index = (name) => study.measures.findIndex((measure) => measure.name === name);
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const wrapped = (text, width) => {
    const lines = [""];
    for (const word of text.split(" ")) {
      const full = lines.at(-1) && `${lines.at(-1)} ${word}`.length > width;
      lines.push(full ? word : `${lines.pop()} ${word}`.trim());
    }
    return lines.map(plain).join("<br>");
  };
  const titled = (text) => ({ title: { text: wrapped(text, narrow.matches ? 30 : 60) } });
  const layout = (more) => {
    const ink = percept.colour("--ink"), line = percept.colour("--line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 13 },
      margin: { l: 50, r: 12, t: 12, b: 40 }, hovermode: "closest",
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom" },
      ...more,
      xaxis: { ...axis, ...(more.xaxis || {}) },
      yaxis: { ...axis, ...(more.yaxis || {}) },
    };
  };
  const chart = (id, traces, more, named) => {
    const rows = named > MOST_NAMED ? 0 : Math.ceil(named / (narrow.matches ? 1 : 4));
    find(id).style.height = `${(narrow.matches ? 320 : 380) + 20 * rows}px`;
    Plotly.react(id, traces, layout({ showlegend: rows > 0, ...more }), settings);
  };
  const versions = (rows) => rows.map((row) => [row.clip, row.condition]);
  const look = (number) => ({ color: palette[number % palette.length], symbol: number % 12 });

  const scatter = () => {
    const [x, y] = [find("x-measure").value, find("y-measure").value].map(index), key = find("colour").value;
    const names = [...new Set(study.rows.map((row) => row[key]))];
    const both = study.rows.filter((row) => row.values[x] !== null && row.values[y] !== null);
    const traces = names.map((name, number) => {
      const rows = both.filter((row) => row[key] === name);
      return {
        type: "scatter", mode: "markers", name: plain(key === "family" ? family(name) : name),
        x: rows.map((row) => row.values[x]), y: rows.map((row) => row.values[y]), customdata: versions(rows),
        text: rows.map((row) => `${plain(row.clip)}<br>${plain(row.condition)}`),
        hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        marker: { size: 9, ...look(number), line: { width: 1, color: percept.colour("--paper") } },
      };
    });
    const axes = { xaxis: titled(label(study.measures[x])), yaxis: titled(label(study.measures[y])) };
    chart("scatter", traces, axes, names.length);
  };
  const signed = (value) => value.toFixed(2).replace("-", "−");
  const interval = (row) => row.low === null ? "" : ` [${signed(row.low)}, ${signed(row.high)}]`;
  const coefficient = (row, whole) =>
    row && row.r !== null ? signed(row.r) + (whole ? interval(row) : "") : "";
  const judged = (measure) => measure.kind ? `${measure.title} (${measure.kind})` : measure.title;
  const heat = () => {
    const rows = study.correlations.filter((row) => row.method === find("method").value);
    const targets = study.targets.map((name) => study.measures[index(name)])
      .filter((measure) => rows.some((row) => row.target === measure.name));
    const measures = study.measures.filter((measure) => rows.some((row) => row.measure === measure.name));
    const cells = measures.map((m) =>
      targets.map((t) => rows.find((row) => row.measure === m.name && row.target === t.name)));
    const each = (told) => cells.map((line) => line.map((row) => row ? told(row) : ""));
    const small = narrow.matches;
    const ends = [[0, percept.colour("--falls")], [0.5, percept.colour("--paper")], [1, percept.colour("--rises")]];
    const trace = {
      type: "heatmap", zmin: -1, zmax: 1, colorscale: ends, xgap: 1, ygap: 1,
      showscale: !small, colorbar: { title: { text: "r" }, thickness: 14 },
      x: targets.map((m) => wrapped(judged(m), small ? 8 : 40)),
      y: measures.map((m) => wrapped(m.title, small ? 18 : 60)),
      z: cells.map((line) => line.map((row) => row ? row.r : null)),
      text: each((row) => coefficient(row, !small)), texttemplate: "%{text}",
      textfont: { color: percept.colour("--ink") },
      customdata: each((row) =>
        `${coefficient(row, true)}<br>${row.n} versions of ${row.clips} clips, ${plain(row.scope)}`),
      hovertemplate: "%{y}<br>%{x}: %{customdata}<extra></extra>",
    };
    const bare = { showgrid: false, zeroline: false };
    find("heat").style.height = `${90 + (small ? 34 : 26) * measures.length}px`;
    const xaxis = { ...bare, side: "top", tickangle: 0 };
    const yaxis = { ...bare, autorange: "reversed", tickfont: { size: small ? 9 : 12 } };
    Plotly.react("heat", [trace], layout({ xaxis, yaxis, margin: { l: 50, r: 10, t: 50, b: 10 } }), settings);
  };
  // The mean of the clips on which the measure is judged; where one of them is missing, the mean would jump.
  const mean = (rows, place, levels) => {
    const { kind } = study.measures[place];
    const own = rows.filter((row) => !kind || row.kind === kind);
    const clips = new Set(own.map((row) => row.clip));
    const values = levels.map((level) => {
      const there = own.filter((row) => row.level === level);
      if (!clips.size || new Set(there.map((row) => row.clip)).size < clips.size) return null;
      return there.reduce((sum, row) => sum + row.values[place], 0) / there.length;
    });
    const gaps = values.filter((value) => value === null).length;
    const whose = `${clips.size} ${kind ? `${kind} ` : ""}${clips.size === 1 ? "clip" : "clips"}`;
    const made = kind ? `, as the measure was made for ${kind}` : "";
    const where = gaps ? `, at the ${levels.length - gaps} of ${levels.length} levels that all of them have` : "";
    const told = gaps < levels.length ? `The thick line is the mean of ${whose}${made}${where}.` : "There is no mean.";
    return { values, told };
  };
  const curves = () => {
    const place = index(find("curve-measure").value), name = find("curve-family").value;
    const about = study.families[name] || { harsher: "higher", unit: "" };
    const rows = study.rows.filter((row) =>
      row.family === name && row.level !== null && Number.isFinite(row.values[place]));
    const levels = [...new Set(rows.map((row) => row.level))]
      .sort((a, b) => about.harsher === "lower" ? b - a : a - b);
    const clips = [...new Set(rows.map((row) => row.clip))], many = clips.length > MOST_NAMED;
    const traces = clips.map((clip, number) => {
      const own = rows.filter((row) => row.clip === clip)
        .sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
      const { color, symbol } = look(number);
      return {
        type: "scatter", mode: many ? "lines" : "lines+markers", name: plain(clip),
        x: own.map((row) => String(row.level)), y: own.map((row) => row.values[place]),
        customdata: versions(own), text: own.map(() => plain(clip)),
        hovertemplate: "%{text}<br>%{x}: %{y:.4g}<extra></extra>",
        line: { width: many ? 0.7 : 1.5, color }, marker: { symbol, size: 7 },
      };
    });
    const { values, told } = mean(rows, place, levels);
    traces.push({
      type: "scatter", mode: "lines", name: "mean", x: levels.map(String), y: values,
      line: { width: 4, color: percept.colour("--ink") }, hovertemplate: "mean at %{x}: %{y:.4g}<extra></extra>",
    });
    find("curve-note").textContent = told;
    const title = titled(family(name) + (about.unit ? ` [${about.unit}]` : ""));
    const xaxis = { type: "category", categoryorder: "array", categoryarray: levels.map(String), ...title };
    chart("curves", traces, { xaxis, yaxis: titled(label(study.measures[place])) }, clips.length + 1);
  };
  const all = () => {
    scatter();
    heat();
    curves();
  };
  percept.explore = { all };

  const entries = study.measures.map((measure) => [measure.name, measure.title]);
  for (const id of ["x-measure", "y-measure", "curve-measure"]) fill(find(id), entries);
  // First the one with the most levels: it has the most to show.
  const families = Object.keys(study.families);
  const levels = (name) => new Set(study.rows.filter((row) => row.family === name).map((row) => row.level)).size;
  fill(find("curve-family"), families.map((name) => [name, family(name)]));
  find("curve-family").value =
    families.reduce((best, name) => levels(name) > levels(best) ? name : best, families[0]);
  const target = study.measures[index(study.targets[0])] || study.measures[0];
  const other = study.measures.find((measure) => measure.group === "embedding")
    || study.measures.find((measure) => !measure.target) || target;
  find("x-measure").value = other.name;
  find("y-measure").value = target.name;
  find("curve-measure").value = target.name;
  const choices = {
    "x-measure": scatter, "y-measure": scatter, colour: scatter, method: heat, "curve-measure": curves,
    "curve-family": curves,
  };
  for (const [id, draw] of Object.entries(choices)) find(id).addEventListener("change", draw);
  all();
  for (const id of ["scatter", "curves"]) {
    find(id).on("plotly_click", (event) => {
      const version = event.points[0].customdata;
      if (!version) return;
      // The player is far: what came of the click is told here too.
      find(`${id}-told`).textContent = percept.missing(...version) || `${version[1]} of ${version[0]} plays.`;
      if (percept.player.select) percept.player.select(...version, true);
    });
  }
  const media = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print"), narrow];
  for (const medium of media) medium.addEventListener("change", all);
})();

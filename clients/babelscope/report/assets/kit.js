"use strict";
// What all figures share. The page puts this file, page.js and the sections' files into one function, in this order.
const S = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
// By key of the study's sections: `start` fills its menus, `render` draws its figures.
const sections = {};
const names = new Map(S.languages.map((each) => [each.tag, each.name]));
const tags = S.languages.map((each) => each.tag);
// Okabe and Ito's palette, told apart by colour-blind readers as well; yellow left out, too pale on paper.
const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7A5C3E"];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = () => document.documentElement.dataset.theme === "dark";
const narrow = () => window.innerWidth < 640;
const fixed = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));
const signed = (value) => (Math.abs(value) < 0.0005 ? "0.000" : (value > 0 ? "+" : "−") + Math.abs(value).toFixed(3));
const layerName = (layer) => (layer === 0 ? "embeddings" : `layer ${layer}`);
const alpha = (hex, opacity) => hex + Math.round(opacity * 255).toString(16).padStart(2, "0");
function layout(extra) {
  const axis = { gridcolor: css("--faint"), zeroline: false, linecolor: css("--line"), tickcolor: css("--line"), automargin: true };
  const { xaxis = {}, yaxis = {}, ...rest } = extra;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: narrow() ? 330 : 440,
    font: { family: css("--sans"), size: narrow() ? 12 : 13, color: css("--ink") },
    margin: { l: 48, r: 14, t: 26, b: 44 }, showlegend: false, hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--line"), activecolor: css("--accent") },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink"), family: css("--sans") }, align: "left" },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}
const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
function draw(id, data, extra) {
  const full = layout(extra);
  $(id).style.height = `${full.height}px`; // or the box forgets its height when the window changes
  Plotly.react($(id), data, full, { ...config, toImageButtonOptions: { format: "svg", filename: `${S.name}-${id}` } });
}
const scale = () => (dark()
  ? [[0, "#1b1f25"], [0.25, "#173b44"], [0.5, "#1b6a6f"], [0.75, "#4fb0a5"], [1, "#e8f3c8"]]
  : [[0, "#f6f4ee"], [0.25, "#cfe3da"], [0.5, "#86bfb3"], [0.75, "#2f8388"], [1, "#0a3d4f"]]);
// `more`: cells brought out by a frame, `framed` as [row, column], and titles of the axes, `across` and `down`.
function heat(id, x, y, z, hover, ratio, more = {}) {
  const flat = z.flat().filter((value) => value !== null), top = Math.max(...flat), low = Math.min(0, ...flat);
  const wide = x.length <= (narrow() ? 8 : 20), title = (text) => (text ? { text, standoff: 6 } : undefined);
  draw(id, [{
    type: "heatmap", x, y, z, zmin: low, zmax: top, colorscale: scale(), xgap: 2, ygap: 2, hoverongaps: false, customdata: hover,
    hovertemplate: "%{customdata}<extra></extra>", texttemplate: wide && !narrow() ? "%{z:.2f}" : "", textfont: { size: 11 },
    colorbar: { thickness: 10, outlinewidth: 0, len: 0.9, tickfont: { color: css("--soft") }, x: 1.01 },
  }], {
    shapes: (more.framed || []).map(([row, column]) => ({
      type: "rect", x0: column - 0.47, x1: column + 0.47, y0: row - 0.44, y1: row + 0.44, line: { color: PALETTE[1], width: 2 },
    })),
    height: Math.max(190, y.length * (narrow() ? 22 : 27) + (more.across ? 110 : 70)) * ratio, margin: { l: 20, r: 10, t: 26, b: 24 },
    xaxis: { type: "category", showgrid: false, title: title(more.across), tickangle: x.length > (narrow() ? 4 : 13) && x.some((name) => name.length > 3) ? -50 : 0 },
    yaxis: { type: "category", autorange: "reversed", showgrid: false, title: title(more.down) },
  });
}
function element(name, content) {
  const made = document.createElement(name);
  if (Array.isArray(content)) made.append(...content); else made.textContent = content;
  return made;
}
// The numbers of a figure: a heat map's cells, labelled points a row each, or lines a row each over what they share.
function fillTable(details) {
  const plot = $(details.dataset.table), data = plot.data || [];
  const [head, body] = plot.data ? cells(plot, data) : [[], []];
  const table = element("table", [
    element("thead", [element("tr", head.map((name) => element("th", name)))]),
    element("tbody", body.map(([name, ...values]) => element("tr", [
      element("th", name), ...values.map((value) => element("td", typeof value === "string" ? value : fixed(value, 4))),
    ]))),
  ]);
  const box = element("div", [table]);
  box.className = "scroll";
  details.querySelectorAll(".scroll").forEach((old) => old.remove());
  details.append(box);
}
function cells(plot, data) {
  const heatmap = data.find((trace) => trace.type === "heatmap"), points = data.filter((trace) => trace.meta === "points");
  if (heatmap) return [["", ...heatmap.x], heatmap.y.map((name, at) => [name, ...heatmap.z[at]])];
  if (points.length) {
    const axes = [plot.layout.xaxis, plot.layout.yaxis].map((axis) => axis.title.text);
    return [["", ...axes], points.flatMap((trace) => trace.x.map((x, at) => [points.length > 1 ? `${trace.name}, ${trace.text[at]}` : trace.text[at], x, trace.y[at]]))];
  }
  const lines = data.filter((trace) => trace.meta !== "band" && trace.type === "scatter");
  const ticks = [...new Set(lines.flatMap((trace) => trace.x))].sort((one, two) => one - two);
  const { tickvals = [], ticktext = [] } = plot.layout.xaxis;
  const named = (tick) => (tickvals.includes(tick) ? ticktext[tickvals.indexOf(tick)] : String(tick));
  return [["", ...ticks.map(named)], lines.map((trace) => [trace.name, ...ticks.map((tick) => (trace.x.includes(tick) ? trace.y[trace.x.indexOf(tick)] : null))])];
}
const openTables = () => document.querySelectorAll("details[data-table][open]").forEach(fillTable);
function options(id, values, chosen) {
  $(id).replaceChildren(...values.map(([value, text]) => { const option = element("option", text); option.value = value; return option; }));
  $(id).value = values.some(([value]) => value === chosen) ? chosen : values.length ? values[0][0] : "";
  return $(id).value;
}
// Fills the menus of a section from its entries: one menu a field, those of a single choice hidden.
function choices(prefix, entries, fields) {
  fields.forEach((field) => {
    const id = `${prefix}-${field}`, values = [...new Map(entries.map((each) => [each[field], [each[field], each[field]]])).values()];
    options(id, values, $(id).value);
    $(id).parentElement.hidden = values.length < 2;
  });
}
const chosen = (prefix, entries, fields) => entries.find((each) => fields.every((field) => each[field] === $(`${prefix}-${field}`).value));

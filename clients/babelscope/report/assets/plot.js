// How a figure is drawn: its layout, its texts, heat maps, and what line charts share.
import { S } from "./data.js";
import { $ } from "./dom.js";
import { css, dark, grey, narrow, PALETTE, tick } from "./style.js";

// What was drawn, by id of the plot, as it was given: tables are made from it.
export const drawn = new Map();

// Plotly reads tags, entities and %{} in its texts; a study's own texts are shown as they are.
export const plain = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%{", "&#37;{");
const shown = (value) => {
  if (Array.isArray(value)) return value.map(shown);
  return typeof value === "string" ? plain(value) : value;
};

function layout(extra) {
  const axis = {
    gridcolor: css("--faint"),
    zeroline: false,
    linecolor: css("--line"),
    tickcolor: css("--line"),
    automargin: true,
  };
  const { xaxis = {}, yaxis = {}, ...rest } = extra;
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    height: narrow() ? 330 : 440,
    font: { family: css("--sans"), size: narrow() ? 12 : 13, color: css("--ink") },
    margin: { l: 48, r: 14, t: 26, b: 44 },
    showlegend: false,
    hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--line"), activecolor: css("--accent") },
    hoverlabel: {
      bgcolor: css("--card"),
      bordercolor: css("--line"),
      font: { color: css("--ink"), family: css("--sans") },
      align: "left",
    },
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, ...yaxis },
    ...rest,
  };
}
const titled = (axis) => (axis.title ? { ...axis, title: { ...axis.title, text: plain(axis.title.text) } } : axis);

export function draw(id, data, extra) {
  const full = layout(extra);
  drawn.set(id, { data, layout: full });
  $(id).style.height = `${full.height}px`; // or the box forgets its height when the window changes
  const traces = data.map((trace) => ({
    ...trace,
    name: shown(trace.name),
    x: shown(trace.x),
    y: shown(trace.y),
    text: shown(trace.text),
  }));
  Plotly.react(
    $(id),
    traces,
    { ...full, xaxis: titled(full.xaxis), yaxis: titled(full.yaxis) },
    {
      displaylogo: false,
      responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: `${S.name}-${id}` },
    },
  );
}

const scale = () =>
  dark()
    ? [
        [0, "#1b1f25"],
        [0.25, "#173b44"],
        [0.5, "#1b6a6f"],
        [0.75, "#4fb0a5"],
        [1, "#e8f3c8"],
      ]
    : [
        [0, "#f6f4ee"],
        [0.25, "#cfe3da"],
        [0.5, "#86bfb3"],
        [0.75, "#2f8388"],
        [1, "#0a3d4f"],
      ];
// `more`: cells with a frame, `framed` as [row, column], and titles of the axes, `across` and `down`.
export function heat(id, x, y, z, hover, ratio, more = {}) {
  const flat = z.flat().filter((value) => value !== null);
  const wide = x.length <= (narrow() ? 8 : 20);
  const title = (text) => (text ? { text, standoff: 6 } : undefined);
  draw(
    id,
    [
      {
        type: "heatmap",
        x,
        y,
        z,
        zmin: Math.min(0, ...flat),
        zmax: Math.max(...flat),
        colorscale: scale(),
        xgap: 2,
        ygap: 2,
        hoverongaps: false,
        customdata: hover,
        hovertemplate: "%{customdata}<extra></extra>",
        texttemplate: wide && !narrow() ? "%{z:.2f}" : "",
        textfont: { size: 11 },
        colorbar: { thickness: 10, outlinewidth: 0, len: 0.9, tickfont: { color: css("--soft") }, x: 1.01 },
      },
    ],
    {
      shapes: (more.framed || []).map(([row, column]) => ({
        type: "rect",
        x0: column - 0.47,
        x1: column + 0.47,
        y0: row - 0.44,
        y1: row + 0.44,
        line: { color: PALETTE[1], width: 2 },
      })),
      height: Math.max(190, y.length * (narrow() ? 22 : 27) + (more.across ? 110 : 70)) * ratio,
      margin: { l: 20, r: 10, t: 26, b: 24 },
      xaxis: {
        type: "category",
        showgrid: false,
        title: title(more.across),
        tickangle: x.length > (narrow() ? 4 : 13) && x.some((name) => name.length > 3) ? -50 : 0,
      },
      yaxis: { type: "category", autorange: "reversed", showgrid: false, title: title(more.down) },
    },
  );
}

export const layerAxis = (layers) => ({
  title: { text: "layer" },
  tickmode: "array",
  tickvals: layers,
  ticktext: layers.map(tick),
});
export const legend = (y = -0.2) => ({ orientation: "h", y, x: 0, font: { size: 12 } });
// The level that unrelated texts would give.
export const chanceLine = (x, y) => ({
  type: "scatter",
  mode: "lines",
  x,
  y,
  name: "chance",
  line: { color: grey(), width: 1.5, dash: "dot" },
  hovertemplate: "chance %{y:.4f}<extra></extra>",
});
// Bars from `low` to `high` around values.
export const bars = (values, low, high) => ({
  type: "data",
  symmetric: false,
  array: values.map((value, at) => high[at] - value),
  arrayminus: values.map((value, at) => value - low[at]),
  thickness: 1.2,
  width: 3,
});

// Lines, bands and chance over the layers of the model.
import { chanceLine, plain } from "../plot.js";
import { alpha, fixed, grey } from "../style.js";
import { mean, state } from "./series.js";

export function band(low, high, colour, opacity) {
  const x = state.model.layers;
  return {
    type: "scatter",
    mode: "lines",
    x: [...x, ...[...x].reverse()],
    y: [...high, ...[...low].reverse()],
    fill: "toself",
    fillcolor: alpha(colour, opacity),
    line: { width: 0 },
    hoverinfo: "skip",
    name: "",
    meta: "band",
    showlegend: false,
  };
}
export function chance(listed) {
  const centre = mean(listed, "nm"),
    spread = mean(listed, "ns");
  const low = centre.map((value, at) => value - 2 * spread[at]),
    high = centre.map((value, at) => value + 2 * spread[at]);
  return [band(low, high, grey(), 0.22), chanceLine(state.model.layers, centre)];
}
export function line(each, name, style) {
  const interval = each.lo ? " [%{customdata[0]:.3f}, %{customdata[1]:.3f}]" : "";
  return {
    type: "scatter",
    mode: "lines+markers",
    x: state.model.layers,
    y: each.v,
    name,
    customdata: state.model.layers.map((_, at) => [each.lo?.[at], each.hi?.[at], each.nm[at], each.ns[at], each.n]),
    hovertemplate: `<b>${plain(name)}</b><br>layer %{x}: <b>%{y:.3f}</b>${interval}<br>chance %{customdata[2]:.3f} ± %{customdata[3]:.3f}<br>n = %{customdata[4]}<extra></extra>`,
    ...style,
  };
}
// The text over a cell of a heat map.
export const cell = (title, each, at) =>
  `${title}<br>${fixed(each.v[at])} [${fixed(each.lo[at])}, ${fixed(each.hi[at])}]<br>chance ${fixed(each.nm[at])} ± ${fixed(each.ns[at])}`;

// The numbers of a figure: a heat map's cells, labelled points a row each, or lines a row each over what they share.
import { element } from "./dom.js";
import { drawn } from "./plot.js";
import { fixed } from "./style.js";

export function fillTable(details) {
  const figure = drawn.get(details.dataset.table);
  const [head, body] = figure ? cells(figure) : [[], []];
  const table = element("table", [
    element("thead", [
      element(
        "tr",
        head.map((name) => element("th", name)),
      ),
    ]),
    element(
      "tbody",
      body.map(([name, ...values]) =>
        element("tr", [
          element("th", name),
          ...values.map((value) => element("td", typeof value === "string" ? value : fixed(value, 4))),
        ]),
      ),
    ),
  ]);
  const box = element("div", [table]);
  box.className = "scroll";
  details.querySelector(".scroll")?.remove();
  details.append(box);
}
function cells({ data, layout }) {
  const heatmap = data.find((trace) => trace.type === "heatmap");
  if (heatmap) return [["", ...heatmap.x], heatmap.y.map((name, at) => [name, ...heatmap.z[at]])];
  const points = data.filter((trace) => trace.meta === "points");
  if (points.length) {
    const axes = [layout.xaxis, layout.yaxis].map((axis) => axis.title.text);
    const named = (trace, at) => (points.length > 1 ? `${trace.name}, ${trace.text[at]}` : trace.text[at]);
    return [["", ...axes], points.flatMap((trace) => trace.x.map((x, at) => [named(trace, at), x, trace.y[at]]))];
  }
  const lines = data.filter((trace) => trace.meta !== "band" && trace.type === "scatter");
  const ticks = [...new Set(lines.flatMap((trace) => trace.x))].sort((one, two) => one - two);
  const { tickvals = [], ticktext = [] } = layout.xaxis;
  const named = (tick) => (tickvals.includes(tick) ? ticktext[tickvals.indexOf(tick)] : String(tick));
  const value = (trace, tick) => (trace.x.includes(tick) ? trace.y[trace.x.indexOf(tick)] : null);
  return [["", ...ticks.map(named)], lines.map((trace) => [trace.name, ...ticks.map((tick) => value(trace, tick))])];
}
export const openTables = () => document.querySelectorAll("details[data-table][open]").forEach(fillTable);

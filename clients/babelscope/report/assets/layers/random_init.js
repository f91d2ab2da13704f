// The pretrained model and the model with groups of layers re-initialised, and the change at every layer as a table.
import { names } from "../data.js";
import { $, element } from "../dom.js";
import { draw, layerAxis, legend } from "../plot.js";
import { css, dark, fixed, narrow, signed } from "../style.js";
import { average, from, info, MEAN, state, targetsOf } from "./series.js";
import { band, chance, line } from "./traces.js";

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "star"];
const colours = () =>
  dark()
    ? ["#f6a04d", "#e8d24a", "#7fd06f", "#4ec2c0", "#7aa6f2", "#c99bf0"]
    : ["#b5372c", "#e0822f", "#b59a1c", "#3f9a5a", "#2a7fb0", "#6a4fa3"];

// By name of the group of layers, its variants: one a seed.
function groups() {
  const found = new Map();
  state.model.variants
    .filter((each) => each.id)
    .forEach((each) => {
      found.set(each.label, [...(found.get(each.label) || []), each]);
    });
  return [...found.entries()];
}
function combined(key, variants, targets) {
  const listed = variants.flatMap((variant) => targets.map((tag) => from(key, tag, variant))).filter(Boolean);
  return listed.length ? average(listed) : undefined;
}
export function drawRandomInit() {
  const key = $("reinit-measure").value;
  $("reinit").hidden = !key || groups().length === 0;
  if ($("reinit").hidden) return;
  const measured = groups().filter(([, variants]) => variants.some((variant) => state.model.series[key]?.[variant.id]));
  const reach = targetsOf(key, measured[0][1][0].id),
    targets = state.target === MEAN ? reach : [state.target];
  const reference = combined(key, [""], targets),
    data = [...chance(targets.map((tag) => from(key, tag)).filter(Boolean))];
  const rows = [],
    palette = colours();
  measured.forEach(([label, variants], at) => {
    const each = combined(
      key,
      variants.map((variant) => variant.id),
      targets,
    );
    if (!each) return;
    const colour = palette[measured.length < 2 ? 0 : Math.round((at * (palette.length - 1)) / (measured.length - 1))];
    if (each.lo) data.push(band(each.lo, each.hi, colour, 0.14));
    data.push(
      line(each, `layers ${label} re-initialised`, {
        line: { color: colour, width: 2.2 },
        marker: { size: 7, symbol: SYMBOLS[at % SYMBOLS.length] },
      }),
    );
    rows.push([
      label,
      each.v.map((value, index) => (value === null || reference.v[index] === null ? null : value - reference.v[index])),
    ]);
  });
  if (reference.lo) data.push(band(reference.lo, reference.hi, css("--ink"), 0.12));
  data.push(line(reference, "REF, pretrained", { line: { color: css("--ink"), width: 3 }, marker: { size: 6 } }));
  draw("fig-reinit", data, {
    xaxis: layerAxis(state.model.layers),
    yaxis: { title: { text: info(key).label }, rangemode: "tozero" },
    showlegend: true,
    legend: legend(),
    height: narrow() ? 420 : 470,
  });
  const to = state.target === MEAN ? `${reach.length} other languages (mean)` : names.get(state.target);
  const seeds = new Set(state.model.variants.filter((each) => each.id).map((each) => each.seed));
  $("reinit-caption").textContent =
    `${info(key).label} between ${names.get(state.source)} and ${to}, by layer${seeds.size > 1 ? `; means over ${seeds.size} seeds` : ""}.`;
  $("delta-table").replaceChildren(deltaTable(reference, rows), deltaKey());
}

// The papers' colours, in points of 100: at or above REF, below it, 2 or more below, 5 or more below.
const KINDS = [
  ["up", "at or above REF"],
  ["down1", "below"],
  ["down2", "0.02 or more below"],
  ["down3", "0.05 or more below"],
];
function kind(delta) {
  if (delta === null) return "";
  if (Math.abs(delta) < 5e-7) return "same";
  if (delta >= 0) return "up";
  return delta > -0.02 ? "down1" : delta > -0.05 ? "down2" : "down3";
}
function change(delta) {
  const cell = element("td", delta === null ? "–" : signed(delta));
  cell.className = kind(delta);
  return cell;
}
function deltaTable(reference, rows) {
  return element("table", [
    element("caption", "REF, and the change after re-initialising each group of layers"),
    element("thead", [
      element("tr", [
        element("th", "layer"),
        element("th", "REF"),
        ...rows.map(([label]) => element("th", `Δ ${label}`)),
      ]),
    ]),
    element(
      "tbody",
      state.model.layers.map((layer, at) =>
        element("tr", [
          element("th", layer === 0 ? "embeddings" : String(layer)),
          element("td", fixed(reference.v[at])),
          ...rows.map(([, deltas]) => change(deltas[at])),
        ]),
      ),
    ),
  ]);
}
function deltaKey() {
  const listed = element(
    "ul",
    KINDS.map(([name, text]) => {
      const swatch = element("span", "");
      swatch.style.background = `var(--${name})`;
      return element("li", [swatch, text]);
    }),
  );
  listed.className = "key";
  return listed;
}

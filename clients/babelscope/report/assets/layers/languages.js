// Languages by layers as a heat map, the most similar first.
import { names } from "../data.js";
import { heat, plain } from "../plot.js";
import { layerName, tick } from "../style.js";
import { from, highest, state, targetsOf } from "./series.js";
import { cell } from "./traces.js";

export function drawLanguages() {
  const rows = targetsOf(state.measure)
    .map((tag) => [names.get(tag), from(state.measure, tag)])
    .sort(([, one], [, two]) => highest(two) - highest(one));
  const hover = rows.map(([name, each]) =>
    state.model.layers.map((layer, at) => cell(`<b>${plain(name)}</b>, ${layerName(layer)}`, each, at)),
  );
  heat(
    "fig-heat",
    state.model.layers.map(tick),
    rows.map(([name]) => name),
    rows.map(([, each]) => each.v),
    hover,
    1,
  );
}

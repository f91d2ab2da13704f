// All pairs of languages at one layer as a heat map; hidden where fewer than four in five were measured.
import { names, tags } from "../data.js";
import { $ } from "../dom.js";
import { heat, plain } from "../plot.js";
import { layerName } from "../style.js";
import { series, state } from "./series.js";
import { cell } from "./traces.js";

export function drawPairs() {
  const at = state.model.layers.indexOf(state.layer);
  const found = tags.map((one) => tags.map((two) => (one === two ? undefined : series(state.measure, "", one, two))));
  const z = found.map((row) => row.map((each) => (each ? each.v[at] : null)));
  const count = z.flat().filter((value) => value !== null).length;
  $("matrix").hidden = count < 0.8 * tags.length * (tags.length - 1) || tags.length < 3;
  if ($("matrix").hidden) return;
  const labels = tags.map((tag) => names.get(tag));
  const hover = found.map((row, one) =>
    row.map((each, two) =>
      each ? `${cell(`<b>${plain(labels[one])} – ${plain(labels[two])}</b>`, each, at)}, n = ${each.n}` : "",
    ),
  );
  $("layer-name").textContent = layerName(state.layer);
  heat("fig-matrix", labels, labels, z, hover, 1.08);
}

// Similarity by layer, a line a language; the highlighted ones with their intervals.
import { names } from "../data.js";
import { $ } from "../dom.js";
import { draw, layerAxis } from "../plot.js";
import { dark } from "../style.js";
import { from, info, state, targetsOf } from "./series.js";
import { band, chance, line } from "./traces.js";

export function drawSimilarity() {
  const { label, meaning, beware } = info(state.measure);
  const targets = targetsOf(state.measure),
    listed = targets.map((tag) => from(state.measure, tag));
  const quiet = { mode: "lines", line: { color: dark() ? "#59616c" : "#c3bfb4", width: 1.3 } };
  const loud = targets
    .filter((tag) => state.on.has(tag))
    .map((tag) => [tag, from(state.measure, tag), state.on.get(tag)]);
  draw(
    "fig-similarity",
    [
      ...chance(listed),
      ...targets
        .filter((tag) => !state.on.has(tag))
        .map((tag) => line(from(state.measure, tag), names.get(tag), quiet)),
      ...loud.map(([, each, colour]) => band(each.lo, each.hi, colour, 0.17)),
      ...loud.map(([tag, each, colour]) =>
        line(each, names.get(tag), { line: { color: colour, width: 2.6 }, marker: { size: 6 } }),
      ),
    ],
    { xaxis: layerAxis(state.model.layers), yaxis: { title: { text: label }, rangemode: "tozero" } },
  );
  $("similarity-lead").textContent = meaning;
  const kept = listed.length && listed[0].kept ? keptText(listed) : "";
  $("similarity-caption").textContent =
    `${label} between ${names.get(state.source)} and each other language. ${beware} ${kept}`;
}
function keptText(listed) {
  const counts = listed.flatMap((each) => each.kept.filter(Boolean).flat()),
    most = Math.max(...counts),
    n = Math.min(...listed.map((each) => each.n));
  return `Directions kept: ${Math.min(...counts)} to ${most}, from ${n} sentences${n < 10 * most ? ". With fewer than ten sentences per direction, only values clearly above the chance level are meaningful." : "."}`;
}

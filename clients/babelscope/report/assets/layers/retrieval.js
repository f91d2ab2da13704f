// Retrieval by layer in both directions, for the highlighted languages and on average.
import { names, tags } from "../data.js";
import { $ } from "../dom.js";
import { draw, layerAxis } from "../plot.js";
import { css } from "../style.js";
import { average, from, info, series, state, targetsOf } from "./series.js";
import { chance, line } from "./traces.js";

export function drawRetrieval() {
  const key = $("retrieval-measure").value,
    there = key ? targetsOf(key) : [];
  $("retrieval").hidden = !there.length;
  if ($("retrieval").hidden) return;
  const back = (tag) => (tag === state.source ? undefined : series(key, "", tag, state.source));
  const out = there.map((tag) => from(key, tag)),
    home = tags.map(back).filter(Boolean);
  const data = [...chance(out)],
    source = names.get(state.source);
  there
    .filter((tag) => state.on.has(tag))
    .forEach((tag) => {
      const colour = state.on.get(tag),
        other = back(tag);
      data.push(
        line(from(key, tag), `${source} → ${names.get(tag)}`, {
          line: { color: colour, width: 2 },
          marker: { size: 5 },
        }),
      );
      if (other)
        data.push(
          line(other, `${names.get(tag)} → ${source}`, {
            line: { color: colour, width: 2, dash: "dash" },
            marker: { size: 5, symbol: "circle-open" },
          }),
        );
    });
  const black = (listed, name, dash) =>
    line({ ...average(listed), lo: null, hi: null }, name, {
      line: { color: css("--ink"), width: 3, dash },
      marker: { size: 6 },
    });
  data.push(black(out, `${source} → X, mean`, "solid"));
  if (home.length) data.push(black(home, `X → ${source}, mean`, "dash"));
  const { label, meaning, beware } = info(key);
  draw("fig-retrieval", data, {
    xaxis: layerAxis(state.model.layers),
    yaxis: { title: { text: label }, rangemode: "tozero", tickformat: ".0%" },
  });
  const n = Math.min(...out.map((each) => each.n)),
    level = out[0].nm.find((value) => value !== null);
  $("retrieval-caption").textContent =
    `${meaning} Solid lines: queries in ${source}. Dashed lines: queries in the other language. Black lines: means over all ${there.length} languages. Candidates: ${n}; chance is ${(100 * level).toPrecision(2)} % (dotted). ${beware}`;
}

// Scores of token translation over the factor or the layer of the shift, with intervals and the model's plain output.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices, onChange, picked } from "../menus.js";
import { bars, draw, layerAxis, legend, plain } from "../plot.js";
import { fixed, grey, PALETTE } from "../style.js";
import { openTables } from "../tables.js";

sections.token_translation = (() => {
  const fields = ["name", "measure", "by"];
  let entries = [];
  function render() {
    const [each] = picked("translation", entries, fields),
      places = [...new Set(each.lines.flatMap((line) => line.x))].sort((one, other) => one - other);
    const unshifted =
      each.plain === null
        ? []
        : [
            {
              type: "scatter",
              mode: "lines",
              x: places,
              y: places.map(() => each.plain),
              name: "without a shift",
              line: { color: grey(), width: 1.5, dash: "dot" },
              hovertemplate: "without a shift: %{y:.3f}<extra></extra>",
            },
          ];
    draw(
      "fig-translation",
      [
        ...unshifted,
        ...each.lines.map((line, at) => ({
          type: "scatter",
          mode: "lines+markers",
          x: line.x,
          y: line.v,
          name: line.name,
          line: { color: PALETTE[at % PALETTE.length], width: 2.2, dash: at < PALETTE.length ? "solid" : "dash" },
          marker: { size: 7 },
          error_y: bars(line.v, line.lo, line.hi),
          hovertemplate: `<b>${plain(line.name)}</b>, %{x}: %{y:.3f}<extra></extra>`,
        })),
      ],
      {
        xaxis: each.layered ? layerAxis(places) : { title: { text: "factor of the shift" }, tickvals: places },
        yaxis: { title: { text: each.measure }, rangemode: "tozero" },
        showlegend: true,
        legend: legend(),
      },
    );
    $("translation-caption").textContent =
      `${each.measure} of ${each.name}, n = ${each.n} texts. The dotted line is the model’s output without a shift${each.plain === null ? ", which does not determine it" : `, ${fixed(each.plain)}`}; bars are 95 % intervals.`;
    openTables();
  }
  function start(given) {
    entries = given;
    choices("translation", entries, fields);
    onChange(
      fields.map((field) => `translation-${field}`),
      render,
    );
  }
  return { start, render };
})();

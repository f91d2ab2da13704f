// Retrieval of words by layer, both directions, with intervals and chance.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices, onChange, picked } from "../menus.js";
import { bars, chanceLine, draw, layerAxis, legend, plain } from "../plot.js";
import { PALETTE } from "../style.js";
import { openTables } from "../tables.js";

sections.words = (() => {
  const fields = ["name", "measure"];
  let entries = [];
  function menus() {
    choices("words", entries, ["name"]);
    choices(
      "words",
      entries.filter((each) => each.name === $("words-name").value),
      ["measure"],
    );
  }
  function render() {
    const [each] = picked("words", entries, fields),
      first = each.lines[0];
    draw(
      "fig-words",
      [
        chanceLine(first.x, first.nm),
        ...each.lines.map((line, at) => ({
          type: "scatter",
          mode: "lines+markers",
          x: line.x,
          y: line.v,
          name: line.name,
          line: { color: PALETTE[at], width: 2.4, dash: at ? "dash" : "solid" },
          marker: { size: 7, symbol: at ? "circle-open" : "circle" },
          error_y: bars(line.v, line.lo, line.hi),
          hovertemplate: `<b>${plain(line.name)}</b><br>layer %{x}: %{y:.3f}<br>n = ${line.n}<extra></extra>`,
        })),
      ],
      {
        xaxis: layerAxis(first.x),
        yaxis: { title: { text: each.measure }, rangemode: "tozero", tickformat: ".0%" },
        showlegend: true,
        legend: legend(),
      },
    );
    $("words-caption").textContent =
      `${each.covered} of ${each.sources} source words of the dictionary have a translation among the ${each.candidates} candidates and are queries. The dotted line is the chance level; bars are 95 % intervals.`;
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    onChange(
      fields.map((field) => `words-${field}`),
      () => {
        menus();
        render();
      },
    );
  }
  return { start, render };
})();

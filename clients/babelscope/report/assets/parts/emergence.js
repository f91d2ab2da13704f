// Similarity and retrieval by layer of models pretrained under several settings, means over seeds, and chance.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices, onChange, picked } from "../menus.js";
import { chanceLine, draw, layerAxis, legend, plain } from "../plot.js";
import { PALETTE } from "../style.js";
import { openTables } from "../tables.js";

sections.emergence = (() => {
  const fields = ["size", "measure"];
  let entries = [];
  function menus() {
    choices("emergence", entries, ["size"]);
    choices(
      "emergence",
      entries.filter((each) => each.size === $("emergence-size").value),
      ["measure"],
    );
  }
  function render() {
    const [each] = picked("emergence", entries, fields);
    if (!each) return;
    const first = each.lines[0];
    draw(
      "fig-emergence",
      [
        chanceLine(first.x, first.nm),
        ...each.lines.map((line, at) => ({
          type: "scatter",
          mode: "lines+markers",
          x: line.x,
          y: line.v,
          name: line.name,
          line: {
            color: PALETTE[at % PALETTE.length],
            width: at ? 1.8 : 3,
            dash: at < PALETTE.length ? "solid" : "dash",
          },
          marker: { size: 6 },
          error_y: {
            type: "data",
            array: line.sd.map((sd) => sd ?? 0),
            visible: line.seeds > 1,
            thickness: 1,
            width: 2,
          },
          hovertemplate: `<b>${plain(line.name)}</b><br>layer %{x}: %{y:.3f}<br>seeds: ${line.seeds}<extra></extra>`,
        })),
      ],
      {
        xaxis: layerAxis(first.x),
        yaxis: { title: { text: each.measure }, rangemode: "tozero", tickformat: each.share ? ".0%" : ".2f" },
        showlegend: true,
        legend: legend(),
      },
    );
    $("emergence-caption").textContent =
      `${each.size}; means over seeds, pairs of languages and directions. Bars are standard deviations over seeds; the dotted line is the chance level.`;
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    onChange(
      fields.map((field) => `emergence-${field}`),
      () => {
        menus();
        render();
      },
    );
  }
  return { start, render };
})();

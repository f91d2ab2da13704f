// Sentences on two axes, coloured by language, with a slider of layers.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices } from "../menus.js";
import { draw, legend, plain } from "../plot.js";
import { layerName, narrow, PALETTE } from "../style.js";
import { openTables } from "../tables.js";

sections.projection = (() => {
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down"];
  let entries = [],
    mine = [];
  function menus() {
    choices("projection", entries, ["name"]);
    mine = entries.filter((each) => each.name === $("projection-name").value);
    const slider = $("projection-layer");
    slider.max = mine.length - 1;
    slider.parentElement.hidden = mine.length < 2;
  }
  function render() {
    const each = mine[Number($("projection-layer").value)];
    $("projection-layer-name").textContent = layerName(each.layer);
    $("projection-layer").setAttribute("aria-valuetext", layerName(each.layer));
    const axis = (at) =>
      each.explained.length > at
        ? `axis ${at + 1} (${(100 * each.explained[at]).toFixed(1)} % of the variance)`
        : `axis ${at + 1}`;
    draw(
      "fig-projection",
      each.clouds.map((cloud, at) => ({
        type: "scatter",
        mode: "markers",
        meta: "points",
        x: cloud.x,
        y: cloud.y,
        text: cloud.ids,
        name: cloud.name,
        marker: {
          color: PALETTE[at % PALETTE.length],
          symbol: SYMBOLS[Math.floor(at / PALETTE.length + at) % SYMBOLS.length],
          size: 6,
          opacity: 0.75,
        },
        hovertemplate: `<b>${plain(cloud.name)}</b>, %{text}<extra></extra>`,
      })),
      {
        xaxis: { title: { text: axis(0) } },
        yaxis: { title: { text: axis(1) } },
        showlegend: true,
        legend: legend(-0.18),
        height: narrow() ? 460 : 560,
      },
    );
    const n = each.clouds.map((cloud) => cloud.ids.length),
      low = Math.min(...n),
      high = Math.max(...n);
    $("projection-caption").textContent =
      `${each.name}, ${layerName(each.layer)}: ${low === high ? low : `${low} to ${high}`} ${each.rows} of each of ${n.length} languages, projected together.`;
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    $("projection-layer").value = mine.length - 1; // opens on the highest layer
    $("projection-name").addEventListener("change", () => {
      menus();
      render();
    });
    $("projection-layer").addEventListener("input", render);
  }
  return { start, render };
})();

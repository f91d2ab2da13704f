// Maps: the criterion by step, and P@1 among unseen sentences by layer.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices, onChange, picked } from "../menus.js";
import { bars, draw, layerAxis, legend, plain } from "../plot.js";
import { css, grey, layerName, PALETTE } from "../style.js";
import { openTables } from "../tables.js";

sections.maps = (() => {
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
  let entries = [];
  function menus() {
    choices("map-course", entries, ["pair"]);
    choices(
      "map-course",
      entries.filter((each) => each.pair === $("map-course-pair").value),
      ["method"],
    );
    choices("map-found", entries, ["pair"]);
  }
  function course() {
    const mine = picked("map-course", entries, ["pair", "method"]),
      layers = [...new Set(mine.map((each) => each.layer))],
      seeds = [...new Set(mine.map((each) => each.seed))],
      steps = Math.max(...mine.map((each) => each.trace.length));
    draw(
      "fig-map-course",
      mine.map((each) => ({
        type: "scatter",
        mode: each.trace.length < 40 ? "lines+markers" : "lines",
        x: each.trace.map((_, at) => at + 1),
        y: each.trace,
        name: `${layerName(each.layer)}, seed ${each.seed}`,
        marker: { size: 6 },
        line: {
          color: PALETTE[layers.indexOf(each.layer) % PALETTE.length],
          width: 2,
          dash: DASHES[seeds.indexOf(each.seed) % DASHES.length],
        },
        hovertemplate: `<b>${layerName(each.layer)}, seed ${each.seed}</b><br>step %{x}: %{y:.5g}<extra></extra>`,
      })),
      {
        xaxis: {
          title: { text: "step" },
          range: steps === 1 ? [0.5, 1.5] : undefined,
          dtick: steps <= 12 ? 1 : undefined,
        },
        yaxis: { title: { text: `criterion of ${$("map-course-method").value}` } },
        showlegend: true,
        legend: legend(),
      },
    );
  }
  function found() {
    const mine = picked("map-found", entries, ["pair"]);
    const methods = [...new Set(mine.map((each) => each.method))],
      layers = [...new Set(mine.map((each) => each.layer))].sort((one, two) => one - two);
    $("map-found").hidden = !mine.some((each) => each.plain);
    if ($("map-found").hidden) return;
    const at = (layer, method) => mine.filter((each) => each.layer === layer && (!method || each.method === method));
    // Layers without retrieval are left out; over seeds, the mean, and the widest of their intervals.
    const line = (listed, name, colour, dash) => {
      const rows = listed
        .filter(([, figures]) => figures.length)
        .map(([layer, figures]) => ({
          layer,
          v: figures.reduce((sum, each) => sum + each.v, 0) / figures.length,
          lo: Math.min(...figures.map((each) => each.lo)),
          hi: Math.max(...figures.map((each) => each.hi)),
        }));
      return {
        type: "scatter",
        mode: "lines+markers",
        x: rows.map((row) => row.layer),
        y: rows.map((row) => row.v),
        name,
        line: { color: colour, width: 2.4, dash },
        marker: { size: 7 },
        error_y: bars(
          rows.map((row) => row.v),
          rows.map((row) => row.lo),
          rows.map((row) => row.hi),
        ),
        hovertemplate: `<b>${plain(name)}</b><br>layer %{x}: %{y:.3f}<extra></extra>`,
      };
    };
    const without = layers.map((layer) => [
      layer,
      at(layer)
        .filter((each) => each.plain)
        .slice(0, 1)
        .map((each) => each.plain),
    ]);
    const data = [
      {
        type: "scatter",
        mode: "lines",
        x: layers,
        y: layers.map((layer) => (at(layer).find((each) => each.plain) || { plain: { nm: null } }).plain.nm),
        name: "chance",
        line: { color: grey(), width: 1.5, dash: "dot" },
        hoverinfo: "skip",
      },
      line(without, "without map", css("--ink"), "solid"),
      ...methods
        .map((method, index) =>
          line(
            layers.map((layer) => [
              layer,
              at(layer, method)
                .filter((each) => each.mapped)
                .map((each) => each.mapped),
            ]),
            `with ${method}`,
            PALETTE[index % PALETTE.length],
            "solid",
          ),
        )
        .filter((trace) => trace.x.length),
    ];
    draw("fig-map-found", data, {
      xaxis: layerAxis(layers),
      yaxis: { title: { text: "P@1" }, rangemode: "tozero", tickformat: ".0%" },
      showlegend: true,
      legend: legend(),
    });
    const first = mine.find((each) => each.plain).plain;
    $("map-found-caption").textContent =
      `Candidates: ${first.n} unseen sentences; chance is ${(100 * first.nm).toPrecision(2)} % (dotted). Bars are 95 % intervals; with several seeds, points are means over seeds and bars the widest of their intervals.`;
  }
  function render() {
    course();
    found();
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    onChange(["map-course-pair", "map-course-method", "map-found-pair"], () => {
      menus();
      render();
    });
  }
  return { start, render };
})();

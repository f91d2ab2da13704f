// Similarity against transfer: a point a pair of languages, and the coefficient by layer.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices, onChange, options, picked } from "../menus.js";
import { bars, draw, layerAxis } from "../plot.js";
import { css, fixed, grey, PALETTE } from "../style.js";
import { openTables } from "../tables.js";

sections.transfer = (() => {
  const fields = ["name", "model", "measure", "layer"],
    group = ["name", "model", "measure"];
  let entries = [];
  const same = (one, two) => group.every((field) => one[field] === two[field]);
  const said = (each) =>
    `${each.method} ${fixed(each.value)} [${fixed(each.low)}, ${fixed(each.high)}], p ${each.p < 0.001 ? "< 0.001" : `= ${fixed(each.p)}`}`;
  function menus() {
    choices("transfer", entries, ["name"]);
    choices(
      "transfer",
      entries.filter((each) => each.name === $("transfer-name").value),
      ["model", "measure"],
    );
    const mine = entries.filter((each) => same(each, current()));
    choices("transfer", mine, ["layer"]);
    options(
      "transfer-method",
      mine[0].coefficients.map((each) => [each.method, each.method]),
      $("transfer-method").value,
    );
    $("transfer-method").parentElement.hidden = mine[0].coefficients.length < 2;
  }
  const current = () => ({
    name: $("transfer-name").value,
    model: $("transfer-model").value,
    measure: $("transfer-measure").value,
  });
  function points(each) {
    const low = Math.min(...each.x),
      high = Math.max(...each.x);
    draw(
      "fig-transfer",
      [
        {
          type: "scatter",
          mode: "lines",
          meta: "band",
          x: [low, high],
          y: [low, high].map((x) => each.intercept + each.slope * x),
          name: "least squares",
          line: { color: css("--soft"), width: 1.6, dash: "dash" },
          hoverinfo: "skip",
        },
        {
          type: "scatter",
          mode: "markers+text",
          meta: "points",
          x: each.x,
          y: each.y,
          text: each.pairs,
          textposition: "top center",
          textfont: { size: 11, color: css("--soft") },
          name: each.name,
          cliponaxis: false,
          marker: { color: PALETTE[0], size: 9 },
          hovertemplate: "<b>%{text}</b><br>similarity %{x:.3f}<br>transfer %{y:.3f}<extra></extra>",
        },
      ],
      { xaxis: { title: { text: `${each.measure}, ${each.layer}` } }, yaxis: { title: { text: each.name } } },
    );
    $("transfer-caption").textContent =
      `${each.coefficients.map(said).join("; ")}; n = ${each.x.length} pairs of languages. Coefficients with 95 % intervals and p-values of permutation tests. Dashed line: least-squares fit.${each.cite ? ` Source of the transfer scores: ${each.cite}.` : ""}`;
  }
  function byLayer(mine) {
    const method = $("transfer-method").value,
      pick = (each) => each.coefficients.find((one) => one.method === method);
    const at = mine.filter((each) => each.at !== null),
      rows = at.map(pick);
    $("transfer-layers").hidden = at.length < 2;
    if ($("transfer-layers").hidden) return;
    const x = at.map((each) => each.at);
    draw(
      "fig-transfer-layers",
      [
        {
          type: "scatter",
          mode: "lines",
          x,
          y: x.map(() => 0),
          name: "chance",
          line: { color: grey(), width: 1.5, dash: "dot" },
          hoverinfo: "skip",
        },
        {
          type: "scatter",
          mode: "lines+markers",
          x,
          y: rows.map((row) => row.value),
          name: method,
          line: { color: PALETTE[0], width: 2.4 },
          marker: { size: 7 },
          error_y: bars(
            rows.map((row) => row.value),
            rows.map((row) => row.low),
            rows.map((row) => row.high),
          ),
          customdata: rows.map((row) => [row.low, row.high, row.p]),
          hovertemplate:
            "layer %{x}: <b>%{y:.3f}</b> [%{customdata[0]:.3f}, %{customdata[1]:.3f}], p = %{customdata[2]:.4f}<extra></extra>",
        },
      ],
      { xaxis: layerAxis(x), yaxis: { title: { text: method }, range: [-1.05, 1.05] } },
    );
  }
  function render() {
    const [each] = picked("transfer", entries, fields);
    points(each);
    byLayer(entries.filter((other) => same(other, each)));
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    onChange(
      fields.map((field) => `transfer-${field}`),
      () => {
        menus();
        render();
      },
    );
    onChange(["transfer-method"], render);
  }
  return { start, render };
})();

// Maps: the criterion by step, and P@1 among unseen sentences by layer.
sections.maps = (() => {
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
  let entries = [];
  const pick = (prefix, fields) => entries.filter((each) => fields.every((field) => each[field] === $(`${prefix}-${field}`).value));
  function menus() {
    choices("map-course", entries, ["pair"]);
    choices("map-course", entries.filter((each) => each.pair === $("map-course-pair").value), ["method"]);
    choices("map-found", entries, ["pair"]);
  }
  function course() {
    const mine = pick("map-course", ["pair", "method"]), layers = [...new Set(mine.map((each) => each.layer))], seeds = [...new Set(mine.map((each) => each.seed))], steps = Math.max(...mine.map((each) => each.trace.length));
    draw("fig-map-course", mine.map((each) => ({
      type: "scatter", mode: each.trace.length < 40 ? "lines+markers" : "lines", x: each.trace.map((_, at) => at + 1), y: each.trace,
      name: `${layerName(each.layer)}, seed ${each.seed}`, marker: { size: 6 },
      line: { color: PALETTE[layers.indexOf(each.layer) % PALETTE.length], width: 2, dash: DASHES[seeds.indexOf(each.seed) % DASHES.length] },
      hovertemplate: `<b>${layerName(each.layer)}, seed ${each.seed}</b><br>step %{x}: %{y:.5g}<extra></extra>`,
    })), {
      xaxis: { title: { text: "step" }, range: steps === 1 ? [0.5, 1.5] : undefined, dtick: steps <= 12 ? 1 : undefined }, yaxis: { title: { text: `criterion of ${$("map-course-method").value}` } }, showlegend: true,
      legend: { orientation: "h", y: -0.2, x: 0, font: { size: 12 } },
    });
  }
  function found() {
    const mine = pick("map-found", ["pair"]), grey = dark() ? "#9aa0a8" : "#777777";
    const methods = [...new Set(mine.map((each) => each.method))], layers = [...new Set(mine.map((each) => each.layer))].sort((one, two) => one - two);
    $("map-found").hidden = !mine.some((each) => each.plain);
    if ($("map-found").hidden) return;
    const at = (layer, method) => mine.filter((each) => each.layer === layer && (!method || each.method === method));
    // Layers without retrieval are left out; over seeds, the mean, and the widest of their intervals.
    const line = (listed, name, colour, dash) => {
      const rows = listed.filter(([, figures]) => figures.length).map(([layer, figures]) => ({
        layer, v: figures.reduce((sum, each) => sum + each.v, 0) / figures.length, lo: Math.min(...figures.map((each) => each.lo)), hi: Math.max(...figures.map((each) => each.hi)),
      }));
      return {
        type: "scatter", mode: "lines+markers", x: rows.map((row) => row.layer), y: rows.map((row) => row.v), name, line: { color: colour, width: 2.4, dash }, marker: { size: 7 },
        error_y: { type: "data", symmetric: false, array: rows.map((row) => row.hi - row.v), arrayminus: rows.map((row) => row.v - row.lo), thickness: 1.2, width: 3 },
        hovertemplate: `<b>${name}</b><br>layer %{x}: %{y:.3f}<extra></extra>`,
      };
    };
    const plain = layers.map((layer) => [layer, at(layer).filter((each) => each.plain).slice(0, 1).map((each) => each.plain)]);
    const data = [
      { type: "scatter", mode: "lines", x: layers, y: layers.map((layer) => (at(layer).find((each) => each.plain) || { plain: { nm: null } }).plain.nm), name: "chance", line: { color: grey, width: 1.5, dash: "dot" }, hoverinfo: "skip" },
      line(plain, "as it is", css("--ink"), "solid"),
      ...methods.map((method, index) => line(layers.map((layer) => [layer, at(layer, method).filter((each) => each.mapped).map((each) => each.mapped)]), `through ${method}`, PALETTE[index % PALETTE.length], "solid")).filter((trace) => trace.x.length),
    ];
    draw("fig-map-found", data, {
      xaxis: { title: { text: "layer" }, tickmode: "array", tickvals: layers, ticktext: layers.map((layer) => (layer === 0 ? "emb" : String(layer))) },
      yaxis: { title: { text: "P@1" }, rangemode: "tozero", tickformat: ".0%" }, showlegend: true, legend: { orientation: "h", y: -0.2, x: 0, font: { size: 12 } },
    });
    const first = mine.find((each) => each.plain).plain;
    $("map-found-caption").textContent = `Candidates: ${first.n} unseen sentences; chance is ${(100 * first.nm).toPrecision(2)} % (dotted). Bars are 95 % intervals; over several seeds the point is their mean and the bar the widest of theirs.`;
  }
  function render() { course(); found(); openTables(); }
  function start(given) {
    entries = given;
    menus();
    ["map-course-pair", "map-course-method", "map-found-pair"].forEach((id) => $(id).addEventListener("change", () => { menus(); render(); }));
  }
  return { start, render };
})();

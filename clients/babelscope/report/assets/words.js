// Retrieval of words by layer, both directions, with intervals and chance.
sections.words = (() => {
  const fields = ["name", "measure"];
  let entries = [];
  function menus() {
    choices("words", entries, ["name"]);
    choices("words", entries.filter((each) => each.name === $("words-name").value), ["measure"]);
  }
  function render() {
    const each = chosen("words", entries, fields), first = each.lines[0], grey = dark() ? "#9aa0a8" : "#777777";
    draw("fig-words", [
      { type: "scatter", mode: "lines", x: first.x, y: first.nm, name: "chance", line: { color: grey, width: 1.5, dash: "dot" }, hovertemplate: "chance %{y:.4f}<extra></extra>" },
      ...each.lines.map((line, at) => ({
        type: "scatter", mode: "lines+markers", x: line.x, y: line.v, name: line.name, line: { color: PALETTE[at], width: 2.4, dash: at ? "dash" : "solid" }, marker: { size: 7, symbol: at ? "circle-open" : "circle" },
        error_y: { type: "data", symmetric: false, array: line.v.map((value, index) => line.hi[index] - value), arrayminus: line.v.map((value, index) => value - line.lo[index]), thickness: 1.2, width: 3 },
        hovertemplate: `<b>${line.name}</b><br>layer %{x}: %{y:.3f}<br>n = ${line.n}<extra></extra>`,
      })),
    ], {
      xaxis: { title: { text: "layer" }, tickmode: "array", tickvals: first.x, ticktext: first.x.map((layer) => (layer === 0 ? "emb" : String(layer))) },
      yaxis: { title: { text: each.measure }, rangemode: "tozero", tickformat: ".0%" }, showlegend: true, legend: { orientation: "h", y: -0.2, x: 0, font: { size: 12 } },
    });
    $("words-caption").textContent = `${each.covered} of ${each.sources} source words of the dictionary are covered and asked, among ${each.candidates} candidates; chance is dotted. Bars are 95 % intervals.`;
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    fields.forEach((field) => $(`words-${field}`).addEventListener("change", () => { menus(); render(); }));
  }
  return { start, render };
})();

// Every layer with every layer: one heat map with a menu of pairs.
import { sections } from "../data.js";
import { $ } from "../dom.js";
import { choices, onChange, picked } from "../menus.js";
import { heat, plain } from "../plot.js";
import { fixed, layerName, tick } from "../style.js";
import { openTables } from "../tables.js";

sections.layer_grids = (() => {
  const fields = ["measure", "pair"];
  let entries = [];
  function menus() {
    choices("grid", entries, ["measure"]);
    const mine = entries.filter((each) => each.measure === $("grid-measure").value);
    choices("grid", mine, ["pair"]);
  }
  function render() {
    const [grid] = picked("grid", entries, fields);
    const hover = grid.rows.map((row, at) =>
      grid.columns.map(
        (column, to) =>
          `<b>${plain(grid.left)}, ${layerName(row)} – ${plain(grid.right)}, ${layerName(column)}</b><br>${fixed(grid.v[at][to])} [${fixed(grid.lo[at][to])}, ${fixed(grid.hi[at][to])}]<br>chance ${fixed(grid.nm[at][to])} ± ${fixed(grid.ns[at][to])}, n = ${grid.n}`,
      ),
    );
    // The layer of the right side that is nearest to each of the left: the least of a distance, the most of all else.
    const nearest = grid.v.map((row) => row.indexOf(grid.distance ? Math.min(...row) : Math.max(...row)));
    heat("fig-grid", grid.columns.map(tick), grid.rows.map(tick), grid.v, hover, 1.05, {
      framed: nearest.map((to, at) => [at, to]),
      across: `layer of ${grid.right}`,
      down: `layer of ${grid.left}`,
    });
    const flat = grid.nm.flat(),
      low = Math.min(...flat),
      high = Math.max(...flat);
    $("grid-caption").textContent =
      `${grid.measure} of ${grid.left} (rows) with ${grid.right} (columns), n = ${grid.n}. A frame marks, for each layer of ${grid.left}, the most similar layer of ${grid.right}. Chance: ${fixed(low)}${fixed(low) === fixed(high) ? "" : ` to ${fixed(high)}`}. ${grid.beware}`;
    openTables();
  }
  function start(given) {
    entries = given;
    menus();
    onChange(["grid-measure"], () => {
      menus();
      render();
    });
    onChange(["grid-pair"], render);
  }
  return { start, render };
})();

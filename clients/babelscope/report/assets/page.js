// The figures by layer: similarity, RANDOM-INIT, retrieval.
const MEAN = "*";
const state = { model: S.models[0], source: S.sources[0], measure: "", target: MEAN, layer: 0, on: new Map() };

const all = (model, kind) => model.measures[kind];
const info = (key) => [...all(state.model, "similarity"), ...all(state.model, "retrieval")].find((each) => each.key === key);
const isRetrieval = (key) => all(state.model, "retrieval").some((each) => each.key === key);

// Similarity is symmetric and kept once a pair; retrieval is kept once a direction.
function series(key, variant, source, target) {
  const pairs = (state.model.series[key] || {})[variant];
  if (!pairs) return undefined;
  return pairs[`${source} ${target}`] || (isRetrieval(key) ? undefined : pairs[`${target} ${source}`]);
}
const targetsOf = (key, variant = "") => tags.filter((tag) => tag !== state.source && series(key, variant, state.source, tag));

function mean(listed, field) {
  return state.model.layers.map((_, at) => {
    const values = listed.map((each) => each[field][at]).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  });
}

const layerAxis = () => ({
  title: { text: "layer" }, tickmode: "array", tickvals: state.model.layers, ticktext: state.model.layers.map((layer) => (layer === 0 ? "emb" : String(layer))),
});

function band(low, high, colour, opacity) {
  const x = state.model.layers;
  return {
    type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()], fill: "toself",
    fillcolor: alpha(colour, opacity), line: { width: 0 }, hoverinfo: "skip", name: "", meta: "band", showlegend: false,
  };
}
function chance(listed) {
  const centre = mean(listed, "nm"), spread = mean(listed, "ns"), grey = dark() ? "#9aa0a8" : "#777777";
  const low = centre.map((value, at) => value - 2 * spread[at]), high = centre.map((value, at) => value + 2 * spread[at]);
  return [
    band(low, high, grey, 0.22),
    { type: "scatter", mode: "lines", x: state.model.layers, y: centre, name: "chance", line: { color: grey, width: 1.5, dash: "dot" }, hovertemplate: "chance %{y:.4f}<extra></extra>" },
  ];
}
function line(each, name, style) {
  return {
    type: "scatter", mode: "lines+markers", x: state.model.layers, y: each.v, name,
    customdata: state.model.layers.map((_, at) => [each.lo && each.lo[at], each.hi && each.hi[at], each.nm[at], each.ns[at], each.n]),
    hovertemplate: `<b>${name}</b><br>layer %{x}: <b>%{y:.3f}</b>` + (each.lo ? " [%{customdata[0]:.3f}, %{customdata[1]:.3f}]" : "") +
      "<br>chance %{customdata[2]:.3f} ± %{customdata[3]:.3f}<br>n = %{customdata[4]}<extra></extra>",
    ...style,
  };
}

function drawSimilarity() {
  const targets = targetsOf(state.measure), listed = targets.map((tag) => series(state.measure, "", state.source, tag));
  const quiet = dark() ? "#59616c" : "#c3bfb4", data = [...chance(listed)];
  targets.filter((tag) => !state.on.has(tag)).forEach((tag) => {
    data.push(line(series(state.measure, "", state.source, tag), names.get(tag), { mode: "lines", line: { color: quiet, width: 1.3 } }));
  });
  const shown = targets.filter((tag) => state.on.has(tag));
  shown.forEach((tag) => { const each = series(state.measure, "", state.source, tag); data.push(band(each.lo, each.hi, state.on.get(tag), 0.17)); });
  shown.forEach((tag) => {
    data.push(line(series(state.measure, "", state.source, tag), names.get(tag), { line: { color: state.on.get(tag), width: 2.6 }, marker: { size: 6 } }));
  });
  draw("fig-similarity", data, { xaxis: layerAxis(), yaxis: { title: { text: info(state.measure).label }, rangemode: "tozero" } });
  $("similarity-lead").textContent = info(state.measure).meaning;
  const kept = listed.length && listed[0].kept ? keptText(targets, listed) : "";
  $("similarity-caption").textContent = `${info(state.measure).label} between ${names.get(state.source)} and each other language. ${info(state.measure).beware} ${kept}`;
}
function keptText(targets, listed) {
  const counts = listed.flatMap((each) => each.kept.filter(Boolean).flat()), most = Math.max(...counts), n = Math.min(...listed.map((each) => each.n));
  return `Kept here: ${Math.min(...counts)} to ${most} directions, from ${n} sentences` + (n < 10 * most ? `: fewer than ten a direction, so trust only what stands clear of chance.` : ".");
}

function drawHeat() {
  const top = (tag) => Math.max(...series(state.measure, "", state.source, tag).v.filter((value) => value !== null));
  const targets = targetsOf(state.measure).sort((one, two) => top(two) - top(one));
  const rows = targets.map((tag) => series(state.measure, "", state.source, tag));
  const hover = rows.map((each, row) => state.model.layers.map((layer, at) =>
    `<b>${names.get(targets[row])}</b>, ${layerName(layer)}<br>${fixed(each.v[at])} [${fixed(each.lo[at])}, ${fixed(each.hi[at])}]<br>chance ${fixed(each.nm[at])} ± ${fixed(each.ns[at])}`));
  const columns = state.model.layers.map((layer) => (layer === 0 ? "emb" : `${layer}`));
  heat("fig-heat", columns, targets.map((tag) => names.get(tag)), rows.map((each) => each.v), hover, 1);
}
function drawMatrix() {
  const at = state.model.layers.indexOf(state.layer);
  const cell = (one, two) => (one === two ? undefined : series(state.measure, "", one, two));
  const z = tags.map((one) => tags.map((two) => { const each = cell(one, two); return each ? each.v[at] : null; }));
  const count = z.flat().filter((value) => value !== null).length;
  $("matrix").hidden = count < 0.8 * tags.length * (tags.length - 1) || tags.length < 3;
  if ($("matrix").hidden) return;
  const hover = tags.map((one) => tags.map((two) => { const each = cell(one, two); return each ? `<b>${names.get(one)} – ${names.get(two)}</b><br>${fixed(each.v[at])} [${fixed(each.lo[at])}, ${fixed(each.hi[at])}]<br>chance ${fixed(each.nm[at])} ± ${fixed(each.ns[at])}, n = ${each.n}` : ""; }));
  const shown = tags.map((tag) => names.get(tag));
  $("layer-name").textContent = layerName(state.layer);
  heat("fig-matrix", shown, shown, z, hover, 1.08);
}

const GROUPS = () => (dark() ? ["#f6a04d", "#e8d24a", "#7fd06f", "#4ec2c0", "#7aa6f2", "#c99bf0"] : ["#b5372c", "#e0822f", "#b59a1c", "#3f9a5a", "#2a7fb0", "#6a4fa3"]);
function groups() {
  const found = new Map();
  state.model.variants.filter((each) => each.id).forEach((each) => { found.set(each.label, [...(found.get(each.label) || []), each]); });
  return [...found.entries()];
}
function combined(key, variants, targets) {
  const listed = variants.flatMap((variant) => targets.map((tag) => series(key, variant, state.source, tag))).filter(Boolean);
  if (!listed.length) return undefined;
  const single = listed.length === 1;
  return { v: mean(listed, "v"), lo: single ? listed[0].lo : null, hi: single ? listed[0].hi : null, nm: mean(listed, "nm"), ns: mean(listed, "ns"), n: Math.min(...listed.map((each) => each.n)), count: listed.length };
}
function drawReinit() {
  const key = $("reinit-measure").value;
  $("reinit").hidden = !key || groups().length === 0;
  if ($("reinit").hidden) return;
  const measured = groups().filter(([, variants]) => variants.some((variant) => (state.model.series[key] || {})[variant.id]));
  const reach = targetsOf(key, measured[0][1][0].id), targets = state.target === MEAN ? reach : [state.target];
  const reference = combined(key, [""], targets), colours = GROUPS(), data = [...chance(targets.map((tag) => series(key, "", state.source, tag)).filter(Boolean))];
  const rows = [];
  measured.forEach(([label, variants], at) => {
    const each = combined(key, variants.map((variant) => variant.id), targets);
    if (!each) return;
    const colour = colours[measured.length < 2 ? 0 : Math.round((at * (colours.length - 1)) / (measured.length - 1))];
    if (each.lo) data.push(band(each.lo, each.hi, colour, 0.14));
    data.push(line(each, `layers ${label} drawn anew`, { line: { color: colour, width: 2.2 }, marker: { size: 7, symbol: ["circle", "square", "diamond", "triangle-up", "x", "star"][at % 6] } }));
    rows.push([label, each.v.map((value, index) => (value === null || reference.v[index] === null ? null : value - reference.v[index]))]);
  });
  if (reference.lo) data.push(band(reference.lo, reference.hi, css("--ink"), 0.12));
  data.push(line(reference, "REF, as pretrained", { line: { color: css("--ink"), width: 3 }, marker: { size: 6 } }));
  draw("fig-reinit", data, {
    xaxis: layerAxis(), yaxis: { title: { text: info(key).label }, rangemode: "tozero" }, showlegend: true,
    legend: { orientation: "h", y: -0.2, x: 0, font: { size: 12 } }, height: narrow() ? 420 : 470,
  });
  const to = state.target === MEAN ? `the mean over ${reach.length} languages` : names.get(state.target);
  const seeds = new Set(state.model.variants.filter((each) => each.id).map((each) => each.seed));
  $("reinit-caption").textContent = `${info(key).label} from ${names.get(state.source)} to ${to}, by layer` + (seeds.size > 1 ? `; means over ${seeds.size} seeds` : "") + ".";
  deltaTable(reference, rows);
}
function deltaTable(reference, rows) {
  // The papers' colours, in points of 100: at or above REF, below it, 2 or more below, 5 or more below.
  const kind = (delta) => (delta === null ? "" : Math.abs(delta) < 5e-7 ? "same" : delta >= 0 ? "up" : delta > -0.02 ? "down1" : delta > -0.05 ? "down2" : "down3");
  const table = element("table", [
    element("caption", "REF, and the change when a group is drawn anew"),
    element("thead", [element("tr", [element("th", "layer"), element("th", "REF"), ...rows.map(([label]) => element("th", `Δ ${label}`))])]),
    element("tbody", state.model.layers.map((layer, at) => element("tr", [
      element("th", layer === 0 ? "embeddings" : String(layer)), element("td", fixed(reference.v[at])),
      ...rows.map(([, deltas]) => { const cell = element("td", deltas[at] === null ? "–" : signed(deltas[at])); cell.className = kind(deltas[at]); return cell; }),
    ]))),
  ]);
  const legend = element("ul", [["up", "at or above REF"], ["down1", "below"], ["down2", "0.02 or more below"], ["down3", "0.05 or more below"]].map(([name, text]) => {
    const swatch = element("span", ""); swatch.style.background = `var(--${name})`;
    const item = element("li", [swatch]); item.append(text); return item;
  }));
  legend.className = "key";
  $("delta-table").replaceChildren(table, legend);
}

function drawRetrieval() {
  const key = $("retrieval-measure").value;
  $("retrieval").hidden = !key;
  if ($("retrieval").hidden) return;
  const there = targetsOf(key), back = tags.filter((tag) => tag !== state.source && series(key, "", tag, state.source));
  if (!there.length) { $("retrieval").hidden = true; return; }
  const out = there.map((tag) => series(key, "", state.source, tag)), home = back.map((tag) => series(key, "", tag, state.source));
  const data = [...chance(out)], source = names.get(state.source);
  there.filter((tag) => state.on.has(tag)).forEach((tag) => {
    const colour = state.on.get(tag), one = series(key, "", state.source, tag), two = series(key, "", tag, state.source);
    data.push(line(one, `${source} → ${names.get(tag)}`, { line: { color: colour, width: 2 }, marker: { size: 5 } }));
    if (two) data.push(line(two, `${names.get(tag)} → ${source}`, { line: { color: colour, width: 2, dash: "dash" }, marker: { size: 5, symbol: "circle-open" } }));
  });
  const average = (listed, name, dash) => line({ v: mean(listed, "v"), lo: null, hi: null, nm: mean(listed, "nm"), ns: mean(listed, "ns"), n: Math.min(...listed.map((each) => each.n)) }, name, { line: { color: css("--ink"), width: 3, dash }, marker: { size: 6 } });
  data.push(average(out, `${source} → X, mean`, "solid"));
  if (home.length) data.push(average(home, `X → ${source}, mean`, "dash"));
  draw("fig-retrieval", data, { xaxis: layerAxis(), yaxis: { title: { text: info(key).label }, rangemode: "tozero", tickformat: ".0%" } });
  const n = Math.min(...out.map((each) => each.n)), peak = out[0].nm.find((value) => value !== null);
  $("retrieval-caption").textContent = `${info(key).meaning} Solid lines ask in ${source}, dashed ones in the other language; black is the mean over all ${there.length} languages. Candidates: ${n}; chance is ${(100 * peak).toPrecision(2)} % (dotted). ${info(key).beware}`;
}


function chips() {
  $("chips").replaceChildren(...tags.filter((tag) => tag !== state.source).map((tag) => {
    const button = element("button", []), dot = element("i", "");
    button.type = "button";
    button.setAttribute("aria-pressed", String(state.on.has(tag)));
    dot.style.background = state.on.get(tag) || "none";
    button.append(dot, names.get(tag));
    button.addEventListener("click", () => {
      if (state.on.has(tag)) state.on.delete(tag);
      else {
        const used = new Set(state.on.values());
        if (state.on.size >= PALETTE.length) state.on.delete(state.on.keys().next().value);
        state.on.set(tag, PALETTE.find((colour) => !used.has(colour)) || PALETTE[0]);
      }
      render();
    });
    return button;
  }));
}
function choose() {
  // The closest, the farthest and two in between tell the spread at a glance.
  const top = (tag) => Math.max(...series(state.measure, "", state.source, tag).v.filter((value) => value !== null));
  const order = targetsOf(state.measure).sort((one, two) => top(two) - top(one)), last = order.length - 1;
  const picked = [...new Set([0, Math.round(last / 3), Math.round((2 * last) / 3), last])].filter((at) => at >= 0).map((at) => order[at]);
  state.on = new Map(picked.map((tag, at) => [tag, PALETTE[at]]));
}
function menus() {
  const similarity = all(state.model, "similarity").map((each) => [each.key, each.label]);
  const retrieval = all(state.model, "retrieval").map((each) => [each.key, each.label]);
  state.measure = options("measure", similarity, state.measure);
  const sources = tags.filter((tag) => tags.some((other) => other !== tag && series(state.measure, "", tag, other)));
  const rich = Math.max(...sources.map((tag) => { const kept = state.source; state.source = tag; const count = targetsOf(state.measure).length; state.source = kept; return count; }));
  const full = sources.filter((tag) => { const kept = state.source; state.source = tag; const count = targetsOf(state.measure).length; state.source = kept; return count === rich; });
  state.source = options("source", full.map((tag) => [tag, names.get(tag)]), state.source);
  const preferred = ["p@1/csls", "p@1/cosine"].find((key) => retrieval.some(([value]) => value === key));
  options("retrieval-measure", retrieval, $("retrieval-measure").value || preferred);
  const under = [...similarity, ...retrieval].filter(([key]) => state.model.variants.some((each) => each.id && (state.model.series[key] || {})[each.id]));
  options("reinit-measure", under, $("reinit-measure").value || state.measure);
  const first = state.model.variants.find((each) => each.id), reach = first && under.length ? targetsOf($("reinit-measure").value, first.id) : [];
  state.target = options("target", [[MEAN, "all languages (mean)"], ...reach.map((tag) => [tag, names.get(tag)])], state.target);
  $("layer").min = state.model.layers[0];
  $("layer").max = state.model.layers[state.model.layers.length - 1];
  $("layer").value = state.layer;
}
function render() {
  chips(); drawSimilarity(); drawHeat(); drawMatrix(); drawReinit(); drawRetrieval();
  openTables();
}
function restart() {
  const means = mean(targetsOf(state.measure).map((tag) => series(state.measure, "", state.source, tag)), "v");
  state.layer = state.model.layers[means.indexOf(Math.max(...means))];
  choose(); menus(); render();
}

const layered = S.models.length > 0 && S.models[0].measures.similarity.length > 0;
function start() {
  options("model", S.models.map((each, at) => [String(at), each.label]), "0");
  menus(); restart();
  $("model").addEventListener("change", (event) => { state.model = S.models[Number(event.target.value)]; menus(); restart(); });
  $("source").addEventListener("change", (event) => { state.source = event.target.value; restart(); });
  $("measure").addEventListener("change", (event) => { state.measure = event.target.value; menus(); render(); });
  $("reinit-measure").addEventListener("change", () => { menus(); drawReinit(); });
  $("target").addEventListener("change", (event) => { state.target = event.target.value; drawReinit(); });
  $("retrieval-measure").addEventListener("change", drawRetrieval);
  $("layer").addEventListener("input", (event) => { state.layer = Number(event.target.value); drawMatrix(); });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
}

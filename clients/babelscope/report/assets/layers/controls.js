// The menus over the figures by layer, and which languages are highlighted.
import { names, S, tags } from "../data.js";
import { $, element } from "../dom.js";
import { options } from "../menus.js";
import { PALETTE } from "../style.js";
import { openTables } from "../tables.js";
import { drawLanguages } from "./languages.js";
import { drawPairs } from "./pairs.js";
import { drawRandomInit } from "./random_init.js";
import { drawRetrieval } from "./retrieval.js";
import { all, from, highest, MEAN, mean, state, targetsOf } from "./series.js";
import { drawSimilarity } from "./similarity.js";

// Whether the study measured similarity by layer at all.
export const layered = S.models.length > 0 && S.models[0].measures.similarity.length > 0;

export function renderLayers() {
  chips();
  drawSimilarity();
  drawLanguages();
  drawPairs();
  drawRandomInit();
  drawRetrieval();
  openTables();
}

// A button a language; at most as many are highlighted as there are colours.
function chips() {
  $("chips").replaceChildren(
    ...tags
      .filter((tag) => tag !== state.source)
      .map((tag) => {
        const button = element("button", []),
          dot = element("i", "");
        button.type = "button";
        button.setAttribute("aria-pressed", String(state.on.has(tag)));
        dot.style.background = state.on.get(tag) || "none";
        button.append(dot, names.get(tag));
        button.addEventListener("click", () => {
          toggle(tag);
          renderLayers();
        });
        return button;
      }),
  );
}
function toggle(tag) {
  if (state.on.delete(tag)) return;
  const used = new Set(state.on.values());
  if (state.on.size >= PALETTE.length) state.on.delete(state.on.keys().next().value);
  state.on.set(tag, PALETTE.find((colour) => !used.has(colour)) || PALETTE[0]);
}
// The closest, the farthest and two in between tell the spread at a glance.
function spread() {
  const top = (tag) => highest(from(state.measure, tag));
  const order = targetsOf(state.measure).sort((one, two) => top(two) - top(one)),
    last = order.length - 1;
  const places = new Set([0, Math.round(last / 3), Math.round((2 * last) / 3), last].filter((at) => at >= 0));
  state.on = new Map([...places].map((place, at) => [order[place], PALETTE[at]]));
}

function fillMenus() {
  const [similarity, retrieval] = ["similarity", "retrieval"].map((kind) =>
    all(kind).map((each) => [each.key, each.label]),
  );
  state.measure = options("measure", similarity, state.measure);
  // Sources are the languages that were measured with most others.
  const reach = new Map(tags.map((tag) => [tag, targetsOf(state.measure, "", tag).length])),
    most = Math.max(...reach.values());
  state.source = options(
    "source",
    tags.filter((tag) => reach.get(tag) === most).map((tag) => [tag, names.get(tag)]),
    state.source,
  );
  const preferred = ["p@1/csls", "p@1/cosine"].find((key) => retrieval.some(([value]) => value === key));
  options("retrieval-measure", retrieval, $("retrieval-measure").value || preferred);
  const anew = state.model.variants.filter((each) => each.id);
  const under = [...similarity, ...retrieval].filter(([key]) =>
    anew.some((each) => state.model.series[key]?.[each.id]),
  );
  options("reinit-measure", under, $("reinit-measure").value || state.measure);
  const targets = under.length ? targetsOf($("reinit-measure").value, anew[0].id) : [];
  state.target = options(
    "target",
    [[MEAN, "all languages (mean)"], ...targets.map((tag) => [tag, names.get(tag)])],
    state.target,
  );
  $("layer").min = state.model.layers[0];
  $("layer").max = state.model.layers[state.model.layers.length - 1];
  $("layer").value = state.layer;
}
// Another model or source: the layer of the highest mean, and other languages highlighted.
function restart() {
  const means = mean(
    targetsOf(state.measure).map((tag) => from(state.measure, tag)),
    "v",
  );
  state.layer = state.model.layers[means.indexOf(Math.max(...means))];
  spread();
  fillMenus();
  renderLayers();
}
export function startLayers() {
  const changed = (id, act) => $(id).addEventListener("change", (event) => act(event.target.value));
  options(
    "model",
    S.models.map((each, at) => [String(at), each.label]),
    "0",
  );
  fillMenus();
  restart();
  changed("model", (value) => {
    state.model = S.models[Number(value)];
    fillMenus();
    restart();
  });
  changed("source", (value) => {
    state.source = value;
    restart();
  });
  changed("measure", (value) => {
    state.measure = value;
    fillMenus();
    renderLayers();
  });
  changed("reinit-measure", () => {
    fillMenus();
    drawRandomInit();
  });
  changed("target", (value) => {
    state.target = value;
    drawRandomInit();
  });
  changed("retrieval-measure", drawRetrieval);
  $("layer").addEventListener("input", (event) => {
    state.layer = Number(event.target.value);
    drawPairs();
  });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
}

// Starts the page: the theme, the figures by layer, then every section that the study has.
import { S, sections } from "./data.js";
import { $ } from "./dom.js";
import { layered, renderLayers, startLayers } from "./layers/controls.js";
import { dark, narrow } from "./style.js";
import { fillTable, openTables } from "./tables.js";

const root = document.documentElement;
function renderAll() {
  if (layered) renderLayers();
  Object.keys(S.sections).forEach((key) => {
    sections[key].render();
  });
  openTables();
}
root.dataset.theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
if (layered) startLayers();
else $("h-figures").parentElement.hidden = true;
Object.entries(S.sections).forEach(([key, entries]) => {
  sections[key].start(entries);
  sections[key].render();
});
$("theme").addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  renderAll();
});
document.querySelectorAll("details[data-table]").forEach((each) => {
  each.addEventListener("toggle", () => {
    if (each.open) fillTable(each);
  });
});
let breadth = window.innerWidth;
window.addEventListener("resize", () => {
  if (narrow() !== breadth < 640) renderAll();
  breadth = window.innerWidth;
});
root.dataset.ready = "true";

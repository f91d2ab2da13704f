// Starts the page: the theme, the figures by layer, then every section that the study has.
function renderAll() {
  if (layered) render();
  Object.keys(S.sections).forEach((key) => sections[key].render());
  openTables();
}
document.documentElement.dataset.theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
if (layered) start(); else $("h-figures").parentElement.hidden = true;
Object.entries(S.sections).forEach(([key, entries]) => { sections[key].start(entries); sections[key].render(); });
$("theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; renderAll(); });
document.querySelectorAll("details[data-table]").forEach((each) => each.addEventListener("toggle", () => { if (each.open) fillTable(each); }));
let breadth = window.innerWidth;
window.addEventListener("resize", () => { if (narrow() !== breadth < 640) renderAll(); breadth = window.innerWidth; });
document.documentElement.dataset.ready = "true";

// Colours, and numbers and layers in words.

// Okabe and Ito's palette, told apart by colour-blind readers as well; yellow left out, too pale on paper.
export const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7A5C3E"];
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const dark = () => document.documentElement.dataset.theme === "dark";
export const narrow = () => window.innerWidth < 640;
// The colour of chance.
export const grey = () => (dark() ? "#9aa0a8" : "#777777");
export const alpha = (hex, opacity) =>
  hex +
  Math.round(opacity * 255)
    .toString(16)
    .padStart(2, "0");

export const fixed = (value, digits = 3) =>
  value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
export const signed = (value) =>
  Math.abs(value) < 0.0005 ? "0.000" : (value > 0 ? "+" : "−") + Math.abs(value).toFixed(3);
export const layerName = (layer) => (layer === 0 ? "embeddings" : `layer ${layer}`);
export const tick = (layer) => (layer === 0 ? "emb" : String(layer));

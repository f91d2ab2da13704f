// What the figures by layer show: the choices made in the page's menus, and the series that they name.
import { S, tags } from "../data.js";

// In place of a language: the mean over all.
export const MEAN = "*";
export const state = { model: S.models[0], source: S.sources[0], measure: "", target: MEAN, layer: 0, on: new Map() };

export const all = (kind) => state.model.measures[kind];
export const info = (key) => [...all("similarity"), ...all("retrieval")].find((each) => each.key === key);
const isRetrieval = (key) => all("retrieval").some((each) => each.key === key);

// Similarity is symmetric and kept once a pair; retrieval is kept once a direction.
export function series(key, variant, source, target) {
  const pairs = state.model.series[key]?.[variant];
  if (!pairs) return undefined;
  return pairs[`${source} ${target}`] || (isRetrieval(key) ? undefined : pairs[`${target} ${source}`]);
}
export const targetsOf = (key, variant = "", source = state.source) =>
  tags.filter((tag) => tag !== source && series(key, variant, source, tag));
export const from = (key, tag, variant = "") => series(key, variant, state.source, tag);
export const highest = (each) => Math.max(...each.v.filter((value) => value !== null));

export function mean(listed, field) {
  return state.model.layers.map((_, at) => {
    const values = listed.map((each) => each[field][at]).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  });
}
// The mean of series as a series: without an interval, which only one has.
export function average(listed) {
  const single = listed.length === 1;
  return {
    v: mean(listed, "v"),
    lo: single ? listed[0].lo : null,
    hi: single ? listed[0].hi : null,
    nm: mean(listed, "nm"),
    ns: mean(listed, "ns"),
    n: Math.min(...listed.map((each) => each.n)),
  };
}

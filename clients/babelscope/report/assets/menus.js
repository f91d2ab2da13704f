// Menus of values, and what is chosen in them.
import { $, element } from "./dom.js";

export function options(id, values, wanted) {
  $(id).replaceChildren(
    ...values.map(([value, text]) => {
      const option = element("option", text);
      option.value = value;
      return option;
    }),
  );
  $(id).value = values.some(([value]) => value === wanted) ? wanted : values.length ? values[0][0] : "";
  return $(id).value;
}
// Fills the menus of a section from its entries: one menu a field, those of a single choice hidden.
export function choices(prefix, entries, fields) {
  fields.forEach((field) => {
    const id = `${prefix}-${field}`,
      values = [...new Map(entries.map((each) => [each[field], [each[field], each[field]]])).values()];
    options(id, values, $(id).value);
    $(id).parentElement.hidden = values.length < 2;
  });
}
export const picked = (prefix, entries, fields) =>
  entries.filter((each) => fields.every((field) => each[field] === $(`${prefix}-${field}`).value));
// Runs `act` where another value is chosen in one of the menus.
export function onChange(ids, act) {
  for (const id of ids) $(id).addEventListener("change", act);
}

// Elements of the page. Text is always set as text, never as HTML.
export const $ = (id) => document.getElementById(id);
export function element(name, content) {
  const made = document.createElement(name);
  if (Array.isArray(content)) made.append(...content);
  else made.textContent = content;
  return made;
}

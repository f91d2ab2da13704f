// What the page was given, and what has no figure of its own.
export const S = JSON.parse(document.getElementById("data").textContent);
export const names = new Map(S.languages.map((each) => [each.tag, each.name]));
export const tags = S.languages.map((each) => each.tag);
// By key of the study's sections: `start` fills the menus of a section, `render` draws its figures.
export const sections = {};

// Elements of the page, in the style of panels.css. Text is always text, never markup.
import { api } from "../../scripts/api.js";

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./panels.css", import.meta.url).href;
document.head.append(style);

// fields: properties of the element, such as textContent, title or onclick; style: CSS properties.
export function makeElement(tag, name, { style = {}, ...fields } = {}, children = []) {
  const element = Object.assign(document.createElement(tag), fields);
  element.className = `consistentid-${name}`;
  if (tag === "button") element.type = "button";
  for (const [property, value] of Object.entries(style)) element.style.setProperty(property, value);
  element.append(...children);
  return element;
}

// picture: filename, subfolder and type, as a node's run gives them.
export function makePicture(picture, name = "picture") {
  const src = api.apiURL(`/view?${new URLSearchParams(picture)}`);
  return makeElement("img", name, { src, alt: "", draggable: false });
}

// A box of the picture's shape, as large as its surroundings allow.
export function makeFrame(ratio, children) {
  const frame = makeElement("div", "frame", { style: { "--ratio": ratio } }, children);
  return makeElement("div", "stage", {}, [frame]);
}

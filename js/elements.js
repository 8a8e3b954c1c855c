// @ts-check
// Elements of the page, in the style of panels.css. Text is always text, never markup.
import { api } from "../../scripts/api.js";

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./panels.css", import.meta.url).href;
document.head.append(style);

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @typedef {Omit<Partial<HTMLElementTagNameMap[Tag]>, "style"> & { style?: Record<string, string | number> }} Fields
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} name of the style sheet's class, without the pack's prefix
 * @param {Fields<Tag>} [fields] properties of the element, such as textContent, title or onclick; style: CSS properties
 * @param {(string | Node)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function makeElement(tag, name, fields, children = []) {
  const { style = {}, ...properties } = fields ?? {};
  const element = Object.assign(document.createElement(tag), properties);
  element.className = `consistentid-${name}`;
  if (element instanceof HTMLButtonElement) element.type = "button";
  for (const [property, value] of Object.entries(style)) element.style.setProperty(property, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {Record<string, string>} picture filename, subfolder and type, as a node's run gives them
 * @param {string} name
 */
export function makePicture(picture, name = "picture") {
  const src = api.apiURL(`/view?${new URLSearchParams(picture)}`);
  return makeElement("img", name, { src, alt: "", draggable: false });
}

/**
 * A box of the picture's shape, as large as its surroundings allow.
 * @param {number} ratio width / height
 * @param {Node[]} children
 */
export function makeFrame(ratio, children) {
  const frame = makeElement("div", "frame", { style: { "--ratio": ratio } }, children);
  return makeElement("div", "stage", {}, [frame]);
}

// @ts-check
// A node's widgets: their values found, changed as a user changes them, and watched; and elements as widgets.
import { app } from "../../scripts/app.js";

/** @type {Map<string, HTMLElement>} */
const places = new Map();

/** @param {Editor.Node} node @param {string} name */
export function hasWidget(node, name) {
  return Boolean(node.widgets?.some((widget) => widget.name === name));
}

/** @param {Editor.Node} node @param {string} name of a widget that the node has */
export function findWidget(node, name) {
  return /** @type {Editor.Widget} */ (node.widgets.find((widget) => widget.name === name));
}

/**
 * One step for undo.
 * @param {Editor.Node} node
 * @param {Record<string, unknown>} values by widget
 */
export function setWidgets(node, values) {
  app.canvas.emitBeforeChange();
  for (const [name, value] of Object.entries(values)) {
    const widget = findWidget(node, name);
    widget.value = value;
    widget.callback?.(value, app.canvas, node);
  }
  app.canvas.emitAfterChange();
  node.setDirtyCanvas?.(true, true);
}

/**
 * Run an action after the widget was changed, and after the node was loaded.
 * @param {Editor.Node} node
 * @param {string} name
 * @param {() => void} action
 */
export function watchWidget(node, name, action) {
  runAfter(findWidget(node, name), "callback", action);
  runAfter(node, "onConfigure", action);
}

/**
 * Run an action, with the same values, after a method that may be missing.
 * @template {object} Owner
 * @param {Owner} owner
 * @param {string} method
 * @param {(...values: any[]) => void} action
 */
export function runAfter(owner, method, action) {
  const methods = /** @type {Record<string, ((...values: any[]) => unknown) | undefined>} */ (owner);
  const before = methods[method];
  methods[method] = function (...values) {
    const result = before?.apply(this, values);
    action(...values);
    return result;
  };
}

/**
 * A widget that shows an element and has no value: the workflow file does not hold it.
 * @param {Editor.Node} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {Editor.ElementOptions} options
 */
export function addElement(node, name, element, options) {
  const widget = node.addDOMWidget(name, "element", element, { serialize: false, hideOnZoom: false, ...options });
  widget.serialize = false;
  runAfter(node, "onAdded", () => {
    // After undo, Nodes 2.0 would go on showing the element of the node that this one replaces.
    const place = `${node.graph?.id} ${node.id} ${name}`;
    const old = places.get(place);
    if (old !== element && old?.isConnected) old.replaceWith(element);
    places.set(place, element);
  });
}

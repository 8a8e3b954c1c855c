// @ts-check
// Where a graph has texts of its own, and these texts in another language while it is shown. Plain functions.
//
// A graph on the canvas and the data it is saved as have the same fields, so both are walked alike: `show` changes what
// is seen, and `restore` takes the same changes back in the data, apart from what the user has changed since.

/** @import { Translate } from "./translation.js" */
/**
 * A text: a field of its owner, and its key, by which it is found in the saved data. text: what is translated.
 * @typedef {{ key: string, owner: Record<string, any>, field: string | number, before: unknown, text: unknown,
 *   isSocket?: boolean }} Place
 * @typedef {Map<string, { before: unknown, shown: string }>} Kept
 */

const NOTES = ["MarkdownNote", "Note", "PreviewAny"];
const PACK = "ConsistentID_";

/** @param {any} root a graph, or the data of one @returns {any[]} with all subgraphs */
function listGraphs(root) {
  return [root, ...(root.subgraphs?.values() ?? root.definitions?.subgraphs ?? [])];
}

/** @param {any} root */
export function isOurs(root) {
  return listGraphs(root).some(({ nodes }) => nodes?.some((/** @type {any} */ node) => node.type?.startsWith(PACK)));
}

/** @param {any} root @returns {Generator<Place>} */
function* listPlaces(root) {
  const [, ...subgraphs] = listGraphs(root);
  const kinds = new Set(subgraphs.map(({ id }) => id));
  for (const graph of listGraphs(root)) {
    const id = graph === root ? "" : graph.id;
    if (id) yield* listOwn(`graph ${id}`, graph);
    for (const group of graph.groups ?? []) yield makePlace(`group ${id} ${group.id}`, group, "title");
    for (const node of graph.nodes ?? []) {
      const key = `node ${id} ${node.id}`;
      yield makePlace(key, node, "title");
      if (NOTES.includes(node.type)) yield* listValues(key, node);
      if (kinds.has(node.type)) yield* listFolded(key, node);
    }
  }
}

/** @param {string} key @param {any} owner @param {string | number} field @returns {Place} */
function makePlace(key, owner, field) {
  return { key: `${key} ${field}`, owner, field, before: owner[field], text: owner[field] };
}

/** @param {string} key @param {any} subgraph */
function* listOwn(key, subgraph) {
  yield makePlace(key, subgraph, "name");
  yield* listSlots(key, subgraph, "localized_name");
}

/**
 * A name that the user gave stays.
 * @param {string} key @param {any} owner @param {string} field @returns {Generator<Place>}
 */
function* listSlots(key, owner, field) {
  for (const side of ["inputs", "outputs"])
    for (const [number, slot] of (owner[side] ?? []).entries())
      yield {
        ...makePlace(`${key} ${side} ${number}`, slot, field),
        text: slot.label ? "" : slot.name,
        isSocket: true,
      };
}

/** @param {string} key @param {any} node that stands for a subgraph @returns {Generator<Place>} */
function* listFolded(key, node) {
  yield* listSlots(key, node, "label");
  for (const widget of node.widgets ?? [])
    if (widget.label === undefined || widget.label === widget.name)
      yield { ...makePlace(`${key} ${widget.name}`, widget, "label"), text: widget.name, isSocket: true };
}

/** @param {string} key @param {any} note with its text as the first widget, or among the saved values */
function* listValues(key, note) {
  if (note.widgets?.[0]) yield { ...makePlace(key, note.widgets[0], "value"), key };
  if (note.widgets_values) yield { ...makePlace(key, note.widgets_values, 0), key };
  for (const name of Object.keys(note.widgets_values_named ?? {}).slice(0, 1)) // newer editors save it twice
    yield { ...makePlace(key, note.widgets_values_named, name), key };
}

/**
 * Translate what is on the canvas.
 * @param {any} root
 * @param {Translate} translate
 * @param {Translate} translateSocket
 * @param {Kept} kept what was there before, by place; added to
 */
export function show(root, translate, translateSocket, kept) {
  const places = [...listPlaces(root)]; // all of them first: the label of a widget may be that of its slot
  for (const { key, owner, field, before, text, isSocket } of places) {
    if (typeof text !== "string") continue;
    const shown = (isSocket ? translateSocket : translate)(text);
    if (shown === text || shown === before) continue;
    const isDefault = text === /** @type {any} */ (owner.constructor).title && field === "title"; // which is not saved
    kept.set(key, { before: isDefault ? undefined : before, shown });
    owner[field] = shown;
  }
}

/** @param {any} data as the editor saves it; changed @param {Kept} kept */
export function restore(data, kept) {
  for (const { key, owner, field } of listPlaces(data)) {
    const known = kept.get(key);
    if (!known || owner[field] !== known.shown) continue;
    if (known.before === undefined) delete owner[field];
    else owner[field] = known.before;
  }
}

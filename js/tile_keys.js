// @ts-check
// The arrow keys among the picker's tiles. A plain function: it knows no page.

/**
 * Where an arrow key leads among tiles in rows: a tile's number, -1 for above the first row, undefined for nowhere.
 * @param {string} key
 * @param {number} at the tile with the focus
 * @param {number} columns
 * @param {number} count
 * @returns {number | undefined}
 */
export function findNext(key, at, columns, count) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (!step) return undefined;
  const next = at + step;
  if (next >= 0 && next < count) return next;
  return key === "ArrowUp" ? -1 : undefined;
}

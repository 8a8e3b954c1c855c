// @ts-check
// How large a workflow of this pack is shown when it is opened in a window larger than the one it was drawn for.

/** @typedef {{ scale: number, offset: number[] }} View */

/** The window, and what the editor's bars leave free at its sides. */
const DRAWN_FOR = { width: 1366, height: 768, across: 142, down: 183 };
const MOST_SCALE = 1;

/**
 * The same corner at the same place, as much larger as the window is. Never smaller, and not beyond full size.
 * @param {View} view
 * @param {{ width: number, height: number }} window
 * @returns {View}
 */
export function enlarge(view, window) {
  const { width, height, across, down } = DRAWN_FOR;
  const more = Math.min((window.width - across) / (width - across), (window.height - down) / (height - down));
  const scale = Math.max(view.scale, Math.min(MOST_SCALE, view.scale * more));
  return { scale, offset: view.offset.map((side) => (side * view.scale) / scale) };
}

/** @param {View | undefined} one @param {View} other */
export function isSame(one, other) {
  return Boolean(
    one && one.scale === other.scale && one.offset[0] === other.offset[0] && one.offset[1] === other.offset[1],
  );
}

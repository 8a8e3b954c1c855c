// @ts-check
// How large a workflow of this pack is shown when it is opened in a window larger than the one it was drawn for, and
// where: beside an open sidebar. Plain functions.

/** @typedef {{ scale: number, offset: number[] }} View */

/** The window, and what the editor's bars leave free of it. */
const DRAWN_FOR = { left: 72, right: 1366 - 70, height: 768, down: 183 };
const BAR = 70; // at the right, of nothing but air
const GAP = 8; // to what is open at a side
const MOST_SCALE = 1;

/**
 * The same corner, as much larger as there is room. Never smaller, so beside a sidebar what comes last may be out of
 * view, and not beyond full size.
 * @param {View} view
 * @param {{ width: number, height: number }} window
 * @param {{ left: number, right: number }} free of sidebars
 * @returns {View}
 */
export function enlarge(view, window, free) {
  const { left, right, height, down } = DRAWN_FOR;
  const from = free.left > left ? free.left + GAP : left;
  const to = Math.min(window.width - BAR, free.right - GAP);
  const more = Math.min((to - from) / (right - left), (window.height - down) / (height - down));
  const scale = Math.max(view.scale, Math.min(MOST_SCALE, view.scale * more));
  const [x, y] = view.offset.map((side) => side * view.scale);
  return { scale, offset: [(x + from - left) / scale, y / scale] };
}

/** @param {View | undefined} one @param {View} other */
export function isSame(one, other) {
  return Boolean(
    one && one.scale === other.scale && one.offset[0] === other.offset[0] && one.offset[1] === other.offset[1],
  );
}

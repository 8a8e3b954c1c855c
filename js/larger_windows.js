// @ts-check
// A workflow of this pack that nobody has moved yet fills a large window, beside an open sidebar, also one that is
// opened later; see first_view.js.
import { app } from "../../scripts/app.js";
import { enlarge, isSame } from "./first_view.js";

/** @typedef {import("./first_view.js").View} View */

/** @returns {View} */
function readView() {
  const { scale, offset } = app.canvas.ds;
  return { scale, offset: [...offset] };
}

/** @type {{ saved: View, shown: View } | undefined} */
let last;

/** @param {View} saved @param {Element | null} panel */
function show(saved, panel) {
  const { innerWidth: width, innerHeight: height } = window;
  const free = panel?.getBoundingClientRect() ?? { left: 0, right: width };
  const { scale, offset } = enlarge(saved, { width, height }, free);
  const { ds } = app.canvas;
  ds.scale = scale;
  [ds.offset[0], ds.offset[1]] = offset;
  last = { saved, shown: readView() };
  app.canvas.setDirty(true, true);
}

const sidebars = new ResizeObserver(([{ target }]) => {
  if (last && isSame(readView(), last.shown)) show(last.saved, target);
});

app.registerExtension({
  name: "consistentidportraits.LargerWindows",
  afterConfigureGraph() {
    sidebars.disconnect();
    last = undefined;
    const saved = readView();
    if (!isSame(app.graph?.extra?.consistentid_view, saved)) return;
    const panel = document.querySelector(".graph-canvas-panel");
    show(saved, panel);
    if (panel) sidebars.observe(panel);
  },
});

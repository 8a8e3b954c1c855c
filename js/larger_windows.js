// @ts-check
// A workflow of this pack that nobody has moved yet fills a large window, beside an open sidebar; see first_view.js.
import { app } from "../../scripts/app.js";
import { enlarge, isSame } from "./first_view.js";

app.registerExtension({
  name: "consistentidportraits.LargerWindows",
  afterConfigureGraph() {
    const { ds } = app.canvas;
    if (!isSame(app.graph?.extra?.consistentid_view, ds)) return;
    const { innerWidth: width, innerHeight: height } = window;
    const free = document.querySelector(".graph-canvas-panel")?.getBoundingClientRect() ?? { left: 0, right: width };
    const { scale, offset } = enlarge(ds, { width, height }, free);
    ds.scale = scale;
    [ds.offset[0], ds.offset[1]] = offset;
    app.canvas.setDirty(true, true);
  },
});

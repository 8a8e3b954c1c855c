// @ts-check
// A workflow of this pack that nobody has moved yet fills a large window; see first_view.js.
import { app } from "../../scripts/app.js";
import { enlarge, isSame } from "./first_view.js";

app.registerExtension({
  name: "consistentidportraits.LargerWindows",
  afterConfigureGraph() {
    const { ds } = app.canvas;
    if (!isSame(app.graph?.extra?.consistentid_view, ds)) return;
    const { scale, offset } = enlarge(ds, { width: window.innerWidth, height: window.innerHeight });
    ds.scale = scale;
    [ds.offset[0], ds.offset[1]] = offset;
    app.canvas.setDirty(true, true);
  },
});

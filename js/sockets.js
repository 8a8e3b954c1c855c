// @ts-check
// Sockets and wires of this pack's types in colours of their own.
import { app } from "../../scripts/app.js";
import { colour, writeStyle } from "./socket_colours.js";

app.registerExtension({
  name: "consistentidportraits.Sockets",
  setup() {
    document.head.append(Object.assign(document.createElement("style"), { textContent: writeStyle() }));
    colour(app.canvas.default_connection_color_byType);
    colour(app.canvas.constructor.link_type_colors);
    app.canvas.setDirty(true, true);
  },
});

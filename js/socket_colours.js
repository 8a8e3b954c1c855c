// @ts-check
// The colours of this pack's sockets and wires, which ComfyUI's palettes do not know.

/** Each has a contrast of 3 or more on the nodes of the dark and of the light palette. */
export const COLOURS = {
  CONSISTENTID_IDENTITY: "#e54695",
  CONSISTENTID_TEXT_IDENTITY: "#c159d5",
  CONSISTENTID_PEOPLE: "#e25734",
  CONSISTENTID_FACE: "#c3701c",
  CONSISTENTID_FACE_CASCADE: "#a57c59",
  CONSISTENTID_FACE_PARSER: "#9c821c",
  CONSISTENTID_REGIONS: "#778d1e",
  CONSISTENTID_PLACEMENT: "#77869a",
  CONSISTENTID_ADAPTER: "#10948b",
  CONSISTENTID_SCHEDULE: "#32965c",
  CONSISTENTID_ATTENTION: "#5280ec",
  CONSISTENTID_CAPTIONER: "#218ebc",
  CONSISTENTID_FACE2DIFFUSION: "#8e6eef",
  CONSISTENTID_IMAGE_ENCODER: "#568f81",
};

/** Sockets that take several types have the colour of the one that comes most often. */
const MIXED = {
  "CONSISTENTID_IDENTITY,CONSISTENTID_PEOPLE": COLOURS.CONSISTENTID_IDENTITY,
};

/**
 * Give types their colours in a table of the editor's. A palette empties the entries of types that it does not name:
 * what is empty stays as here.
 * @param {Record<string, string> | undefined} table colour by type
 */
export function colour(table) {
  for (const [type, own] of Object.entries({ ...COLOURS, ...MIXED })) {
    if (!table) return;
    let given = table[type];
    Object.defineProperty(table, type, {
      get: () => given || own,
      set: (value) => {
        given = value;
      },
      configurable: true,
      enumerable: true,
    });
  }
}

/** The same for Nodes 2.0, as a style sheet: a palette's own colours are set on the element, and win. */
export function writeStyle() {
  const colours = Object.entries(COLOURS).map(([type, own]) => `--color-datatype-${type}: ${own};`);
  return `:root { ${colours.join(" ")} }`;
}

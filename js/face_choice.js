// @ts-check
// Which faces of a photo Detect Face takes, and where they are drawn. Plain functions: they know no page.

/**
 * A photo as nodes/boundary/display.py shows it. box: left, top, right, bottom in 0..1 of the photo; half: the photo's
 * border cuts the face; orders: {selection: numbers of the faces in its order}; colours: of chosen faces and of others.
 * @typedef {{ picture: Record<string, string>, ratio: number, faces: FoundFace[], orders: Record<string, number[]>,
 *   colours: [string, string] }} FoundPhoto
 * @typedef {{ box: [number, number, number, number], about: string, half: boolean }} FoundFace
 */

/**
 * CSS of an element over a face.
 * @param {FoundFace["box"]} box
 */
export function placeBox(box) {
  const [left, top, right, bottom] = box.map((part) => `${100 * part}%`);
  return { left, top, width: `calc(${right} - ${left})`, height: `calc(${bottom} - ${top})` };
}

/**
 * Numbers of the faces that the node takes. A selection without an order is all faces that are whole.
 * @param {Pick<FoundPhoto, "faces" | "orders">} photo
 * @param {string} selection
 * @param {number} index in the selection's order
 * @returns {number[]} none where the photo has no such face
 */
export function listChosen({ faces, orders }, selection, index) {
  const order = orders[selection];
  if (order) return order.slice(index, index + 1);
  return faces.flatMap(({ half }, number) => (half ? [] : [number]));
}

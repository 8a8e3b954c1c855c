// @ts-check
// Traditional Chinese, as Taiwan writes it, of the Simplified that this pack has. Plain functions over a table.
//
// scripts/traditional.py makes the files of names and help pages by the same table.

/** @typedef {{ words: Record<string, string>, simplified: string, traditional: string }} Letters */
/** @typedef {(text: string) => string} Convert */

/**
 * The longest words first, then letter by letter; what the table has not stays.
 * @param {Letters} table
 * @returns {Convert}
 */
export function makeConvert({ words, simplified, traditional }) {
  const known = new Map([...simplified].map((letter, number) => [letter, traditional[number]]));
  for (const [word, other] of Object.entries(words)) known.set(word, other);
  const longest = Object.keys(words).sort((one, other) => other.length - one.length);
  const pattern = new RegExp([...longest, "[“”\\u3400-\\u9fff]"].join("|"), "g");
  return (text) => text.replace(pattern, (part) => known.get(part) ?? part);
}

/**
 * Texts, lists of them by key, and functions that give one, all converted.
 * @template Texts
 * @param {Texts} texts
 * @param {Convert} convert
 * @returns {Texts}
 */
export function convertAll(texts, convert) {
  /** @param {unknown} text @returns {unknown} */
  function change(text) {
    if (typeof text === "string") return convert(text);
    if (typeof text === "function") return (/** @type {unknown[]} */ ...values) => convert(text(...values));
    return convertAll(text, convert);
  }
  const changed = Object.entries(/** @type {object} */ (texts)).map(([key, text]) => [key, change(text)]);
  return /** @type {Texts} */ (Object.fromEntries(changed));
}

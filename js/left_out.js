// @ts-check
// The text that lists regions to leave out: "nose, left ear". Plain functions: they know no page.

/**
 * @param {unknown} text a widget's value
 * @returns {string[]} in lower case
 */
export function readWords(text) {
  const words = String(text ?? "").split(",");
  return words.map((word) => word.trim().toLowerCase()).filter(Boolean);
}

/**
 * The list without a word that is in it, or with one that is not.
 * @param {unknown} text
 * @param {string} word
 */
export function toggleWord(text, word) {
  const words = readWords(text);
  const others = words.filter((other) => other !== word);
  return (others.length < words.length ? others : [...words, word]).join(", ");
}

// @ts-check
// English texts that are not known before they are there, such as reports, in Chinese. Plain functions over tables.
//
// A table has whole texts, lines or sentences. {} in the English stands for a value; in the Chinese {0} is the first of
// them, translated itself where that is known, and {=0} the same as it is. What is not in the table stays English.

/** @typedef {Record<string, string>} Table */
/** @typedef {(text: string) => string} Translate */

const SENTENCE_END = /(?<=[.!?]) (?=[A-Z"'<*])/;
const CHINESE_END = /[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]$/;
const BETWEEN_WORDS = /(, (?![^[]*\])|; | \(|\))/; // but not in [1, 2]
const NUMBER = /^[\d.%-]*$/;

/**
 * @param {Table} table
 * @param {Table} words what values may be besides: alone, or in lists
 * @returns {Translate}
 */
export function makeTranslate(table, words = {}) {
  const patterns = Object.keys(table)
    .filter((english) => english.includes("{}"))
    .sort((one, other) => other.length - one.length) // the one that says most comes first
    .map((english) => ({ pattern: makePattern(english, table[english]), chinese: table[english] }));

  /** @param {string} text @returns {string | undefined} */
  function find(text) {
    if (Object.hasOwn(table, text)) return table[text];
    for (const { pattern, chinese } of patterns) {
      const values = pattern.exec(text)?.slice(1);
      if (values)
        return chinese.replace(/\{(=?)(\d)\}/g, (_, asItIs, number) => {
          const value = values[number] ?? "";
          return asItIs ? value : translateValue(value);
        });
    }
    return undefined;
  }

  /** @param {string} part of a list @returns {string | undefined} */
  function findPart(part) {
    if (Object.hasOwn(words, part)) return words[part];
    return NUMBER.test(part) || BETWEEN_WORDS.test(part) ? part : find(part);
  }

  /** @param {string} value @returns {string} */
  function translateValue(value) {
    if (Object.hasOwn(words, value)) return words[value];
    const parts = value.split(BETWEEN_WORDS).map(findPart);
    return parts.includes(undefined) ? (find(value) ?? translateLine(value)) : parts.join("");
  }

  /** @param {string} line the longest runs of its sentences that are known */
  function translateLine(line) {
    const sentences = line.split(SENTENCE_END);
    let told = "";
    for (let start = 0; start < sentences.length; ) {
      let end = sentences.length;
      while (end > start + 1 && find(sentences.slice(start, end).join(" ")) === undefined) end--;
      const part = sentences.slice(start, end).join(" ");
      told += (told && !CHINESE_END.test(told) ? " " : "") + (find(part) ?? part);
      start = end;
    }
    return told;
  }

  return (text) => find(text) ?? text.split("\n").map(translateLine).join("\n");
}

/**
 * A value holds no end of a sentence, unless it stays as it is or the text ends with it.
 * @param {string} english
 * @param {string} chinese
 */
function makePattern(english, chinese) {
  const parts = english.split("{}").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  const values = parts.slice(1).map((after, number) => {
    const isAnything = chinese.includes(`{=${number}}`) || (!after && number === parts.length - 2);
    return `${isAnything ? "(.*?)" : "((?:(?![.!?] [A-Z\"'<*]).)*?)"}${after}`;
  });
  return new RegExp(`^${parts[0]}${values.join("")}$`);
}

// @ts-check
// What this pack's nodes say in the editor, in its language.

/**
 * @typedef {Record<"clickFace" | "noFace" | "previous" | "next" | "choose" | "chooseIdentity" | "search" | "close" |
 *   "noIdentity", string> & {
 *   face: (index: number, count: number) => string,
 *   missing: (word: string) => string,
 *   leaveOut: (word: string) => string,
 *   takeBack: (word: string) => string,
 *   notFound: (word: string) => string,
 *   unknown: (words: string) => string,
 * }} NodeTexts
 */

/** @type {NodeTexts} */
export const ENGLISH = {
  face: (index, count) => `Face ${index} of ${count}, left to right from 0`,
  clickFace: "Click the face to take, then run again.",
  noFace: "No face found in this photo.",
  missing: (word) => `${word}: missing`,
  leaveOut: (word) => `Leave out the ${word}`,
  takeBack: (word) => `Encode the ${word} again`,
  notFound: (word) => `The face parser found no ${word} in this photo`,
  unknown: (words) => `Unknown to the small models: ${words}.`,
  previous: "previous",
  next: "next",
  choose: "Choose...",
  chooseIdentity: "Choose an identity",
  search: "Search",
  close: "Close",
  noIdentity: "None. Save one with 'Save Identity'.",
};

/** @type {NodeTexts} */
export const CHINESE = {
  face: (index, count) => `人脸 ${index}（共 ${count} 张，从左到右，从 0 开始）`,
  clickFace: "点击要用的人脸，然后再次运行。",
  noFace: "这张照片里没有找到人脸。",
  missing: (word) => `${word}：缺失`,
  leaveOut: (word) => `排除 ${word}`,
  takeBack: (word) => `恢复 ${word}`,
  notFound: (word) => `人脸解析在这张照片里没有找到 ${word}`,
  unknown: (words) => `小模型不认识这些词：${words}。`,
  previous: "上一张",
  next: "下一张",
  choose: "选择...",
  chooseIdentity: "选择身份",
  search: "搜索",
  close: "关闭",
  noIdentity: "没有身份。请先用“保存身份”保存。",
};

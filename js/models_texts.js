// @ts-check
// What the models panel says, in the language of the editor.

/** @import { Download, Group, ModelState } from "./models_facts.js" */

/**
 * @typedef {Record<"title" | "label" | "sizeUnknown" | "licence" | "accept" | "isAt" | "goesTo" | "download" |
 *   "again" | "cancel" | "refresh" | "opened" | "refused" | "starting" | "noAnswer", string> & {
 *   groups: Record<Group, string>,
 *   states: Record<ModelState | Download["state"], string>,
 *   unverified: (id: string) => string,
 *   nothingMissing: (kind: string) => string,
 *   missing: (kind: string, count: number, size: string, folders: number) => string,
 *   downloadAll: (kind: string) => string,
 *   acceptAll: (licences: string) => string,
 *   atLeast: (size: string) => string,
 *   of: (done: string, total: string, speed: string) => string,
 *   soFar: (done: string, speed: string) => string,
 *   ready: (title: string) => string,
 * }} ModelTexts speed: "" while unknown
 */

/** @type {ModelTexts} */
export const ENGLISH = {
  title: "ConsistentID models",
  label: "ID models",
  groups: {
    both: "For SD1.5 and SDXL",
    sd15: "For SD1.5",
    sdxl: "For SDXL",
    optional: "Optional",
  },
  states: {
    found: "Found",
    "not verified": "Found, not verified",
    incomplete: "Incomplete",
    "wrong size": "Wrong size",
    missing: "Missing",
    downloading: "Downloading",
    stopping: "Stopping",
    failed: "Failed",
  },
  unverified: (id) => `Nobody has compared it with a known hash. This does: python -m consistentid models verify ${id}`,
  nothingMissing: (kind) => `${kind}: nothing is missing`,
  missing: (kind, count, size, folders) =>
    `${kind}: ${count} missing, ${size}, in ${folders} ${folders === 1 ? "folder" : "folders"}, besides a checkpoint`,
  downloadAll: (kind) => `Download all for ${kind}`,
  acceptAll: (licences) => `I accept these licences: ${licences}`,
  atLeast: (size) => `at least ${size}`,
  sizeUnknown: "size not stated",
  licence: "Licence:",
  accept: "I accept this licence",
  isAt: "At",
  goesTo: "Goes to",
  download: "Download",
  again: "Try again",
  cancel: "Cancel",
  refresh: "Look again",
  opened: "This workflow needs model files that are missing. Download them here.",
  refused: "The workflow needs model files that are missing. Download them here, then run it again.",
  of: (done, total, speed) => `${done} of ${total}${speed && `, ${speed}/s`}`,
  soFar: (done, speed) => `${done}${speed && `, ${speed}/s`}`,
  starting: "Starting",
  noAnswer: "ComfyUI does not answer. Is it running? What has come is kept.",
  ready: (title) => `${title}: downloaded. The loaders list it now.`,
};

/** @type {ModelTexts} */
export const CHINESE = {
  title: "ConsistentID 模型",
  label: "ID 模型",
  groups: { both: "SD1.5 与 SDXL 都需要", sd15: "SD1.5 需要", sdxl: "SDXL 需要", optional: "可选" },
  states: {
    found: "已找到",
    "not verified": "已找到，未校验",
    incomplete: "不完整",
    "wrong size": "大小不符",
    missing: "缺失",
    downloading: "下载中",
    stopping: "正在停止",
    failed: "失败",
  },
  unverified: (id) => `尚未与已知哈希值比对。比对命令：python -m consistentid models verify ${id}`,
  nothingMissing: (kind) => `${kind}：不缺文件`,
  missing: (kind, count, size, folders) => `${kind}：除 Checkpoint 外缺 ${count} 个，${size}，${folders} 个文件夹`,
  downloadAll: (kind) => `下载 ${kind} 需要的全部文件`,
  acceptAll: (licences) => `我接受这些许可协议：${licences}`,
  atLeast: (size) => `至少 ${size}`,
  sizeUnknown: "大小未知",
  licence: "许可协议：",
  accept: "我接受此许可协议",
  isAt: "位于",
  goesTo: "将保存到",
  download: "下载",
  again: "重试",
  cancel: "取消",
  refresh: "重新查找",
  opened: "这个工作流缺少需要的模型文件。请在这里下载。",
  refused: "工作流缺少需要的模型文件。请在这里下载，然后再次运行。",
  of: (done, total, speed) => `${done} / ${total}${speed && `，${speed}/秒`}`,
  soFar: (done, speed) => `${done}${speed && `，${speed}/秒`}`,
  starting: "正在开始",
  noAnswer: "ComfyUI 没有响应。它还在运行吗？已下载的部分会保留。",
  ready: (title) => `${title}：已下载，加载节点现在可以选择它。`,
};

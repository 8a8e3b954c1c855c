// What the files in js/ use of ComfyUI's editor, for the type check. Its own files are not there outside of a browser.

declare namespace Editor {
  interface Widget {
    name: string;
    // biome-ignore lint/suspicious/noExplicitAny: a text, a number or a switch, as the widget is
    value: any;
    type?: string;
    label?: string;
    element?: HTMLElement;
    serialize?: boolean;
    options: { values?: string[] | (() => string[]); getOptionLabel?: (value: unknown) => string };
    callback?: (value: unknown, canvas?: Canvas, node?: Node) => unknown;
  }

  interface ElementOptions {
    serialize?: boolean;
    hideOnZoom?: boolean;
    margin?: number;
    getMinHeight?: () => number;
    getMaxHeight?: () => number | undefined;
  }

  interface Node {
    id: number | string;
    comfyClass: string;
    graph?: Graph | null;
    subgraph?: Graph;
    inputs?: Slot[];
    widgets: Widget[];
    size: [number, number];
    setSize(size: [number, number]): void;
    computeSize(): [number, number];
    setDirtyCanvas?(foreground: boolean, background: boolean): void;
    addWidget(kind: string, name: string, value: unknown, callback: () => void, options: object): Widget;
    addDOMWidget(name: string, kind: string, element: HTMLElement, options: ElementOptions): Widget;
  }

  interface Slot {
    name: string;
    label?: string;
    /** Newer editors: of a subgraph's widget. */
    widgetId?: string;
  }

  interface Graph {
    id: string;
    /** Of a subgraph: which the nodes that stand for it hear. */
    events?: { dispatch(type: string, detail: object): void };
    extra?: { consistentid_view?: { scale: number; offset: number[] } };
    nodes?: Node[];
    subgraphs?: Map<string, Graph>;
    getNodeById(id: string | number): Node | null | undefined;
  }

  interface Canvas {
    emitBeforeChange(): void;
    emitAfterChange(): void;
    ds: { scale: number; offset: number[] };
    setDirty(foreground: boolean, background: boolean): void;
    /** Colour by type: of sockets, and of wires. */
    default_connection_color_byType?: Record<string, string>;
    constructor: { link_type_colors?: Record<string, string> };
  }

  /** By node, then by key of the ui data that a node gives out: one entry for each photo or prompt. */
  type Output = { [key: string]: unknown };
  type Outputs = { [node: string]: Output };

  interface Command {
    id: string;
    label: string;
    icon: string;
    function: () => unknown;
  }

  interface SidebarTab {
    id: string;
    icon: string;
    title: string;
    label: string;
    tooltip: string;
    type: "custom";
    render(host: HTMLElement): void;
  }

  interface Extension {
    name: string;
    commands?: Command[];
    menuCommands?: { path: string[]; commands: string[] }[];
    init?(): Promise<void>;
    setup?(): void;
    afterConfigureGraph?(): void;
    nodeCreated?(node: Node): void;
    beforeRegisterNodeDef?(
      type: unknown,
      definition: { name: string; output_node?: boolean; has_intermediate_output?: boolean },
    ): void;
    onNodeOutputsUpdated?(outputs: Outputs): void;
  }

  interface App {
    canvas: Canvas;
    graph?: Graph;
    nodeOutputs?: Outputs;
    extensionManager: {
      setting?: {
        get(id: "Comfy.Workflow.ShowMissingModelsWarning"): boolean | undefined;
        get(id: string): string | undefined;
      };
      command: { execute(id: string): Promise<void> };
      registerSidebarTab(tab: SidebarTab): void;
      sidebarTab: { activeSidebarTabId: string | null };
    };
    registerExtension(extension: Extension): void;
  }

  interface Api extends EventTarget {
    apiURL(path: string): string;
    dispatchEvent(event: CustomEvent): boolean;
    queuePrompt(...values: unknown[]): Promise<unknown>;
    getWorkflowTemplates(...values: unknown[]): Promise<Record<string, string[]>>;
    fetchApi(path: string, request?: RequestInit): Promise<Response>;
  }
}

declare module "*/scripts/app.js" {
  export const app: Editor.App;
}

declare module "*/scripts/api.js" {
  export const api: Editor.Api;
}

/** What is used of WebAssembly, whose types belong to the browser's library. */

/** A `WebAssembly.Memory` over a SharedArrayBuffer; threads pass it to each other. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

export type WasmModule = object;

interface Limits {
  readonly initial: number;
  readonly maximum: number;
  readonly shared?: boolean;
}

interface Interface {
  readonly Memory: new (limits: Limits) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: { run(...operands: number[]): void } };
  validate(bytes: Uint8Array): boolean;
}

export const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Interface };

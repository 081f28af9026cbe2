/**
 * The code of one tile: the kernel's instructions, each written once for every row and vector along
 * which it varies.
 */

import type { FunctionAssembler } from './simd-assembler.js';
import {
  assignments,
  type Instruction,
  type KernelIr,
  type Load,
  outputElement,
  type Value,
} from './simd-ir.js';
import type { Pack } from './simd-pack.js';
import { type Origin, type Place, Pointers } from './simd-pointers.js';
import type { Arithmetic } from './simd-target.js';
import { LANES, type Tile } from './simd-tile.js';
import { type KernelParameters, Values } from './simd-values.js';

/**
 * Results closer to zero than this are stored as zero. Arithmetic on subnormal numbers is up to a
 * hundred times slower, and gradients that vanish over hundreds of steps are full of them;
 * WebAssembly cannot be told to flush them as GPUs do. A margin above the smallest normal number
 * keeps the products of such results with ordinary numbers normal too.
 */
export const SMALLEST_RESULT = 2 ** -100;

const FLOAT_BYTES = 4;
const VECTOR_BYTES = LANES * FLOAT_BYTES;

export class TileCode {
  private readonly pointers: Pointers;
  private readonly values: Values;
  /** The vectors of a row before they are stored. */
  private readonly stored: readonly number[];

  /**
   * `lanes` of the last vector are part of the output; `packs` have been copied for this column of
   * tiles.
   */
  constructor(
    private readonly f: FunctionAssembler,
    private readonly ir: KernelIr,
    arithmetic: Arithmetic,
    private readonly parameters: KernelParameters,
    origin: Origin,
    private readonly tile: Tile,
    private readonly lanes: number,
    packs: readonly Pack[],
  ) {
    this.pointers = new Pointers(f, parameters.arguments, origin);
    this.values = new Values(f, ir, arithmetic, this.pointers, tile, lanes, parameters, packs);
    this.stored = Array.from({ length: tile.vectors }, () => f.local('v128'));
  }

  /**
   * Computes the tile and stores it in the output, unchanged if `isRaw`, because another pass
   * finishes it.
   */
  emit({ isRaw = false } = {}): void {
    const { extents, body, result } = this.ir;
    const output = { base: this.parameters.output, element: outputElement(extents) };
    this.pointers.enterTile([output, ...this.addresses(body), ...this.values.addressesOf(result)]);
    this.instructions(body);
    this.values.prefetch(result, { x: true, y: true });
    const pointer = this.pointers.of(output);
    for (let row = 0; row < this.tile.rows; row++) {
      this.stored.forEach((local, vector) => {
        this.values.emit(result, { row, vector });
        if (isRaw) this.f.set(local);
        else this.flush(local);
      });
      this.storeRow(pointer, row * extents.x * FLOAT_BYTES);
    }
  }

  /** Leaves the address on the stack that `load` has at the tile's origin and before all loops. */
  originOf(load: Load): void {
    this.pointers.originOf({
      base: this.parameters.arguments.get(load.array) as number,
      element: load.element,
    });
  }

  /** Sets `local` to the vector on the stack, with tiny values replaced by zero. */
  private flush(local: number): void {
    this.f
      .tee(local)
      .get(local)
      .op('f32x4.abs')
      .constant(SMALLEST_RESULT)
      .op('f32x4.lt')
      .op('v128.andnot')
      .set(local);
  }

  /**
   * Stores a row of the tile. V8 merges two stores of 16 bytes that follow each other, and what
   * leads to them, if nothing is loaded in between and the higher one comes first.
   */
  private storeRow(pointer: number, offset: number): void {
    const { f, stored, lanes } = this;
    for (let vector = stored.length - 1; vector >= 0; vector--) {
      const at = offset + vector * VECTOR_BYTES;
      const local = stored[vector];
      if (vector < stored.length - 1 || lanes === LANES) {
        f.get(pointer).get(local).memory('v128.store', at);
        continue;
      }
      for (let lane = 0; lane < lanes; lane++) {
        f.get(pointer)
          .get(local)
          .storeLane(lane, at + lane * FLOAT_BYTES);
      }
    }
  }

  private instructions(instructions: readonly Instruction[]): void {
    for (const instruction of instructions) {
      if (instruction.kind === 'set') this.assign(instruction.local, instruction.value);
      else if (instruction.kind === 'loop') this.loop(instruction);
      else this.branch(instruction);
    }
  }

  private assign(local: number, value: Value): void {
    const varies = this.ir.locals[local];
    this.values.prefetch(value, varies);
    const targets = this.values.vectorsOf(local);
    for (let row = 0; row < targets.length; row++) {
      for (let vector = 0; vector < targets[row].length; vector++) {
        // a local may be the start of a sum, and V8 has lost the upper half of a start that both
        // halves of a merged vector share (test/engine/miscompilation.test.ts)
        if (value.kind === 'constant') this.f.float(value.value);
        else this.values.emit(value, { row, vector });
        this.f.set(targets[row][vector]);
      }
    }
  }

  private branch({ selector, cases, otherwise }: Extract<Instruction, { kind: 'branch' }>): void {
    for (const { numbers, body } of cases) {
      numbers.forEach((number, i) => {
        this.pointers.integer(selector);
        this.f.i32(selector.constant).op('i32.add').i32(number).op('i32.eq');
        if (i > 0) this.f.op('i32.or');
      });
      this.f.if();
      this.instructions(body);
      this.f.op('else');
    }
    this.instructions(otherwise);
    for (const _ of cases) this.f.op('end');
  }

  /** Not unrolled: measured, V8 then keeps fewer sums in registers. */
  private loop({ variable, from, to, body }: Extract<Instruction, { kind: 'loop' }>): void {
    if (to <= from) return;
    const { f, pointers } = this;
    const stepping = pointers.enterLoop(variable, from, this.addresses(body));
    const counter = pointers.counter(variable);
    f.i32(from).set(counter);
    f.count(counter, 1, to, () => {
      this.instructions(body);
      for (const [pointer, bytes] of stepping) f.get(pointer).i32(bytes).op('i32.add').set(pointer);
    });
    pointers.leaveLoop(variable);
  }

  private addresses(instructions: readonly Instruction[]): Place[] {
    return assignments(instructions).flatMap(({ value }) => this.values.addressesOf(value));
  }
}

/**
 * The code of one tile: the kernel's instructions, each written once for every row and vector along
 * which it varies, with shared loads done once. On the stack a value is always a vector of four
 * lanes, adjacent along x.
 */

import type { FunctionAssembler } from '../util/assembler.js';
import type { Arithmetic } from './arithmetic.js';
import { type Scratch, VectorMath } from './simd-functions.js';
import {
  type Affine,
  assignments,
  type BinaryOperation,
  coefficient,
  type GatheredIndex,
  type Instruction,
  type KernelIr,
  type Load,
  loadsOf,
  outputElement,
  type Value,
  type Variation,
} from './simd-ir.js';
import { type Place as Address, type Origin, Pointers } from './simd-pointers.js';
import { LANES, type Pack, packedElement, type Tile } from './simd-tile.js';

/**
 * Results closer to zero than this are stored as zero. Arithmetic on subnormal numbers is up to a
 * hundred times slower, and gradients that vanish over hundreds of steps are full of them;
 * WebAssembly cannot be told to flush them as GPUs do. A margin above the smallest normal number
 * keeps the products of such results with ordinary numbers normal too.
 */
export const SMALLEST_RESULT = 2 ** -100;

const FLOAT_BYTES = 4;
const VECTOR_BYTES = LANES * FLOAT_BYTES;

const OPCODES = {
  add: 'f32x4.add',
  subtract: 'f32x4.sub',
  multiply: 'f32x4.mul',
  divide: 'f32x4.div',
  min: 'f32x4.min',
  max: 'f32x4.max',
} as const satisfies Record<BinaryOperation, string>;

const LIMITS = { min: 'f32x4.pmin', max: 'f32x4.pmax' } as const;

function isNumber(value: Value): boolean {
  return value.kind === 'constant' && !Number.isNaN(value.value);
}

export interface KernelParameters {
  /** By the name of the argument. */
  readonly arguments: ReadonlyMap<string, number>;
  /** Vectors of float arguments, each in all lanes. */
  readonly splats: ReadonlyMap<string, number>;
  readonly output: number;
  /** The address of memory for copies, and whether to make them. */
  readonly spare: number;
  readonly packs: number;
}

export interface Place {
  readonly row: number;
  readonly vector: number;
}

export class TileCode {
  private readonly pointers: Pointers;
  private readonly vectors = new Map<number, number[][]>();
  private readonly math: VectorMath;
  private readonly scratch: Scratch;
  private readonly argument: number;
  /** The address of a load with gathered indices. */
  private readonly gatheredAddress: number;
  /** Values loaded ahead of a statement, by load and place. */
  private ahead = new Map<Load, Map<string, number>>();
  /** Locals for them, reused by each statement. */
  private readonly temporaries: number[] = [];
  private temporariesUsed = 0;
  /** Copies that replace loads. */
  private readonly packed = new Map<Load, Address & { readonly bytes: number }>();
  /** The vectors of a row before they are stored. */
  private readonly stored: readonly number[];

  /**
   * `lanes` of the last vector are part of the output; `packs` have been copied.
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
    for (const pack of packs) {
      const element = packedElement(pack, tile.vectors);
      this.packed.set(pack.load, { base: parameters.spare, element, bytes: pack.at });
    }
    this.math = new VectorMath(f, arithmetic);
    this.scratch = [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')];
    this.argument = f.local('v128');
    this.gatheredAddress = f.local('i32');
    this.stored = Array.from({ length: tile.vectors }, () => f.local('v128'));
  }

  /**
   * Computes the tile and stores it in the output, unchanged if `isRaw`, because another pass
   * finishes it.
   */
  emit({ isRaw = false } = {}): void {
    const { extents, body, result } = this.ir;
    const output = { base: this.parameters.output, element: outputElement(extents) };
    this.pointers.enterTile([output, ...this.addresses(body), ...this.addressesOf(result)]);
    this.instructions(body);
    this.prefetch(result, { x: true, y: true });
    const pointer = this.pointers.of(output);
    for (let row = 0; row < this.tile.rows; row++) {
      this.stored.forEach((local, vector) => {
        this.value(result, { row, vector });
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

  /** Leaves the address on the stack of the copy of `pack` for this column of tiles. */
  copyOf(pack: Pack): void {
    const element = packedElement(pack, this.tile.vectors);
    this.pointers.originOf({ base: this.parameters.spare, element });
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
    this.prefetch(value, varies);
    const targets = this.vectorsOf(local);
    for (let row = 0; row < targets.length; row++) {
      for (let vector = 0; vector < targets[row].length; vector++) {
        // a local may be the start of a sum, and V8 has lost the upper half of a start that both
        // halves of a merged vector share (test/engine/miscompilation.test.ts)
        if (value.kind === 'constant') this.f.float(value.value);
        else this.value(value, { row, vector });
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

  private addresses(instructions: readonly Instruction[]): Address[] {
    return assignments(instructions).flatMap(({ value }) => this.addressesOf(value));
  }

  private addressesOf(value: Value): Address[] {
    const all = (load: Load): Address[] => [
      this.addressOf(load),
      ...load.gathered.flatMap(({ index }) => all(index)),
    ];
    return loadsOf(value).flatMap(all);
  }

  private addressOf(load: Load): Address & { readonly bytes: number } {
    const base = this.parameters.arguments.get(load.array) as number;
    return this.packed.get(load) ?? { base, element: load.element, bytes: 0 };
  }

  /**
   * Loads ahead values that several rows or vectors of a statement share. Values that differ
   * between rows but not along x are loaded by `value`, row by row, into one local.
   */
  private prefetch(value: Value, target: Variation): void {
    this.ahead = new Map();
    this.temporariesUsed = 0;
    for (const load of loadsOf(value)) {
      const shared = (target.x && !load.varies.x) || (target.y && !load.varies.y);
      if (shared) this.ahead.set(load, new Map());
    }
    for (const [load, locals] of this.ahead) {
      if (load.varies.y) continue;
      for (const place of this.places(load.varies)) this.loadInto(load, place, locals);
    }
  }

  private loadInto(load: Load, place: Place, locals: Map<string, number>): number {
    const at = this.temporariesUsed++;
    this.temporaries[at] ??= this.f.local('v128');
    const local = this.temporaries[at];
    this.load(load, place);
    this.f.set(local);
    locals.set(placeKey(load.varies, place), local);
    return local;
  }

  /** All positions of the tile that a value varies over. */
  private places({ x, y }: Variation): Place[] {
    const rows = y ? this.tile.rows : 1;
    const vectors = x ? this.tile.vectors : 1;
    return Array.from({ length: rows * vectors }, (_, i) => ({
      row: Math.floor(i / vectors),
      vector: i % vectors,
    }));
  }

  /** The vectors of a kernel's local, [row][vector]; a single one along axes without variation. */
  private vectorsOf(local: number): number[][] {
    let found = this.vectors.get(local);
    if (!found) {
      const { x, y } = this.ir.locals[local];
      found = Array.from({ length: y ? this.tile.rows : 1 }, () =>
        Array.from({ length: x ? this.tile.vectors : 1 }, () => this.f.local('v128')),
      );
      this.vectors.set(local, found);
    }
    return found;
  }

  /** Leaves `value` at `place` on the stack. */
  private value(value: Value, place: Place): void {
    const { f } = this;
    switch (value.kind) {
      case 'constant':
        f.constant(value.value);
        return;
      case 'scalar':
        f.get(this.parameters.splats.get(value.name) as number);
        return;
      case 'integer':
        this.integerVector(value.value, place);
        return;
      case 'local': {
        const rows = this.vectorsOf(value.local);
        const vectors = rows[Math.min(place.row, rows.length - 1)];
        f.get(vectors[Math.min(place.vector, vectors.length - 1)]);
        return;
      }
      case 'load': {
        const locals = this.ahead.get(value);
        if (locals) f.get(locals.get(placeKey(value.varies, place)) ?? this.loadInto(value, place, locals));
        else this.load(value, place);
        return;
      }
      case 'unary':
        this.unary(value, place);
        return;
      case 'binary':
        this.binary(value, place);
        return;
      case 'multiply-add':
        this.value(value.left, place);
        this.value(value.right, place);
        this.math[value.negated ? 'minusProduct' : 'plusProduct'](() => this.value(value.addend, place));
    }
  }

  private binary({ operation, left, right }: Extract<Value, { kind: 'binary' }>, place: Place): void {
    const isLimit = (operation === 'min' || operation === 'max') && [left, right].some(isNumber);
    // the second operand of pmin and pmax is never NaN, so that a NaN in the first passes through;
    // min and max handle both operands, at eight instructions on x86-64
    const swap = isLimit && isNumber(left);
    this.value(swap ? right : left, place);
    this.value(swap ? left : right, place);
    this.f.op(isLimit ? LIMITS[operation as keyof typeof LIMITS] : OPCODES[operation]);
  }

  private unary({ operation, operand }: Extract<Value, { kind: 'unary' }>, place: Place): void {
    this.value(operand, place);
    switch (operation) {
      case 'negate':
        this.f.op('f32x4.neg');
        return;
      case 'abs':
        this.f.op('f32x4.abs');
        return;
      case 'sqrt':
        this.f.op('f32x4.sqrt');
        return;
      default:
        this.f.set(this.argument);
        this.math[operation](this.argument, this.scratch);
    }
  }

  private integerVector(value: Affine, { row, vector }: Place): void {
    const x = coefficient(value, 'x');
    this.pointers.integer(value);
    const offset = value.constant + row * coefficient(value, 'y') + vector * LANES * x;
    this.f.i32(offset).op('i32.add').op('i32x4.splat').op('f32x4.convert_i32x4_s');
    if (x !== 0) this.f.floats([0, x, 2 * x, 3 * x]).op('f32x4.add');
  }

  /** Leaves `load` at `place` on the stack: in one load if contiguous, otherwise lane by lane. */
  private load(load: Load, { row, vector }: Place): void {
    const address = this.addressOf(load);
    const { element } = address;
    const along = coefficient(load.element, 'x');
    const offset = element.constant + row * coefficient(element, 'y') + vector * LANES * along;
    const bytes = address.bytes + offset * FLOAT_BYTES;
    const pointer = this.pointerTo(load, address, row);
    const valid = vector === this.tile.vectors - 1 ? this.lanes : LANES;
    if (along === 0) this.f.get(pointer).memory('v128.load32_splat', bytes);
    else if (along === 1) this.f.get(pointer).memory('v128.load', bytes);
    else {
      // lanes beyond the output repeat the first; they are never stored
      this.f.get(pointer).memory('v128.load32_splat', bytes).set(this.argument);
      for (let lane = 1; lane < valid; lane++) {
        this.f
          .get(pointer)
          .get(this.argument)
          .loadLane(lane, bytes + lane * along * FLOAT_BYTES)
          .set(this.argument);
      }
      this.f.get(this.argument);
    }
  }

  /** A local with the address in the tile's first row and vector; gathered indices are of `row`. */
  private pointerTo({ gathered }: Load, address: Address, row: number): number {
    const pointer = this.pointers.of(address);
    if (gathered.length === 0) return pointer;
    this.f.get(pointer);
    this.addGathered(gathered, row);
    this.f.set(this.gatheredAddress);
    return this.gatheredAddress;
  }

  /** Adds the offsets of `gathered` in `row` to the address on the stack. */
  private addGathered(gathered: readonly GatheredIndex[], row: number): void {
    for (const { index, stride } of gathered) {
      const { element } = index;
      const offset = element.constant + row * coefficient(element, 'y');
      this.f.get(this.pointers.of(this.addressOf(index)));
      this.addGathered(index.gathered, row);
      this.f
        .memory('f32.load', offset * FLOAT_BYTES)
        .op('i32.trunc_sat_f32_s')
        .i32(stride * FLOAT_BYTES)
        .op('i32.mul')
        .op('i32.add');
    }
  }
}

function placeKey({ x, y }: Variation, { row, vector }: Place): string {
  return `${y ? row : 0},${x ? vector : 0}`;
}

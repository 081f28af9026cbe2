/**
 * The code of one tile: the kernel's instructions, each written once for every row and vector along which it varies.
 *
 * Addresses: all reads whose element moves alike share one pointer. Rows and vectors differ by constants, which are the
 * instruction's offset; a loop only steps its pointers. Loops are not unrolled: measured, V8 then keeps fewer sums in registers.
 */
import type { Axis } from '../language/syntax.js';
import type { FunctionAssembler } from './assembler.js';
import { emitExp, emitLog, emitTanh, type Scratch } from './functions.js';
import {
  type Affine,
  type BinaryOperation,
  coefficient,
  forEachLoad,
  forEachValue,
  type Instruction,
  type KernelIr,
  type Load,
  type Value,
  type Variation,
} from './ir.js';
import { type Pack, packedElement } from './pack.js';
import { LANES, type Tile } from './tile.js';

/**
 * Results closer to zero than this are stored as zero. Arithmetic on subnormal numbers is up to a hundred times slower, and
 * gradients that vanish over hundreds of steps are full of them; WebAssembly cannot be told to flush them as GPUs do. A
 * margin above the smallest normal number keeps the products of such results with ordinary numbers normal too.
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

/** A position inside the tile. */
interface Place {
  readonly row: number;
  readonly vector: number;
}

/** Where the tile stands: locals with the integers x, y and z of its first element. */
export type Origin = Readonly<Record<Axis, number>>;

export class TileCode {
  /** Vector locals of each local of the kernel: [row][vector], one where it does not vary. */
  private readonly vectors = new Map<number, number[][]>();
  private readonly scratch: Scratch;
  private readonly argument: number;
  /** Pointers by what they depend on: locals with byte addresses. */
  private readonly pointers = new Map<string, number>();
  private readonly counters = new Map<string, number>();
  /** Loop variables whose loop is being written. */
  private readonly entered = new Set<string>();
  /** Values loaded ahead of a statement, by load and place. */
  private ahead = new Map<Load, Map<string, number>>();
  /** Locals for them, used anew by each statement. */
  private readonly temporaries: number[] = [];
  private temporariesUsed = 0;
  /** Where loads are read instead that were copied before. */
  private readonly packed = new Map<Load, Pick<Load, 'base' | 'element'>>();

  /** `lanes` of the last vector are part of the output; `packs` have been copied for this column of tiles. */
  constructor(
    private readonly f: FunctionAssembler,
    private readonly ir: KernelIr,
    private readonly origin: Origin,
    private readonly tile: Tile,
    private readonly lanes: number,
    packs: readonly Pack[],
  ) {
    for (const pack of packs) {
      this.packed.set(pack.load, { base: pack.at, element: packedElement(pack, tile.vectors) });
    }
    this.scratch = [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')];
    this.argument = f.local('v128');
  }

  emit(outputOffset: number): void {
    const { extents } = this.ir;
    const output: Affine = {
      constant: 0,
      terms: new Map([
        ['x', 1],
        ['y', extents.x],
        ['z', extents.x * extents.y],
      ]),
    };
    this.enterTile(output);
    this.instructions(this.ir.body);
    this.prefetch(this.ir.result, { x: true, y: true });
    const pointer = this.pointer(output);
    for (const place of this.places({ x: true, y: true })) {
      const last = place.vector === this.tile.vectors - 1 && this.lanes < LANES;
      const offset = outputOffset + place.row * extents.x * FLOAT_BYTES + place.vector * VECTOR_BYTES;
      this.value(this.ir.result, place);
      this.f.tee(this.argument).get(this.argument).op('f32x4.abs').float(SMALLEST_RESULT).op('f32x4.lt');
      this.f.op('v128.andnot').set(this.argument);
      if (!last) {
        this.f.get(pointer).get(this.argument).memory('v128.store', offset);
        continue;
      }
      for (let lane = 0; lane < this.lanes; lane++) {
        this.f
          .get(pointer)
          .get(this.argument)
          .storeLane(lane, offset + lane * FLOAT_BYTES);
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
        this.value(value, { row, vector });
        this.f.set(targets[row][vector]);
      }
    }
  }

  private branch({ selector, cases, otherwise }: Extract<Instruction, { kind: 'branch' }>): void {
    for (const { numbers, body } of cases) {
      numbers.forEach((number, i) => {
        this.f.get(this.origin[selector]).i32(number).op('i32.eq');
        if (i > 0) this.f.op('i32.or');
      });
      this.f.if();
      this.instructions(body);
      this.f.op('else');
    }
    this.instructions(otherwise);
    for (const _ of cases) this.f.op('end');
  }

  private loop({ variable, from, to, body }: Extract<Instruction, { kind: 'loop' }>): void {
    if (to <= from) return;
    const stepping = this.enterLoop(variable, from, body);
    const counter = this.counters.get(variable) ?? this.f.local('i32');
    this.counters.set(variable, counter);
    this.f.i32(from).set(counter);
    this.f.loop();
    this.instructions(body);
    for (const [pointer, bytes] of stepping) this.f.get(pointer).i32(bytes).op('i32.add').set(pointer);
    this.f.get(counter).i32(1).op('i32.add').tee(counter).i32(to).op('i32.lt_s').branchIf(0).op('end');
    this.entered.delete(variable);
  }

  /** Sets the pointers that depend on the tile and the arguments only. */
  private enterTile(output: Affine): void {
    const all = [output, ...this.elements(this.ir.body), ...this.elementsOf(this.ir.result)];
    for (const element of all) {
      const key = this.key(element);
      if (this.pointers.has(key)) continue;
      const pointer = this.f.local('i32');
      this.pointers.set(key, pointer);
      this.originOf(element);
      this.f.set(pointer);
    }
  }

  /** Sets the pointers that move with loop `variable`; gives those pointers and the bytes they move by. */
  private enterLoop(variable: string, from: number, body: readonly Instruction[]): Map<number, number> {
    const moving = this.elements(body).filter(element => coefficient(element, variable) !== 0);
    const outer = moving.map(element => this.pointer(element));
    this.entered.add(variable);
    const stepping = new Map<number, number>();
    moving.forEach((element, i) => {
      const key = this.key(element);
      const pointer = this.pointers.get(key) ?? this.f.local('i32');
      this.pointers.set(key, pointer);
      if (stepping.has(pointer)) return;
      const step = coefficient(element, variable) * FLOAT_BYTES;
      this.f
        .get(outer[i])
        .i32(from * step)
        .op('i32.add')
        .set(pointer);
      stepping.set(pointer, step);
    });
    return stepping;
  }

  private elements(instructions: readonly Instruction[]): Affine[] {
    const found: Affine[] = [];
    forEachValue(instructions, value => found.push(...this.elementsOf(value)));
    return found;
  }

  private elementsOf(value: Value): Affine[] {
    const found: Affine[] = [];
    forEachLoad(value, load => found.push((this.packed.get(load) ?? load).element));
    return found;
  }

  /** What the pointer to `element` depends on at this place of the code: the loops that are entered, and all else. */
  private key({ terms }: Affine): string {
    return [...terms]
      .filter(([name]) => name in this.origin || this.ir.integers.has(name) || this.entered.has(name))
      .map(([name, factor]) => `${factor}${name}`)
      .sort()
      .join('+');
  }

  private pointer(element: Affine): number {
    const pointer = this.pointers.get(this.key(element));
    if (pointer === undefined) throw new Error('a pointer was used before it was set');
    return pointer;
  }

  /** Leaves the address on the stack that `element` has at the tile's origin and before all loops. */
  originOf(element: Affine): void {
    this.sum(element, name => name in this.origin || this.ir.integers.has(name), FLOAT_BYTES);
  }

  /** The sum of the terms that `wanted` picks, times `unit`, left on the stack. */
  private sum({ terms }: Affine, wanted: (name: string) => boolean, unit: number): void {
    this.f.i32(0);
    for (const [name, factor] of terms) {
      if (!wanted(name)) continue;
      this.integer(name);
      this.f
        .i32(factor * unit)
        .op('i32.mul')
        .op('i32.add');
    }
  }

  private integer(name: string): void {
    const argument = this.ir.integers.get(name);
    if (name in this.origin) this.f.get(this.origin[name as Axis]);
    else if (argument !== undefined) this.f.i32(0).memory('i32.load', argument);
    else this.f.get(this.counters.get(name) as number);
  }

  /**
   * Loads ahead what several rows or vectors of a statement share. What differs between rows but not along x is loaded
   * when its row comes, by `value`, into one local.
   */
  private prefetch(value: Value, target: Variation): void {
    this.ahead = new Map();
    this.temporariesUsed = 0;
    forEachLoad(value, load => {
      const shared = (target.x && !load.varies.x) || (target.y && !load.varies.y);
      if (shared) this.ahead.set(load, new Map());
    });
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

  private places({ x, y }: Variation): Place[] {
    const rows = y ? this.tile.rows : 1;
    const vectors = x ? this.tile.vectors : 1;
    return Array.from({ length: rows * vectors }, (_, i) => ({
      row: Math.floor(i / vectors),
      vector: i % vectors,
    }));
  }

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
        f.float(value.value);
        return;
      case 'scalar':
        f.i32(0).memory('v128.load32_splat', value.offset);
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
        this.value(value.left, place);
        this.value(value.right, place);
        f.op(OPCODES[value.operation]);
    }
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
      default: {
        const emit = { exp: emitExp, log: emitLog, tanh: emitTanh }[operation];
        this.f.set(this.argument);
        emit(this.f, this.argument, this.scratch);
      }
    }
  }

  private integerVector(value: Affine, { row, vector }: Place): void {
    const x = coefficient(value, 'x');
    this.sum(value, () => true, 1);
    const offset = value.constant + row * coefficient(value, 'y') + vector * LANES * x;
    this.f.i32(offset).op('i32.add').op('i32x4.splat').op('f32x4.convert_i32x4_s');
    if (x !== 0) this.f.floats([0, x, 2 * x, 3 * x]).op('f32x4.add');
  }

  /** Leaves what `load` reads at `place` on the stack: contiguous along x in one go, else lane by lane. */
  private load(load: Load, { row, vector }: Place): void {
    const packed = this.packed.get(load);
    const { element, base } = packed ?? load;
    const along = coefficient(load.element, 'x');
    const offset = element.constant + row * coefficient(element, 'y') + vector * LANES * along;
    const bytes = base + offset * FLOAT_BYTES;
    const pointer = this.pointer(element);
    const valid = vector === this.tile.vectors - 1 ? this.lanes : LANES;
    if (along === 0) this.f.get(pointer).memory('v128.load32_splat', bytes);
    else if (along === 1) this.f.get(pointer).memory('v128.load', bytes);
    else {
      // lanes beyond the output repeat the first: they are computed, never stored
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
}

function placeKey({ x, y }: Variation, { row, vector }: Place): string {
  return `${y ? row : 0},${x ? vector : 0}`;
}

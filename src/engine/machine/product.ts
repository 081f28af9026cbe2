/**
 * Machine code of products: the part of a kernel up to its last loop, in tiles of sums that fill
 * the registers of AVX-512. Each element adds its products in the order of the loops and with the
 * same rounding as WebAssembly's code, so that the bytes are equal (`LinkedRuntime.agree`).
 *
 * The code is a function of two addresses: that of the heap, and that of 32-bit words, which are
 * the operands of the kernel, as `compileKernel` describes them.
 */
import {
  type Affine,
  coefficient,
  type Instruction,
  type KernelIr,
  type Load,
  loadsOf,
  OUTPUT,
  outputElement,
  splitAfterSums,
  type Value,
  valuesOf,
} from '../simd-ir.js';
import type { Parameter } from '../simd-lower.js';
import {
  cutIntoPieces,
  LANES,
  type Pack,
  type Piece,
  packedArguments,
  packedElement,
  planPacks,
} from '../simd-tile.js';
import { SMALLEST_RESULT } from '../simd-tile-code.js';
import { type ArithmeticName, Assembler, type Memory, RAX, RBP, RBX, RCX, RDI, RDX, type Register, RSI } from './x86.js';

export interface MachineProduct {
  readonly bytes: Uint8Array;
  readonly spareBytes: number;
  readonly packed: readonly number[];
  /** What WebAssembly does afterwards to the sums in the output; absent if they are the result. */
  readonly finish: KernelIr | undefined;
}

/** Floats of a vector. */
const WIDE = 16;
const FLOAT_BYTES = 4;
const WIDE_BYTES = WIDE * FLOAT_BYTES;
const VECTORS = 32;
/**
 * Maximum sums of a tile; fewer if it needs registers for other values. Measured on Sapphire Rapids
 * with 25 rows: two tiles of 13 or 12 rows and two vectors compute 170 to 210 GFLOP/s, five tiles
 * of five rows and four vectors 125 to 200, because they read the columns five times.
 */
const MOST_SUMS = [28, 24, 20, 16, 12, 8, 4, 1];
/** Vectors of a tile of several rows, and of the only row. */
const TILE_VECTORS = 2;
const ROW_VECTORS = 8;
/** Rows from which copies of what they share pay off. */
const PACKED_ROWS = 15;
/**
 * From this many tiles of rows on, if all that they share is at most this large, a row of tiles
 * follows another, so that the output is read and written in order: gradients of weights.
 */
const MANY_TILES = 8;
const SHARED_BYTES = 2 ** 19;
/** Where the operands end with pointers to what is next in copies, their size and number. */
const [AHEAD, POINTER_BYTES, MOST_PACKS] = [64, 8, 8];
/** The second cache holds this much of a copy beside what is computed with. */
const AHEAD_BYTES = 2 ** 19;

const OPERATIONS: Readonly<Record<string, ArithmeticName>> = {
  add: 'vaddps',
  subtract: 'vsubps',
  multiply: 'vmulps',
  divide: 'vdivps',
};

/** The kernel needs more of something than there is: registers, or bits of an offset. */
class Unsuitable extends Error {}

/** The code of the sums of `ir`; undefined if it has none, or others than sums of products. */
export function assembleProduct(
  ir: KernelIr,
  parameters: readonly Parameter[],
): MachineProduct | undefined {
  const { sums, finish } = splitAfterSums(ir, values => !values.every(isKnown));
  if (!isProduct(sums)) return undefined;
  for (const most of MOST_SUMS) {
    try {
      return { ...new Product(sums, parameters, finish !== undefined, most).assemble(), finish };
    } catch (error) {
      if (!(error instanceof Unsuitable)) throw error;
    }
  }
  return undefined;
}

function isProduct({ body, result }: KernelIr): boolean {
  const loops = body.filter(one => one.kind === 'loop');
  const adds = valuesOf(loops, result).some(one => one.kind === 'multiply-add');
  return adds && body.every(isPlain) && valuesOf(body, result).every(isKnown);
}

function isPlain(instruction: Instruction): boolean {
  if (instruction.kind === 'loop') return instruction.to > instruction.from && instruction.body.every(isPlain);
  return instruction.kind === 'set';
}

function isKnown(value: Value): boolean {
  if (value.kind === 'load') return value.gathered.length === 0 && coefficient(value.element, 'x') <= 1;
  if (value.kind === 'binary') return value.operation in OPERATIONS;
  return ['constant', 'scalar', 'local', 'multiply-add'].includes(value.kind);
}

interface Tile {
  readonly rows: number;
  readonly vectors: number;
  /** Floats of the last vector that are part of the output. */
  readonly lanes: number;
}

interface Place {
  readonly row: number;
  readonly vector: number;
}

/** An element of an array whose address is a word of the operands, `bytes` after it. */
interface Address {
  readonly word: number;
  readonly element: Affine;
  readonly bytes: number;
}

const HEAP = RDI;
const WORDS = RSI;
const ORIGIN: Readonly<Record<string, Register>> = { x: RBX, y: RBP, z: 12 };
/** Of loops that contain others, outermost first. */
const COUNTERS: readonly Register[] = [14, 15];
const COUNTER: Register = 13;
const POINTERS: readonly Register[] = [RCX, RDX, 8, 9, 10, 11];
const SAVED: readonly Register[] = [RBX, RBP, 12, 13, 14, 15];
/** The mask of the last vector of a row, and one for comparisons. */
const [TAIL, COMPARED] = [1, 2];
const SECOND_CACHE = 2;

class Product {
  private readonly x86 = new Assembler();
  private readonly words: ReadonlyMap<string, number>;
  private readonly packs: readonly Pack[];
  private readonly spareBytes: number;
  private readonly rows: (vectors: number) => number;
  private readonly pieces: readonly Piece[];
  /** The registers of variables that an address may depend on here. */
  private counters = new Map<string, Register>();
  private freePointers = [...POINTERS];
  private isTaken: boolean[] = [];
  /** The first register of each local; its places follow. */
  private readonly locals = new Map<number, number>();
  /** The pointers of the innermost loop. */
  private pointers = new Map<string, Register>();
  private tile: Tile = { rows: 1, vectors: 1, lanes: WIDE };

  constructor(
    private readonly ir: KernelIr,
    private readonly given: readonly Parameter[],
    /** Whether another pass finishes the sums, so that they are stored unchanged. */
    private readonly isRaw: boolean,
    mostSums: number,
  ) {
    const { x, y } = ir.extents;
    this.words = new Map([...given.map(({ name }) => name), OUTPUT].map((name, i) => [name, i]));
    const vectors = Math.min(mostSums, y === 1 ? ROW_VECTORS : TILE_VECTORS);
    this.rows = count => Math.max(1, Math.floor(mostSums / count));
    const whole = Math.floor(x / (vectors * WIDE)) * vectors * WIDE;
    this.pieces = [
      { from: 0, to: whole, size: vectors * WIDE },
      { from: whole, to: x, size: x - whole },
    ].filter(({ from, to }) => to > from);
    const { packs, bytes } = planPacks(ir, { minRows: PACKED_ROWS, vectors, lanes: WIDE });
    this.packs = packs;
    if ((given.length + 3) * FLOAT_BYTES > AHEAD || packs.length > MOST_PACKS) throw new Unsuitable();
    this.spareBytes = bytes;
  }

  assemble(): Omit<MachineProduct, 'finish'> {
    const { x86, ir, packs } = this;
    const { x, y, z } = ir.extents;
    for (const register of SAVED) x86.push(register);
    if (x % WIDE !== 0) {
      x86.set(RAX, 2 ** (x % WIDE) - 1);
      x86.maskFromEax(TAIL);
    }
    this.copies();
    const tile = (columns: number, rows: number) => {
      const vectors = Math.ceil(columns / WIDE);
      this.emitTile({ rows, vectors, lanes: columns - (vectors - 1) * WIDE });
    };
    const rowPieces = (columns: number) => cutIntoPieces(y, this.rows(Math.ceil(columns / WIDE)));
    this.over('z', cutIntoPieces(z, 1), () => {
      if (this.isByRows) {
        this.over('y', rowPieces(this.pieces[0].size), rows =>
          this.over('x', this.pieces, columns => tile(columns, rows)),
        );
        return;
      }
      this.over('x', this.pieces, columns => {
        this.startAhead(Math.ceil(columns / WIDE));
        this.over('y', rowPieces(columns), rows => tile(columns, rows));
      });
    });
    for (const register of [...SAVED].reverse()) x86.pop(register);
    x86.return();
    return { bytes: x86.bytes, spareBytes: this.spareBytes, packed: packedArguments(packs, this.given) };
  }

  /** Whether tiles follow one another along x, not along y. */
  private get isByRows(): boolean {
    const { body, extents } = this.ir;
    const loops = body.filter(one => one.kind === 'loop');
    const isFlat = loops.every(loop => loop.body.every(one => one.kind === 'set'));
    const rounds = loops.reduce((sum, { from, to }) => sum + to - from, 0);
    const isSmall = rounds * extents.x * FLOAT_BYTES <= SHARED_BYTES;
    return isFlat && isSmall && extents.y >= MANY_TILES * this.rows(TILE_VECTORS);
  }

  /**
   * Begins to prefetch the copies for the next column of tiles: each round of a tile's loop loads
   * some lines into the second cache, so that all are there when the last tile is done.
   */
  private startAhead(vectors: number): void {
    const { x86 } = this;
    this.packs.forEach((pack, i) => {
      const pointer = this.pointer();
      const copy = this.copyOf(pack, vectors);
      this.compute(pointer, copy);
      x86.addConstant(pointer, fits(copy.bytes + panelBytes(pack, vectors)));
      x86.store64(aheadOf(i), pointer);
      this.release(pointer);
    });
  }

  /** Writes `body` for each piece, with the position in the register of `axis`. */
  private over(axis: string, pieces: readonly Piece[], body: (size: number) => void): void {
    const { x86 } = this;
    const register = ORIGIN[axis];
    this.counters.set(axis, register);
    for (const { from, to, size } of pieces) {
      x86.set(register, from);
      const start = x86.label();
      x86.here(start);
      body(size);
      if (to - from === size) continue;
      x86.addConstant(register, size);
      x86.compare(register, to);
      x86.jumpIfLess(start);
    }
    this.counters.delete(axis);
  }

  /** Copies what is packed, if the last word says so; see `planPacks`. */
  private copies(): void {
    const { x86, given, packs } = this;
    if (packs.length === 0) return;
    const end = x86.label();
    x86.load32(RAX, { base: WORDS, offset: (given.length + 2) * FLOAT_BYTES });
    x86.compare(RAX, 0);
    x86.jumpIfZero(end);
    for (const pack of packs) {
      this.over('z', cutIntoPieces(pack.depth, 1), () =>
        this.over('x', this.pieces, columns => this.copy(pack, Math.ceil(columns / WIDE))),
      );
    }
    x86.here(end);
  }

  private copy(pack: Pack, vectors: number): void {
    const { x86 } = this;
    const to = this.pointer();
    this.compute(to, this.copyOf(pack, vectors));
    const from = this.originalOf(pack.load);
    this.nest(pack.loops, loop => {
      const source = this.pointer();
      this.compute(source, from);
      this.count(loop.to, () => {
        for (let vector = 0; vector < vectors; vector++) {
          x86.loadVector(0, { base: source, offset: displacement(from, vector * WIDE_BYTES) });
          x86.storeVector({ base: to, offset: fits(pack.at + vector * WIDE_BYTES) }, 0);
        }
        x86.addConstant(source, coefficient(from.element, loop.variable) * FLOAT_BYTES);
        x86.addConstant(to, vectors * WIDE_BYTES);
      });
      this.release(source);
    });
    this.release(to);
  }

  /** Writes `innermost` in the loops around the last of `loops`. */
  private nest<L extends { readonly variable: string; readonly from: number; readonly to: number }>(
    [loop, ...inner]: readonly L[],
    innermost: (loop: L) => void,
  ): void {
    if (inner.length === 0) innermost(loop);
    else this.loopOver(loop, () => this.nest(inner, innermost));
  }

  private count(rounds: number, body: () => void): void {
    const { x86 } = this;
    x86.set(COUNTER, rounds);
    const start = x86.label();
    x86.here(start);
    body();
    x86.countDown(COUNTER, start);
  }

  /** A loop whose variable is in a register. */
  private loopOver(
    { variable, from, to }: { readonly variable: string; readonly from: number; readonly to: number },
    body: () => void,
  ): void {
    const { x86 } = this;
    const counter = COUNTERS.find(one => ![...this.counters.values()].includes(one));
    if (counter === undefined) throw new Unsuitable();
    this.counters.set(variable, counter);
    x86.set(counter, from);
    const start = x86.label();
    x86.here(start);
    body();
    x86.addConstant(counter, 1);
    x86.compare(counter, to);
    x86.jumpIfLess(start);
    this.counters.delete(variable);
  }

  private emitTile(tile: Tile): void {
    const { x86, ir } = this;
    this.tile = tile;
    this.locals.clear();
    this.isTaken = Array<boolean>(VECTORS).fill(false);
    ir.body.forEach((instruction, i) => {
      if (instruction.kind === 'set' && this.isRename(instruction, ir.body.slice(i + 1))) {
        const { local } = instruction.value as Extract<Value, { kind: 'local' }>;
        this.locals.set(instruction.local, this.locals.get(local) as number);
      } else {
        this.instruction(instruction);
      }
    });
    const [magnitude, smallest] = this.isRaw ? [] : [this.bits(0x7fffffff), this.bits(bitsOf(SMALLEST_RESULT))];
    const output = { word: this.words.get(OUTPUT) as number, element: outputElement(ir.extents), bytes: 0 };
    this.withAddresses([output, ...this.addressesOf([ir.result])], () => {
      for (let row = 0; row < tile.rows; row++) {
        for (let vector = 0; vector < tile.vectors; vector++) {
          const isLast = vector === tile.vectors - 1 && tile.lanes < WIDE;
          this.operand(ir.result, { row, vector }, value => {
            const temporary = this.vector();
            if (magnitude !== undefined && smallest !== undefined) {
              x86.arithmetic('vpandd', temporary, value, magnitude);
              x86.notLess(COMPARED, temporary, smallest);
              x86.moveVector(temporary, value, COMPARED);
            }
            const to = this.memory(output, { row, vector });
            x86.storeVector(to, this.isRaw ? value : temporary, isLast ? TAIL : undefined);
            this.free(temporary);
          });
        }
      }
    });
  }

  /** Whether an assignment copies a local that is not used any more, so that it only renames it. */
  private isRename({ local, value }: Extract<Instruction, { kind: 'set' }>, rest: readonly Instruction[]): boolean {
    if (value.kind !== 'local' || this.sizeOf(value.local) !== this.sizeOf(local)) return false;
    const isUsed = (one: Value) => one.kind === 'local' && one.local === value.local;
    return !valuesOf(rest, this.ir.result).some(isUsed);
  }

  private instruction(instruction: Instruction): void {
    if (instruction.kind === 'set') {
      this.withAddresses(this.addressesOf([instruction.value]), () => {
        this.prefetchNext(loadsOf(instruction.value));
        this.assign(instruction);
      });
    } else if (instruction.kind === 'loop') {
      if (instruction.body.some(one => one.kind === 'loop'))
        this.loopOver(instruction, () => instruction.body.forEach(one => void this.instruction(one)));
      else this.innermost(instruction);
    }
  }

  /** Prefetches what the next tile will load of `loads` that are not shared. */
  private prefetchNext(loads: readonly Load[]): void {
    const { rows, vectors } = this.tile;
    for (const load of loads) {
      if (!load.varies.x || !load.varies.y) continue;
      for (let row = 0; row < rows; row++)
        for (let vector = 0; vector < vectors; vector++) {
          const place = this.isByRows ? { row, vector: vector + vectors } : { row: row + rows, vector };
          this.x86.prefetch(this.memory(this.addressOf(load), place));
        }
    }
  }

  private innermost({ variable, from, to, body }: Extract<Instruction, { kind: 'loop' }>): void {
    const { x86 } = this;
    const sets = body.filter(one => one.kind === 'set');
    const addresses = this.addressesOf(sets.map(({ value }) => value));
    this.withAddresses(addresses, () => {
      const steps = new Map<Register, number>();
      for (const address of addresses) {
        const step = coefficient(address.element, variable) * FLOAT_BYTES;
        if (step !== 0) steps.set(this.pointers.get(keyOf(address)) as Register, step);
      }
      if (from !== 0) for (const [pointer, step] of steps) x86.addConstant(pointer, fits(from * step));
      this.ahead(sets, next => {
        this.count(to - from, () => {
          next();
          for (const set of sets) this.assign(set);
          for (const [pointer, step] of steps) x86.addConstant(pointer, fits(step));
        });
      });
    });
  }

  /** Writes `loop`, which is to call what it is given in each round: it prefetches; see above. */
  private ahead(sets: readonly Extract<Instruction, { kind: 'set' }>[], loop: (next: () => void) => void): void {
    const { x86, packs, tile } = this;
    const loads = sets.flatMap(({ value }) => loadsOf(value));
    const index = packs.findIndex(({ load }) => loads.includes(load));
    if (index < 0 || this.isByRows || panelBytes(packs[index], tile.vectors) > AHEAD_BYTES) {
      loop(() => {});
      return;
    }
    const pointer = this.pointer();
    const lines = Math.ceil(tile.vectors / Math.ceil(this.ir.extents.y / this.rows(tile.vectors)));
    x86.load64(pointer, aheadOf(index));
    loop(() => {
      for (let line = 0; line < lines; line++)
        x86.prefetch({ base: pointer, offset: line * WIDE_BYTES }, SECOND_CACHE);
      x86.addConstant(pointer, lines * WIDE_BYTES);
    });
    x86.store64(aheadOf(index), pointer);
    this.release(pointer);
  }

  /** Writes `body`, in which pointers to `addresses` are known, as far as they don't move. */
  private withAddresses(addresses: readonly Address[], body: () => void): void {
    const outer = this.pointers;
    this.pointers = new Map();
    for (const address of addresses) {
      const key = keyOf(address);
      if (this.pointers.has(key)) continue;
      const pointer = this.pointer();
      this.compute(pointer, address);
      this.pointers.set(key, pointer);
    }
    body();
    for (const pointer of this.pointers.values()) this.release(pointer);
    this.pointers = outer;
  }

  private assign({ local, value }: Extract<Instruction, { kind: 'set' }>): void {
    if (!this.locals.has(local)) this.locals.set(local, this.vectors(this.sizeOf(local)));
    const { x: isWide, y: isTall } = this.ir.locals[local];
    const rows = isTall ? this.tile.rows : 1;
    const vectors = isWide ? this.tile.vectors : 1;
    const sum = value.kind === 'multiply-add' && value.addend.kind === 'local' && value.addend.local === local;
    if (sum && value.left.kind === 'load' && value.right.kind === 'load') {
      this.addProducts(local, value.left, value.right, value.negated, rows, vectors);
      return;
    }
    for (let row = 0; row < rows; row++) {
      for (let vector = 0; vector < vectors; vector++) {
        const to = this.registerOf(local, { row, vector });
        if (value.kind === 'binary' || value.kind === 'multiply-add')
          this.operand(value, { row, vector }, from => this.x86.moveVector(to, from));
        else this.evaluate(value, { row, vector }, to);
      }
    }
  }

  /**
   * Adds the products of two loads to a local. A load is shared by the rows, or vectors, along
   * which it is the same; one that only a single multiply-add reads is its operand.
   */
  private addProducts(local: number, left: Load, right: Load, negated: boolean, rows: number, vectors: number): void {
    const { x86 } = this;
    const name = negated ? 'vfnmadd231ps' : 'vfmadd231ps';
    const [wide, other] = right.varies.x ? [right, left] : [left, right];
    const isShared = !wide.varies.y && rows > 1;
    const columns = isShared ? Array.from({ length: vectors }, () => this.vector()) : [];
    columns.forEach((column, vector) => {
      this.evaluate(wide, { row: 0, vector }, column);
    });
    for (let row = 0; row < rows; row++) {
      if (isShared && vectors === 1 && !other.varies.x) {
        const memory = this.memory(this.addressOf(other), { row, vector: 0 });
        x86.arithmetic(name, this.registerOf(local, { row, vector: 0 }), columns[0], memory, true);
        continue;
      }
      const splat = this.vector();
      for (let vector = 0; vector < vectors; vector++) {
        const place = { row, vector };
        if (vector === 0 || other.varies.x) this.evaluate(other, place, splat);
        const to = this.registerOf(local, place);
        if (isShared) x86.arithmetic(name, to, splat, columns[vector]);
        else if (wide.varies.x) x86.arithmetic(name, to, splat, this.memory(this.addressOf(wide), place));
        else x86.arithmetic(name, to, splat, this.memory(this.addressOf(wide), place), true);
      }
      this.free(splat);
    }
    this.free(...columns);
  }

  /** Calls `use` with a register that has `value`, which is free again afterwards. */
  private operand(value: Value, place: Place, use: (register: number) => void): void {
    if (value.kind === 'local') {
      use(this.registerOf(value.local, place));
      return;
    }
    const register = this.vector();
    this.evaluate(value, place, register);
    use(register);
    this.free(register);
  }

  /** Sets register `to`, which `value` does not read. */
  private evaluate(value: Value, place: Place, to: number): void {
    const { x86 } = this;
    switch (value.kind) {
      case 'constant':
        x86.set(RAX, bitsOf(value.value));
        x86.splatEax(to);
        return;
      case 'scalar':
        x86.splat(to, { base: WORDS, offset: (this.words.get(value.name) as number) * FLOAT_BYTES });
        return;
      case 'local':
        x86.moveVector(to, this.registerOf(value.local, place));
        return;
      case 'load': {
        const memory = this.memory(this.addressOf(value), place);
        if (value.varies.x) x86.loadVector(to, memory);
        else x86.splat(to, memory);
        return;
      }
      case 'binary':
        this.operand(value.left, place, left =>
          this.operand(value.right, place, right =>
            x86.arithmetic(OPERATIONS[value.operation], to, left, right),
          ),
        );
        return;
      case 'multiply-add': {
        const name = value.negated ? 'vfnmadd231ps' : 'vfmadd231ps';
        this.evaluate(value.addend, place, to);
        this.operand(value.left, place, left =>
          this.operand(value.right, place, right => x86.arithmetic(name, to, left, right)),
        );
        return;
      }
      default:
        throw new Unsuitable();
    }
  }

  /** How many registers a local needs. */
  private sizeOf(local: number): number {
    const { x, y } = this.ir.locals[local];
    return (y ? this.tile.rows : 1) * (x ? this.tile.vectors : 1);
  }

  private registerOf(local: number, { row, vector }: Place): number {
    const { x, y } = this.ir.locals[local];
    const index = (y ? row : 0) * (x ? this.tile.vectors : 1) + (x ? vector : 0);
    return (this.locals.get(local) as number) + index;
  }

  private vector(): number {
    return this.vectors(1);
  }

  /** The first of `count` free registers that follow one another. */
  private vectors(count: number): number {
    const isFree = (_: unknown, i: number) => !this.isTaken.slice(i, i + count).includes(true);
    const first = this.isTaken.slice(0, VECTORS - count + 1).findIndex(isFree);
    if (first < 0) throw new Unsuitable();
    this.isTaken.fill(true, first, first + count);
    return first;
  }

  private free(...registers: readonly number[]): void {
    for (const register of registers) this.isTaken[register] = false;
  }

  /** All lanes with the same bits. */
  private bits(value: number): number {
    const register = this.vector();
    this.x86.set(RAX, value);
    this.x86.splatEax(register);
    return register;
  }

  private pointer(): Register {
    const register = this.freePointers.pop();
    if (register === undefined) throw new Unsuitable();
    return register;
  }

  private release(pointer: Register): void {
    this.freePointers.push(pointer);
  }

  private addressesOf(values: readonly Value[]): Address[] {
    return values.flatMap(loadsOf).map(load => this.addressOf(load));
  }

  private addressOf(load: Load): Address {
    const pack = this.packs.find(one => one.load === load);
    return pack ? this.copyOf(pack, this.tile.vectors) : this.originalOf(load);
  }

  private originalOf({ array, element }: Load): Address {
    return { word: this.words.get(array) as number, element, bytes: 0 };
  }

  /** Where `pack` has what its load reads in a column of `vectors`. */
  private copyOf(pack: Pack, vectors: number): Address {
    const element = packedElement(pack, (vectors * WIDE) / LANES);
    return { word: this.given.length + 1, element, bytes: pack.at };
  }

  private memory(address: Address, { row, vector }: Place): Memory {
    const base = this.pointers.get(keyOf(address)) as Register;
    const along = coefficient(address.element, 'y') * row * FLOAT_BYTES;
    const isWide = address.word === this.given.length + 1 || coefficient(address.element, 'x') !== 0;
    return { base, offset: displacement(address, along + (isWide ? vector * WIDE_BYTES : 0)) };
  }

  /** Sets `pointer` to `address` without its constant, as far as it depends on known variables. */
  private compute(pointer: Register, { word, element }: Address): void {
    const { x86, counters } = this;
    x86.load32(pointer, { base: WORDS, offset: word * FLOAT_BYTES });
    x86.add(pointer, HEAP);
    for (const [name, factor] of element.terms) {
      const argument = this.given.findIndex(one => one.name === name && one.type === 'integer');
      const counter = counters.get(name);
      if (argument >= 0) x86.load32(RAX, { base: WORDS, offset: argument * FLOAT_BYTES });
      else if (counter === undefined) continue;
      x86.multiply(RAX, counter ?? RAX, fits(factor * FLOAT_BYTES));
      x86.add(pointer, RAX);
    }
  }
}

/** The bytes of the copy of `pack` for a column of tiles. */
function panelBytes({ loops }: Pack, vectors: number): number {
  return loops.reduce((product, { to }) => product * to, vectors * WIDE_BYTES);
}

/** Where the pointer to what is next in the copy of a pack is kept. */
function aheadOf(pack: number): Memory {
  return { base: WORDS, offset: AHEAD + pack * POINTER_BYTES };
}

/** The variables of an address; those of one key differ by constants. */
function keyOf({ word, element }: Address): string {
  return [word, ...[...element.terms].map(([name, factor]) => `${factor}${name}`).sort()].join('+');
}

function displacement({ element, bytes }: Address, more: number): number {
  return fits(element.constant * FLOAT_BYTES + bytes + more);
}

/** @throws Unsuitable if `value` needs more than 32 bits */
function fits(value: number): number {
  if (value !== (value | 0)) throw new Unsuitable();
  return value;
}

function bitsOf(float: number): number {
  return new Int32Array(Float32Array.of(float).buffer)[0];
}

/**
 * Machine code of one tile: each instruction of the kernel for every row and vector along which it
 * varies, with the values of all locals in registers.
 */
import {
  type Address,
  type Addresses,
  fits,
  type Place,
  Unsuitable,
  WIDE,
  WIDE_BYTES,
} from './machine-addresses.js';
import {
  coefficient,
  type Instruction,
  type KernelIr,
  type Load,
  loadsOf,
  type Value,
  valuesOf,
} from './simd-ir.js';
import { SMALLEST_RESULT } from './simd-tile-code.js';
import { type ArithmeticName, type Assembler, RAX } from './x86.js';

export interface WideTile {
  readonly rows: number;
  readonly vectors: number;
  /** Floats of the last vector that are part of the output. */
  readonly lanes: number;
}

export interface TileOrder {
  /** Whether the next tile follows along x, not along y. */
  readonly isByRows: boolean;
  /** Lines of the next column's copies to prefetch in each round of a loop. */
  readonly linesAhead: number;
}

type Set = Extract<Instruction, { kind: 'set' }>;

const VECTORS = 32;
/** The mask of the last vector of a row, and one for comparisons. */
export const TAIL = 1;
const COMPARED = 2;
const SECOND_CACHE = 2;
const MAGNITUDE_BITS = 0x7fffffff;

const OPERATIONS: Readonly<Record<string, ArithmeticName>> = {
  add: 'vaddps',
  subtract: 'vsubps',
  multiply: 'vmulps',
  divide: 'vdivps',
};

/** Whether there is code for `value`, without its operands. */
export function isKnown(value: Value): boolean {
  if (value.kind === 'load') return value.gathered.length === 0 && coefficient(value.element, 'x') <= 1;
  if (value.kind === 'binary') return value.operation in OPERATIONS;
  return ['constant', 'scalar', 'local', 'multiply-add'].includes(value.kind);
}

export class MachineTile {
  private readonly isTaken = Array<boolean>(VECTORS).fill(false);
  /** The first register of each local; its places follow. */
  private readonly locals = new Map<number, number>();

  /** @param isRaw whether another pass finishes the sums, so that they are stored unchanged */
  constructor(
    private readonly x86: Assembler,
    private readonly ir: KernelIr,
    private readonly addresses: Addresses,
    private readonly tile: WideTile,
    private readonly order: TileOrder,
    private readonly isRaw: boolean,
  ) {}

  emit(): void {
    const { body } = this.ir;
    body.forEach((instruction, i) => {
      if (instruction.kind === 'set' && this.isRename(instruction, body.slice(i + 1))) {
        const { local } = instruction.value as Extract<Value, { kind: 'local' }>;
        this.locals.set(instruction.local, this.locals.get(local) as number);
      } else {
        this.instruction(instruction);
      }
    });
    this.store();
  }

  private store(): void {
    const { x86, ir, tile } = this;
    const [magnitude, smallest] = this.isRaw
      ? [0, 0]
      : [MAGNITUDE_BITS, bitsOf(SMALLEST_RESULT)].map(bits => this.splat(bits));
    const output = this.addresses.output(ir);
    this.addresses.within([output, ...this.addressesOf([ir.result])], () => {
      for (const place of this.places({ x: true, y: true })) {
        const isLast = place.vector === tile.vectors - 1 && tile.lanes < WIDE;
        const to = this.addresses.memory(output, place);
        this.operand(ir.result, place, value => {
          if (this.isRaw) x86.storeVector(to, value, isLast ? TAIL : undefined);
          else
            this.withVector(result => {
              x86.arithmetic('vpandd', result, value, magnitude);
              x86.notLess(COMPARED, result, smallest);
              x86.moveVector(result, value, COMPARED);
              x86.storeVector(to, result, isLast ? TAIL : undefined);
            });
        });
      }
    });
  }

  /** Whether an assignment copies a local that is not used any more, so that it only renames it. */
  private isRename({ local, value }: Set, rest: readonly Instruction[]): boolean {
    if (value.kind !== 'local' || this.sizeOf(value.local) !== this.sizeOf(local)) return false;
    const isUsed = (node: Value) => node.kind === 'local' && node.local === value.local;
    return !valuesOf(rest, this.ir.result).some(isUsed);
  }

  private instruction(instruction: Instruction): void {
    if (instruction.kind === 'set') {
      this.addresses.within(this.addressesOf([instruction.value]), () => {
        this.prefetchNext(loadsOf(instruction.value));
        this.assign(instruction);
      });
    } else if (instruction.kind === 'loop') {
      const { body } = instruction;
      const sets = body.filter(inner => inner.kind === 'set');
      if (sets.length === body.length) this.innermost(instruction, sets);
      else
        this.addresses.loop(instruction, () => {
          for (const inner of body) this.instruction(inner);
        });
    }
  }

  /** Prefetches what the next tile will load of `loads` that are not shared. */
  private prefetchNext(loads: readonly Load[]): void {
    const { rows, vectors } = this.tile;
    const [down, right] = this.order.isByRows ? [0, vectors] : [rows, 0];
    for (const load of loads) {
      if (!load.varies.x || !load.varies.y) continue;
      for (const { row, vector } of this.places(load.varies))
        this.x86.prefetch(
          this.addresses.memory(this.addressOf(load), { row: row + down, vector: vector + right }),
        );
    }
  }

  private innermost(
    { variable, from, to }: Extract<Instruction, { kind: 'loop' }>,
    sets: readonly Set[],
  ): void {
    const { x86, addresses } = this;
    const read = this.addressesOf(sets.map(({ value }) => value));
    addresses.within(read, () => {
      const steps = addresses.moving(read, variable);
      if (from !== 0) for (const [pointer, step] of steps) x86.addConstant(pointer, fits(from * step));
      this.prefetching(sets, next =>
        addresses.count(to - from, () => {
          next();
          for (const set of sets) this.assign(set);
          for (const [pointer, step] of steps) x86.addConstant(pointer, step);
        }),
      );
    });
  }

  /**
   * Writes `loop`, which is to call what it is given in each round: it prefetches what the next
   * column of tiles reads of a copy, so that all is in the second cache when this column is done.
   */
  private prefetching(sets: readonly Set[], loop: (next: () => void) => void): void {
    const { x86, addresses, order } = this;
    const loads = sets.flatMap(({ value }) => loadsOf(value));
    const pack = addresses.packs.find(({ load }) => loads.includes(load));
    if (!pack || order.linesAhead === 0) {
      loop(() => {});
      return;
    }
    addresses.withPointer(pointer => {
      x86.load64(pointer, addresses.nextIn(pack));
      loop(() => {
        for (let line = 0; line < order.linesAhead; line++)
          x86.prefetch({ base: pointer, offset: line * WIDE_BYTES }, SECOND_CACHE);
        x86.addConstant(pointer, order.linesAhead * WIDE_BYTES);
      });
      x86.store64(addresses.nextIn(pack), pointer);
    });
  }

  private assign({ local, value }: Set): void {
    if (!this.locals.has(local)) this.locals.set(local, this.take(this.sizeOf(local)));
    const isSum =
      value.kind === 'multiply-add' && value.addend.kind === 'local' && value.addend.local === local;
    if (isSum && value.left.kind === 'load' && value.right.kind === 'load') {
      this.addProducts(local, value.left, value.right, value.negated);
      return;
    }
    for (const place of this.places(this.ir.locals[local])) {
      const to = this.registerOf(local, place);
      // `value` may read what it replaces
      if (value.kind === 'binary' || value.kind === 'multiply-add')
        this.operand(value, place, from => this.x86.moveVector(to, from));
      else this.evaluate(value, place, to);
    }
  }

  /**
   * Adds the products of two loads to a local. A load is shared by the rows, or vectors, along
   * which it is the same; one that only a single multiply-add reads is its operand.
   */
  private addProducts(local: number, left: Load, right: Load, negated: boolean): void {
    const { x86 } = this;
    const { x: isWide, y: isTall } = this.ir.locals[local];
    const [rows, vectors] = [isTall ? this.tile.rows : 1, isWide ? this.tile.vectors : 1];
    const name = negated ? 'vfnmadd231ps' : 'vfmadd231ps';
    const [wide, other] = right.varies.x ? [right, left] : [left, right];
    const isShared = !wide.varies.y && rows > 1;
    const columns = isShared ? Array.from({ length: vectors }, () => this.take(1)) : [];
    columns.forEach((column, vector) => {
      this.evaluate(wide, { row: 0, vector }, column);
    });
    for (let row = 0; row < rows; row++) {
      if (isShared && vectors === 1 && !other.varies.x) {
        const place = { row, vector: 0 };
        x86.arithmetic(name, this.registerOf(local, place), columns[0], this.memory(other, place), true);
        continue;
      }
      this.withVector(factor => {
        for (let vector = 0; vector < vectors; vector++) {
          const place = { row, vector };
          if (vector === 0 || other.varies.x) this.evaluate(other, place, factor);
          const to = this.registerOf(local, place);
          if (isShared) x86.arithmetic(name, to, factor, columns[vector]);
          else x86.arithmetic(name, to, factor, this.memory(wide, place), !wide.varies.x);
        }
      });
    }
    this.free(...columns);
  }

  /** Calls `use` with a register that has `value`, which is free again afterwards. */
  private operand(value: Value, place: Place, use: (register: number) => void): void {
    if (value.kind === 'local') use(this.registerOf(value.local, place));
    else
      this.withVector(register => {
        this.evaluate(value, place, register);
        use(register);
      });
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
        x86.splat(to, this.addresses.operand(value.name));
        return;
      case 'local':
        x86.moveVector(to, this.registerOf(value.local, place));
        return;
      case 'load':
        if (value.varies.x) x86.loadVector(to, this.memory(value, place));
        else x86.splat(to, this.memory(value, place));
        return;
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

  /** All positions of the tile that a value varies over. */
  private places({ x, y }: Load['varies']): Place[] {
    const { rows, vectors } = this.tile;
    return Array.from({ length: y ? rows : 1 }, (_, row) =>
      Array.from({ length: x ? vectors : 1 }, (_, vector) => ({ row, vector })),
    ).flat();
  }

  /** How many registers a local needs. */
  private sizeOf(local: number): number {
    return this.places(this.ir.locals[local]).length;
  }

  private registerOf(local: number, { row, vector }: Place): number {
    const { x, y } = this.ir.locals[local];
    const index = (y ? row : 0) * (x ? this.tile.vectors : 1) + (x ? vector : 0);
    return (this.locals.get(local) as number) + index;
  }

  private addressOf(load: Load): Address {
    return this.addresses.of(load, this.tile.vectors);
  }

  private addressesOf(values: readonly Value[]): Address[] {
    return values.flatMap(loadsOf).map(load => this.addressOf(load));
  }

  private memory(load: Load, place: Place) {
    return this.addresses.memory(this.addressOf(load), place);
  }

  /** A register with the same bits in all lanes. */
  private splat(bits: number): number {
    const register = this.take(1);
    this.x86.set(RAX, bits);
    this.x86.splatEax(register);
    return register;
  }

  private withVector(use: (register: number) => void): void {
    const register = this.take(1);
    use(register);
    this.free(register);
  }

  /** The first of `count` free registers that follow one another. */
  private take(count: number): number {
    const { isTaken } = this;
    const first = isTaken.findIndex(
      (_, i) => i + count <= VECTORS && !isTaken.slice(i, i + count).includes(true),
    );
    if (first < 0) throw new Unsuitable();
    isTaken.fill(true, first, first + count);
    return first;
  }

  private free(...registers: readonly number[]): void {
    for (const register of registers) this.isTaken[register] = false;
  }
}

function bitsOf(float: number): number {
  return new Int32Array(Float32Array.of(float).buffer)[0];
}

/**
 * Loops and addresses of machine code: registers hold the position of the tile, the variables of
 * loops, and pointers; a word of the operands holds the address of each array in the heap.
 */
import { type Affine, coefficient, type KernelIr, type Load, OUTPUT, outputElement } from './simd-ir.js';
import type { Parameter } from './simd-lower.js';
import { LANES, type Pack, type Piece, packedElement } from './simd-tile.js';
import { type Assembler, type Memory, RAX, RBP, RBX, RCX, RDI, RDX, type Register, RSI } from './x86.js';

/** Floats of a vector. */
export const WIDE = 16;
export const FLOAT_BYTES = 4;
export const WIDE_BYTES = WIDE * FLOAT_BYTES;

/** The kernel needs more of something than there is: registers, or bits of an offset. */
export class Unsuitable extends Error {}

/** An element of an array, `bytes` after it; its address in the heap is a word of the operands. */
export interface Address {
  readonly word: number;
  readonly element: Affine;
  readonly bytes: number;
}

export interface Place {
  readonly row: number;
  readonly vector: number;
}

/** A loop over a variable, from `from` to `to` (exclusive). */
export interface Loop {
  readonly variable: string;
  readonly from: number;
  readonly to: number;
}

/** The parameters of the code: the heap, and the operands. */
const [HEAP, WORDS] = [RDI, RSI];
const ORIGIN = { x: RBX, y: RBP, z: 12 } as const;
/** Of loops that contain others, outermost first. */
const COUNTERS: readonly Register[] = [14, 15];
const COUNTER: Register = 13;
const POINTERS: readonly Register[] = [RCX, RDX, 8, 9, 10, 11];
/** What is used of the registers that a function must leave as they were. */
export const SAVED: readonly Register[] = [RBX, RBP, 12, 13, 14, 15];

/** Where the operands end with pointers to what is next in copies, their size and number. */
const [NEXT, POINTER_BYTES, MOST_PACKS] = [64, 8, 8];

export class Addresses {
  private readonly words: ReadonlyMap<string, number>;
  /** The words of the memory for copies, and of whether to make them. */
  private readonly spare: number;
  /** The registers of variables that an address may depend on here. */
  private readonly counters = new Map<string, Register>();
  private readonly freePointers = [...POINTERS];
  private pointers = new Map<string, Register>();

  /** @throws Unsuitable if there are too many operands or copies */
  constructor(
    private readonly x86: Assembler,
    private readonly given: readonly Parameter[],
    readonly packs: readonly Pack[],
  ) {
    this.words = new Map([...given.map(({ name }) => name), OUTPUT].map((name, i) => [name, i]));
    this.spare = this.words.size;
    if ((this.spare + 2) * FLOAT_BYTES > NEXT || packs.length > MOST_PACKS) throw new Unsuitable();
  }

  /** The operand with this name. */
  operand(name: string): Memory {
    return { base: WORDS, offset: (this.words.get(name) as number) * FLOAT_BYTES };
  }

  /** Whether to make copies. */
  get isPacking(): Memory {
    return { base: WORDS, offset: (this.spare + 1) * FLOAT_BYTES };
  }

  /** A pointer to what is next in a copy, which is kept from tile to tile. */
  nextIn(pack: Pack): Memory {
    return { base: WORDS, offset: NEXT + this.packs.indexOf(pack) * POINTER_BYTES };
  }

  /** What `load` reads in a tile of `vectors`: its array, or a copy. */
  of(load: Load, vectors: number): Address {
    const pack = this.packs.find(known => known.load === load);
    return pack ? this.copy(pack, vectors) : this.original(load);
  }

  original({ array, element }: Load): Address {
    return { word: this.words.get(array) as number, element, bytes: 0 };
  }

  /** Where `pack` has what its load reads in a column of `vectors`. */
  copy(pack: Pack, vectors: number): Address {
    return { word: this.spare, element: packedElement(pack, (vectors * WIDE) / LANES), bytes: pack.at };
  }

  output({ extents }: KernelIr): Address {
    return { word: this.words.get(OUTPUT) as number, element: outputElement(extents), bytes: 0 };
  }

  /** Writes `body` for each piece, with the position in the register of `axis`. */
  over(axis: keyof typeof ORIGIN, pieces: readonly Piece[], body: (size: number) => void): void {
    const { x86, counters } = this;
    const register = ORIGIN[axis];
    counters.set(axis, register);
    for (const { from, to, size } of pieces) {
      x86.set(register, from);
      if (to - from === size) body(size);
      else this.repeat(register, size, to, () => body(size));
    }
    counters.delete(axis);
  }

  /** A loop that contains others: its variable is in a register. */
  loop({ variable, from, to }: Loop, body: () => void): void {
    const { x86, counters } = this;
    const counter = COUNTERS.find(register => ![...counters.values()].includes(register));
    if (counter === undefined) throw new Unsuitable();
    counters.set(variable, counter);
    x86.set(counter, from);
    this.repeat(counter, 1, to, body);
    counters.delete(variable);
  }

  private repeat(register: Register, step: number, to: number, body: () => void): void {
    const { x86 } = this;
    const start = x86.label();
    x86.here(start);
    body();
    x86.addConstant(register, step);
    x86.compare(register, to);
    x86.jumpIfLess(start);
  }

  /** An innermost loop, whose variable only moves pointers. */
  count(rounds: number, body: () => void): void {
    const { x86 } = this;
    x86.set(COUNTER, rounds);
    const start = x86.label();
    x86.here(start);
    body();
    x86.countDown(COUNTER, start);
  }

  /** Calls `use` with a register that is free again afterwards. */
  withPointer(use: (pointer: Register) => void): void {
    const pointer = this.freePointers.pop();
    if (pointer === undefined) throw new Unsuitable();
    use(pointer);
    this.freePointers.push(pointer);
  }

  /**
   * Writes `body`, which may use `memory` of `addresses`. Those that differ by constants share a
   * pointer.
   */
  within(addresses: readonly Address[], body: () => void): void {
    const outer = this.pointers;
    this.pointers = new Map();
    const next = ([address, ...rest]: readonly Address[]): void => {
      if (address === undefined) body();
      else if (this.pointers.has(keyOf(address))) next(rest);
      else
        this.withPointer(pointer => {
          this.compute(pointer, address);
          this.pointers.set(keyOf(address), pointer);
          next(rest);
        });
    };
    next(addresses);
    this.pointers = outer;
  }

  /** The pointers to `addresses` that loop `variable` moves, and by how many bytes. */
  moving(addresses: readonly Address[], variable: string): ReadonlyMap<Register, number> {
    const steps = addresses.map(
      address =>
        [this.pointerTo(address), fits(coefficient(address.element, variable) * FLOAT_BYTES)] as const,
    );
    return new Map(steps.filter(([, step]) => step !== 0));
  }

  memory(address: Address, { row, vector }: Place): Memory {
    const { word, element, bytes } = address;
    const isWide = word === this.spare || coefficient(element, 'x') !== 0;
    const floats = element.constant + coefficient(element, 'y') * row + (isWide ? vector * WIDE : 0);
    return { base: this.pointerTo(address), offset: fits(floats * FLOAT_BYTES + bytes) };
  }

  private pointerTo(address: Address): Register {
    return this.pointers.get(keyOf(address)) as Register;
  }

  /** Sets `pointer` to `address` without constants, as far as it depends on known variables. */
  compute(pointer: Register, { word, element }: Address): void {
    const { x86, counters, given } = this;
    x86.load32(pointer, { base: WORDS, offset: word * FLOAT_BYTES });
    x86.add(pointer, HEAP);
    for (const [name, factor] of element.terms) {
      const isArgument = given.some(parameter => parameter.name === name && parameter.type === 'integer');
      const register = isArgument ? RAX : counters.get(name);
      if (register === undefined) continue;
      if (isArgument) x86.load32(RAX, this.operand(name));
      x86.multiply(RAX, register, fits(factor * FLOAT_BYTES));
      x86.add(pointer, RAX);
    }
  }
}

function keyOf({ word, element }: Address): string {
  return [word, ...[...element.terms].map(([name, factor]) => `${factor}${name}`).sort()].join('+');
}

/** @throws Unsuitable if `value` needs more than 32 bits */
export function fits(value: number): number {
  if (value !== (value | 0)) throw new Unsuitable();
  return value;
}

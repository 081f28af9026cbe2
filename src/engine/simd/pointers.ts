/** Integers at run time: where the tile stands, loop counters, arguments, and the addresses that follow from them. */
import type { Axis } from '../language/syntax.js';
import type { FunctionAssembler } from './assembler.js';
import { type Affine, coefficient, type KernelIr } from './ir.js';

const FLOAT_BYTES = 4;

/** Where the tile stands: locals with the integers x, y and z of its first element. */
export type Origin = Readonly<Record<Axis, number>>;

/**
 * All reads whose element moves alike share one pointer, a local with a byte address. Rows and vectors differ by constants, which are
 * the instruction's offset; a loop only steps its pointers.
 */
export class Pointers {
  /** Locals by what they depend on. */
  private readonly locals = new Map<string, number>();
  private readonly counters = new Map<string, number>();
  /** Loop variables whose loop is being written. */
  private readonly entered = new Set<string>();

  constructor(
    private readonly f: FunctionAssembler,
    private readonly ir: KernelIr,
    private readonly origin: Origin,
  ) {}

  /** The local that points to `element` (its constant left out) at this place of the code. */
  of(element: Affine): number {
    const pointer = this.locals.get(this.key(element));
    if (pointer === undefined) throw new Error('a pointer was used before it was set');
    return pointer;
  }

  /** Sets the pointers to `elements` as far as they depend on the tile and the arguments. */
  enterTile(elements: readonly Affine[]): void {
    for (const element of elements) {
      const key = this.key(element);
      if (this.locals.has(key)) continue;
      const pointer = this.f.local('i32');
      this.locals.set(key, pointer);
      this.originOf(element);
      this.f.set(pointer);
    }
  }

  /** The local that counts loop `variable`. */
  counter(variable: string): number {
    const counter = this.counters.get(variable) ?? this.f.local('i32');
    this.counters.set(variable, counter);
    return counter;
  }

  /** Sets the pointers to `elements` that move with loop `variable`; gives them and the bytes that each round moves them. */
  enterLoop(variable: string, from: number, elements: readonly Affine[]): Map<number, number> {
    const moving = elements.filter(element => coefficient(element, variable) !== 0);
    const outer = moving.map(element => this.of(element));
    this.entered.add(variable);
    const stepping = new Map<number, number>();
    moving.forEach((element, i) => {
      const key = this.key(element);
      const pointer = this.locals.get(key) ?? this.f.local('i32');
      this.locals.set(key, pointer);
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

  leaveLoop(variable: string): void {
    this.entered.delete(variable);
  }

  /** Leaves the address on the stack that `element` has at the tile's origin and before all loops. */
  originOf(element: Affine): void {
    this.sum(element, name => this.isFixed(name), FLOAT_BYTES);
  }

  /** Leaves `value` without its constant on the stack. */
  integer(value: Affine): void {
    this.sum(value, () => true, 1);
  }

  /** Whether `name` does not change while a tile is computed. */
  private isFixed(name: string): boolean {
    return name in this.origin || this.ir.integers.has(name);
  }

  /** What the pointer to an element depends on here: the tile, the arguments, and the loops that are entered. */
  private key({ terms }: Affine): string {
    return [...terms]
      .filter(([name]) => this.isFixed(name) || this.entered.has(name))
      .map(([name, factor]) => `${factor}${name}`)
      .sort()
      .join('+');
  }

  private sum({ terms }: Affine, wanted: (name: string) => boolean, unit: number): void {
    this.f.i32(0);
    for (const [name, factor] of terms) {
      if (!wanted(name)) continue;
      const argument = this.ir.integers.get(name);
      if (name in this.origin) this.f.get(this.origin[name as Axis]);
      else if (argument !== undefined) this.f.i32(0).memory('i32.load', argument);
      else this.f.get(this.counter(name));
      this.f
        .i32(factor * unit)
        .op('i32.mul')
        .op('i32.add');
    }
  }
}

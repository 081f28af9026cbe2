/**
 * Integers at run time: the position of the tile, loop counters, arguments, and the addresses
 * computed from them.
 */

import type { FunctionAssembler } from '../util/assembler.js';
import type { Axis } from './language.js';
import { type Affine, coefficient } from './simd-ir.js';

const FLOAT_BYTES = 4;

/** The position of the tile: locals with the integers x, y and z of its first element. */
export type Origin = Readonly<Record<Axis, number>>;

/** The element `element` of the array whose address is in local `base`. */
export interface Place {
  readonly base: number;
  readonly element: Affine;
}

/**
 * Pointers are locals with byte addresses. Reads of an array whose elements advance equally share a
 * pointer: rows and vectors of the tile differ by constants, which are instruction offsets, and a
 * loop only advances its pointers.
 */
export class Pointers {
  private readonly locals = new Map<string, number>();
  private readonly counters = new Map<string, number>();
  private readonly entered = new Set<string>();

  constructor(
    private readonly f: FunctionAssembler,
    private readonly parameters: ReadonlyMap<string, number>,
    private readonly origin: Origin,
  ) {}

  /** The local that points to `place` (its constant left out) here. */
  of(place: Place): number {
    const pointer = this.locals.get(this.key(place));
    if (pointer === undefined) throw new Error('a pointer was used before it was set');
    return pointer;
  }

  /** Sets the pointers to `places` as far as they depend on the tile and the arguments. */
  enterTile(places: readonly Place[]): void {
    for (const place of places) {
      const key = this.key(place);
      if (this.locals.has(key)) continue;
      const pointer = this.f.local('i32');
      this.locals.set(key, pointer);
      this.originOf(place);
      this.f.set(pointer);
    }
  }

  /** The local that counts loop `variable`. */
  counter(variable: string): number {
    const counter = this.counters.get(variable) ?? this.f.local('i32');
    this.counters.set(variable, counter);
    return counter;
  }

  /**
   * Sets the pointers to `places` that advance with loop `variable`; returns the bytes per
   * iteration.
   */
  enterLoop(variable: string, from: number, places: readonly Place[]): Map<number, number> {
    const moving = places.filter(({ element }) => coefficient(element, variable) !== 0);
    const outer = moving.map(place => this.of(place));
    this.entered.add(variable);
    const stepping = new Map<number, number>();
    moving.forEach((place, i) => {
      const key = this.key(place);
      const pointer = this.locals.get(key) ?? this.f.local('i32');
      this.locals.set(key, pointer);
      if (stepping.has(pointer)) return;
      const step = coefficient(place.element, variable) * FLOAT_BYTES;
      this.f.get(outer[i]);
      if (from !== 0) this.f.i32(from * step).op('i32.add');
      this.f.set(pointer);
      stepping.set(pointer, step);
    });
    return stepping;
  }

  leaveLoop(variable: string): void {
    this.entered.delete(variable);
  }

  /** Leaves the address on the stack that `place` has at the tile's origin and before all loops. */
  originOf({ base, element }: Place): void {
    this.f.get(base);
    this.add(element, name => this.isFixed(name), FLOAT_BYTES);
  }

  /** Leaves `value` without its constant on the stack. */
  integer(value: Affine): void {
    this.f.i32(0);
    this.add(value, () => true, 1);
  }

  /** Whether `name` does not change while a tile is computed. */
  private isFixed(name: string): boolean {
    return name in this.origin || this.parameters.has(name);
  }

  /** The dependencies of a pointer here: array, tile, arguments and enclosing loops. */
  private key({ base, element }: Place): string {
    const terms = [...element.terms]
      .filter(([name]) => this.isFixed(name) || this.entered.has(name))
      .map(([name, factor]) => `${factor}${name}`);
    return [base, ...terms.sort()].join('+');
  }

  /** Adds the terms of `value` that are `selected`, times `unit`, to the value on the stack. */
  private add({ terms }: Affine, selected: (name: string) => boolean, unit: number): void {
    for (const [name, factor] of terms) {
      if (!selected(name)) continue;
      const argument = this.parameters.get(name);
      if (name in this.origin) this.f.get(this.origin[name as Axis]);
      else if (argument !== undefined) this.f.get(argument);
      else this.f.get(this.counter(name));
      this.f
        .i32(factor * unit)
        .op('i32.mul')
        .op('i32.add');
    }
  }
}

/** Random kernels as source text, with the sizes of the arrays that they read. */
import fc from 'fast-check';
import type { Axis } from '../../src/engine/language.js';

export interface RandomKernel {
  readonly source: string;
  readonly extents: Readonly<Record<Axis, number>>;
  /** Sizes of each array that is read, x first. Large enough for the reads. */
  readonly arrays: Readonly<Record<string, readonly number[]>>;
  /** For arrays of integers: the exclusive upper bound of their elements. */
  readonly symbols: Readonly<Record<string, number>>;
  readonly integers: Readonly<Record<string, number>>;
}

interface Variable {
  readonly name: string;
  readonly most: number;
}

/** Draws decisions from a list of random numbers, so that fast-check can shrink them. */
class Draw {
  private at = 0;
  constructor(private readonly numbers: readonly number[]) {}

  below(bound: number): number {
    return this.numbers.length === 0 ? 0 : this.numbers[this.at++ % this.numbers.length] % bound;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

class KernelText {
  private readonly lines: string[] = [];
  readonly arrays: Record<string, number[]> = {};
  readonly symbols: Record<string, number> = {};
  private readonly variables: Variable[];
  private readonly floats: string[] = ['f0'];
  private accumulators: string[] = [];
  private names = 0;

  constructor(
    private readonly draw: Draw,
    extents: Readonly<Record<Axis, number>>,
    integers: Readonly<Record<string, number>>,
  ) {
    const axes = (['x', 'y', 'z'] as const).map(axis => ({
      name: `this.thread.${axis}`,
      most: extents[axis] - 1,
    }));
    this.variables = [...axes, ...Object.entries(integers).map(([name, most]) => ({ name, most }))];
  }

  write(): string {
    const statements = 1 + this.draw.below(4);
    for (let i = 0; i < statements; i++) this.statement(0);
    return this.whole([...this.accumulators, this.expression(2)].join(' + '));
  }

  /** One to three sums of products in loops, as layers and gradients of weights have. */
  writeProduct(): string {
    const [x, y, z, ...integers] = this.variables;
    const starts = [
      () => '0',
      () => 'f0',
      () => this.array([z, x]),
      () => `${this.array([y, x])} - ${this.array([x])} * f0`,
      () => this.array([z, y, x]),
    ];
    const sums: string[] = [];
    let last = this.draw.of(starts)();
    const loops = 1 + this.draw.below(3);
    for (let i = 0; i < loops; i++) {
      const sum = this.fresh('s');
      this.lines.push(`let ${sum} = ${last};`);
      sums.push(sum);
      last = sum;
      const depth = 1 + this.draw.below(3);
      const inner = Array.from({ length: depth }, () => {
        const [name, from] = [this.fresh('k'), this.draw.of([0, 0, 0, 1])];
        const most = from + this.draw.of([0, 1, 3, 6, ...(depth === 1 ? [24, 40] : [])]);
        this.lines.push(`for (let ${name} = ${from}; ${name} < ${most + 1}; ${name}++) {`);
        return { name, most };
      });
      const k = inner[depth - 1];
      const rows = this.draw.of([
        [...inner.slice(0, -1), y, k],
        [k, y],
        [...integers, y, k],
      ]);
      const columns = this.draw.of([
        [...inner, x],
        [z, k, x],
        [k, x],
      ]);
      const factors = [this.array(rows), this.array(columns)];
      if (this.draw.below(2) === 0) factors.reverse();
      this.lines.push(`${sum} += ${factors.join(' * ')};`);
      this.lines.push('}'.repeat(depth));
    }
    const result = this.draw.of([
      last,
      `${last} * f0 + ${this.array([x])}`,
      `${last} - ${sums[0]}`,
      `Math.tanh(Math.max(Math.min(${last}, 10), -10))`,
      `Math.max(${last}, ${this.array([y, x])})`,
    ]);
    return this.whole(result);
  }

  private whole(result: string): string {
    const parameters = [
      ...Object.keys(this.arrays),
      ...this.variables.slice(3).map(({ name }) => name),
      'f0',
    ];
    return `function (${parameters.join(', ')}) {\n${this.lines.join('\n')}\nreturn ${result};\n}`;
  }

  private fresh(prefix: string): string {
    return `${prefix}${this.names++}`;
  }

  private statement(depth: number): void {
    const kind = this.draw.below(5);
    if (kind === 0) this.define();
    else if (kind === 1 && depth < 2) this.branch(depth);
    else if (kind === 2 || depth > 0) this.assign();
    else this.loops();
  }

  private define(): void {
    const name = this.fresh('v');
    this.lines.push(`const ${name} = ${this.expression(2)};`);
    this.floats.push(name);
  }

  private accumulator(): string {
    const name = this.fresh('s');
    this.lines.push(`let ${name} = ${this.draw.of(['0', '0.5', this.expression(1)])};`);
    this.accumulators.push(name);
    return name;
  }

  private assign(): void {
    if (this.accumulators.length === 0) return;
    const name = this.draw.of(this.accumulators);
    const value = this.expression(2);
    const forms = [`${name} += ${value};`, `${name} = Math.max(${name}, ${value});`, `${name} = ${value};`];
    this.lines.push(this.draw.of(forms));
  }

  /** One or two nested loops over one to three accumulators. */
  private loops(): void {
    const names = Array.from({ length: 1 + this.draw.below(3) }, () => this.accumulator());
    const depth = 1 + this.draw.below(2);
    const [variables, floats] = [this.variables.length, this.floats.length];
    const accumulators = [...this.accumulators];
    for (let i = 0; i < depth; i++) {
      const variable = this.fresh('k');
      const from = this.draw.below(3);
      const most = from + this.draw.of([0, 1, 2, 3, 5, 7, 8, 11]);
      this.lines.push(`for (let ${variable} = ${from}; ${variable} < ${most + 1}; ${variable}++) {`);
      this.variables.push({ name: variable, most });
    }
    if (this.draw.below(3) === 0) this.statement(1);
    const k = this.variables[this.variables.length - 1];
    for (const name of names) {
      this.lines.push(
        this.draw.of([
          `${name} += ${this.array([this.variables[1], k])} * ${this.array([k, this.variables[0]])};`,
          `${name} += ${this.array([this.variables[2], k, this.variables[0]])} * f0;`,
          `${name} += ${this.array([this.gathered(true), k, this.variables[0]])} * f0;`,
          `${name} += ${this.read()} * ${this.read()};`,
          `${name} += ${this.expression(1)};`,
          `${name} = Math.max(${name}, ${this.expression(1)});`,
        ]),
      );
    }
    for (let i = 0; i < depth; i++) this.lines.push('}');
    this.variables.length = variables;
    this.floats.length = floats;
    this.accumulators = accumulators;
  }

  private branch(depth: number): void {
    const name = this.accumulator();
    const axis = this.draw.of([1, 2]);
    const { name: selector, most } = this.variables[axis];
    const cases = 1 + this.draw.below(2);
    for (let i = 0; i <= cases; i++) {
      const first = this.draw.below(most + 2);
      const conditions = [first, ...(this.draw.below(2) ? [first + 2] : [])].map(
        one => `${selector} === ${one}`,
      );
      const head = i < cases ? `if (${conditions.join(' || ')}) {` : '{';
      this.lines.push(i === 0 ? head : `} else ${head}`);
      const [floats, accumulators] = [this.floats.length, this.accumulators.length];
      if (this.draw.below(2)) this.statement(depth + 1);
      this.lines.push(`${name} = ${this.expression(2)};`);
      this.floats.length = floats;
      this.accumulators = this.accumulators.slice(0, accumulators);
    }
    this.lines.push('}');
  }

  /** Reads an array at affine indices, including strides, sums of axes and integer arguments. */
  private read(): string {
    const rank = 1 + this.draw.below(3);
    return this.array(Array.from({ length: rank }, () => this.index()));
  }

  private array(index: readonly Variable[]): string {
    const name = this.fresh('a');
    // larger than needed, so that strides differ from extents; sometimes rows so far apart that
    // columns are packed
    this.arrays[name] = index.map(({ most }) => most + 1 + this.draw.below(2)).reverse();
    if (index.length > 1) this.arrays[name][0] += this.draw.of([0, 0, 256]);
    return `${name}${index.map(({ name: at }) => `[${at}]`).join('')}`;
  }

  /** An index read from an array, at indices that do not vary along x. */
  private gathered(mayNest: boolean): Variable {
    const [, ...variables] = this.variables;
    const index = Array.from({ length: 1 + this.draw.below(2) }, () =>
      mayNest && this.draw.below(4) === 3 ? this.gathered(false) : this.draw.of(variables),
    );
    const name = this.array(index);
    const most = this.draw.below(6);
    this.symbols[name.slice(0, name.indexOf('['))] = most + 1;
    return { name, most };
  }

  private index(): Variable {
    if (this.draw.below(8) === 7) return this.gathered(true);
    const a = this.draw.of(this.variables);
    const b = this.draw.of(this.variables);
    const offset = this.draw.below(3);
    return this.draw.of([
      a,
      a,
      { name: `${offset}`, most: offset },
      { name: `${a.name} + ${offset}`, most: a.most + offset },
      { name: `${a.name} * ${offset + 1}`, most: a.most * (offset + 1) },
      { name: `${a.name} + 2 * ${b.name}`, most: a.most + 2 * b.most },
    ]);
  }

  private expression(depth: number): string {
    if (depth === 0) return this.leaf();
    const one = () => this.expression(depth - 1);
    switch (this.draw.below(10)) {
      case 0:
        return `(${one()} + ${one()})`;
      case 1:
        return `(${one()} - ${one()})`;
      case 2:
        return `${one()} * ${one()}`;
      case 3:
        return `${one()} / (1 + Math.abs(${one()}))`;
      case 4:
        return `Math.tanh(${one()})`;
      case 5:
        return `Math.exp(Math.tanh(${one()}))`;
      case 6:
        return `Math.sqrt(Math.abs(${one()}) + 0.25)`;
      case 7:
        return `Math.log(1 + Math.abs(${one()}))`;
      case 8:
        return `Math.${this.draw.of(['max', 'min'])}(${one()}, ${one()})`;
      default:
        return `(-${one()})`;
    }
  }

  private leaf(): string {
    switch (this.draw.below(6)) {
      case 0:
        return this.draw.of(this.floats);
      case 1:
        return this.draw.of(this.accumulators.length > 0 ? this.accumulators : this.floats);
      case 2:
        return `(${this.index().name})`;
      case 3:
        return this.draw.of(['0.5', '2', '0', '1.25', '(-0.75)']);
      default:
        return this.read();
    }
  }
}

const extents = fc.record({
  x: fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 20),
  y: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(15, 16, 20, 23)),
  z: fc.integer({ min: 1, max: 4 }),
});

const numbers = fc.array(fc.nat(10_000), { minLength: 20, maxLength: 200 });

export const kernels: fc.Arbitrary<RandomKernel> = fc
  .tuple(extents, numbers, fc.nat(4), fc.nat(3))
  .map(([extents, numbers, p0, p1]) =>
    kernelOf(extents, new KernelText(new Draw(numbers), extents, { p0, p1 }), text => text.write(), {
      p0,
      p1,
    }),
  );

/** Around the sizes of tiles, and beyond them. */
const productExtents = fc.record({
  x: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(32, 64, 128, 140)),
  y: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom(1, 14, 25, 28, 112, 130)),
  z: fc.integer({ min: 1, max: 3 }),
});

/** Kernels that machine code of 512 bits computes. */
export const products: fc.Arbitrary<RandomKernel> = fc
  .tuple(productExtents, numbers, fc.nat(4))
  .map(([extents, numbers, p0]) =>
    kernelOf(extents, new KernelText(new Draw(numbers), extents, { p0 }), text => text.writeProduct(), {
      p0,
    }),
  );

function kernelOf(
  extents: RandomKernel['extents'],
  text: KernelText,
  write: (text: KernelText) => string,
  integers: RandomKernel['integers'],
): RandomKernel {
  const source = write(text);
  return { source, extents, arrays: text.arrays, symbols: text.symbols, integers };
}

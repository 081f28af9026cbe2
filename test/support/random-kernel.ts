/** Random kernels of the language, as source text with the arrays that they read; and their values in float64. */
import fc from 'fast-check';
import type { Axis, Expression, KernelTree, Statement } from '../../src/engine/language/syntax.js';

export interface RandomKernel {
  readonly source: string;
  readonly extents: Readonly<Record<Axis, number>>;
  /** Sizes of each array that is read, x first: just large enough for the reads. */
  readonly arrays: Readonly<Record<string, readonly number[]>>;
  readonly integers: Readonly<Record<string, number>>;
}

/** An integer variable with its range, from 0 to `most`. */
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
    const result = [...this.accumulators, this.expression(2)].join(' + ');
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

  /** An array at affine indices; strides, sums of axes and integer arguments among them. */
  private read(): string {
    const rank = 1 + this.draw.below(3);
    return this.array(Array.from({ length: rank }, () => this.index()));
  }

  private array(index: readonly Variable[]): string {
    const name = this.fresh('a');
    // more room than is read, so that strides are not the extents; sometimes rows so far apart that columns are packed
    this.arrays[name] = index.map(({ most }) => most + 1 + this.draw.below(2)).reverse();
    if (index.length > 1) this.arrays[name][0] += this.draw.of([0, 0, 256]);
    return `${name}${index.map(({ name: at }) => `[${at}]`).join('')}`;
  }

  private index(): Variable {
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

export const kernels: fc.Arbitrary<RandomKernel> = fc
  .tuple(extents, fc.array(fc.nat(10_000), { minLength: 20, maxLength: 200 }), fc.nat(4), fc.nat(3))
  .map(([extents, numbers, p0, p1]) => {
    const text = new KernelText(new Draw(numbers), extents, { p0, p1 });
    return { source: text.write(), extents, arrays: text.arrays, integers: { p0, p1 } };
  });

/** A value in float64 and the most that float32 arithmetic in the same order may be away from it. */
interface Bounded {
  readonly value: number;
  readonly error: number;
}

/** Relative error of one operation in float32; a function of ours may be 4 ULP or 3e-7 away. */
const ROUNDING = 2 ** -24;
const FUNCTION_RELATIVE = 2 ** -21;
const FUNCTION_ABSOLUTE = 3e-7;

const rounded = (value: number, error: number): Bounded => ({
  value,
  error: error + ROUNDING * Math.abs(value),
});

export interface Surroundings {
  readonly thread: Readonly<Record<Axis, number>>;
  readonly scalars: Readonly<Record<string, number>>;
  readonly arrays: Readonly<
    Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
  >;
}

/** The kernel's value at one thread: its tree walked in float64, with a running error analysis beside it. */
export function evaluate(tree: KernelTree, surroundings: Surroundings): Bounded {
  const evaluator = new Evaluator(surroundings);
  evaluator.statements(tree.body);
  return evaluator.expression(tree.result);
}

class Evaluator {
  private readonly locals = new Map<string, Bounded>();

  constructor(private readonly given: Surroundings) {}

  statements(statements: readonly Statement[]): void {
    for (const statement of statements) this.statement(statement);
  }

  private statement(statement: Statement): void {
    switch (statement.kind) {
      case 'define':
        this.locals.set(statement.name, this.expression(statement.value));
        return;
      case 'assign': {
        const value = this.expression(statement.value);
        const before = this.locals.get(statement.name) as Bounded;
        this.locals.set(
          statement.name,
          statement.add ? rounded(before.value + value.value, before.error + value.error) : value,
        );
        return;
      }
      case 'loop':
        for (let k = statement.from; k < statement.to; k++) {
          this.locals.set(statement.variable, { value: k, error: 0 });
          this.statements(statement.body);
        }
        return;
      case 'branch': {
        const at = this.given.thread[statement.selector];
        const taken = statement.cases.find(({ numbers }) => numbers.includes(at));
        this.statements(taken?.body ?? statement.otherwise);
      }
    }
  }

  expression(e: Expression): Bounded {
    switch (e.kind) {
      case 'number':
        return { value: e.value, error: Math.abs(e.value - Math.fround(e.value)) };
      case 'thread':
        return { value: this.given.thread[e.axis], error: 0 };
      case 'name':
        return this.locals.get(e.name) ?? { value: this.given.scalars[e.name], error: 0 };
      case 'read': {
        const { dims, data } = this.given.arrays[e.array];
        const at = e.index.map(one => this.expression(one).value);
        const flat = at.reduce((sum, one, axis) => sum * dims[dims.length - 1 - axis] + one, 0);
        return { value: data[flat], error: 0 };
      }
      case 'negate': {
        const { value, error } = this.expression(e.operand);
        return { value: -value, error };
      }
      case 'binary':
        return arithmetic(e.operator, this.expression(e.left), this.expression(e.right));
      case 'call':
        return call(
          e.function,
          e.operands.map(operand => this.expression(operand)),
        );
    }
  }
}

function arithmetic(operator: '+' | '-' | '*' | '/', a: Bounded, b: Bounded): Bounded {
  switch (operator) {
    case '+':
      return rounded(a.value + b.value, a.error + b.error);
    case '-':
      return rounded(a.value - b.value, a.error + b.error);
    case '*':
      return rounded(
        a.value * b.value,
        Math.abs(a.value) * b.error + Math.abs(b.value) * a.error + a.error * b.error,
      );
    case '/': {
      const least = Math.max(Math.abs(b.value) - b.error, 0);
      return rounded(a.value / b.value, (a.error + Math.abs(a.value / b.value) * b.error) / least);
    }
  }
}

function call(name: Extract<Expression, { kind: 'call' }>['function'], [a, b]: readonly Bounded[]): Bounded {
  const value = b
    ? (Math[name] as typeof Math.max)(a.value, b.value)
    : (Math[name] as typeof Math.abs)(a.value);
  switch (name) {
    case 'max':
    case 'min':
      return { value, error: Math.max(a.error, b.error) };
    case 'abs':
      return { value, error: a.error };
    case 'sqrt':
      return rounded(value, a.error / Math.sqrt(a.value));
    case 'tanh':
      return { value, error: a.error + FUNCTION_RELATIVE * Math.abs(value) + FUNCTION_ABSOLUTE };
    case 'exp':
      return { value, error: value * (Math.expm1(a.error) + FUNCTION_RELATIVE) };
    case 'log':
      return {
        value,
        error:
          a.error / Math.max(a.value - a.error, 0) + FUNCTION_RELATIVE * Math.abs(value) + FUNCTION_ABSOLUTE,
      };
  }
}

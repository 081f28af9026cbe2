/**
 * Checks what gpu.js does not check in a kernel and silently computes wrongly (each rule names the
 * wrong result):
 *
 * - every read is inside its array: outside, each backend differs: it clamps, reads a neighbour or
 *   returns NaN
 * - loops have literal bounds (the parser takes no others): gpu.js caps others at 1,000 rounds
 * - the argument of tanh is bounded: some drivers return NaN beyond 88
 * - no more arrays than WebGPU guarantees, no more than three axes, no name used before it has a
 *   value
 */
import { MAX_ARRAY_ARGUMENTS } from './fuse.js';
import { type Axis, type Expression, KernelError, type KernelTree, type Statement } from './language.js';

/** An argument of the kernel at one of its uses. */
export type Argument =
  /**
   * If given, elements are integers from 0 to `symbols` - 1; only such an array may be an index.
   */
  | { readonly kind: 'array'; readonly shape: readonly number[]; readonly symbols?: number }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'float' };

export interface LintRequest {
  readonly tree: KernelTree;
  /** Shape of the result, last axis contiguous. */
  readonly output: readonly number[];
  readonly arguments: ReadonlyMap<string, Argument>;
}

const TANH_SAFE = 80;

/** The range of an expression, and whether it is an integer. */
interface Interval {
  readonly low: number;
  readonly high: number;
  readonly integer: boolean;
}

const ANYTHING: Interval = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, integer: false };

/** @throws KernelError at the first rule that the kernel breaks */
export function lintKernel(request: LintRequest): void {
  const arrays = [...request.arguments.values()].filter(({ kind }) => kind === 'array');
  if (arrays.length > MAX_ARRAY_ARGUMENTS)
    throw new KernelError(`reads ${arrays.length} arrays, more than ${MAX_ARRAY_ARGUMENTS}`);
  new Lint(request).check();
}

class Lint {
  private readonly scopes: Map<string, Interval>[] = [new Map()];

  constructor(private readonly request: LintRequest) {
    for (const [name, argument] of request.arguments) {
      if (argument.kind === 'integer') this.define(name, point(argument.value));
      else if (argument.kind === 'float') this.define(name, ANYTHING);
    }
  }

  check(): void {
    const { tree } = this.request;
    for (const statement of tree.body) this.statement(statement);
    this.range(tree.result);
  }

  private define(name: string, interval: Interval): void {
    this.scopes[this.scopes.length - 1].set(name, interval);
  }

  /** In a separate scope. */
  private statements(statements: readonly Statement[], variables: readonly [string, Interval][] = []): void {
    this.scopes.push(new Map(variables));
    for (const statement of statements) this.statement(statement);
    this.scopes.pop();
  }

  private statement(statement: Statement): void {
    switch (statement.kind) {
      case 'define': {
        const value = this.range(statement.value);
        // a variable that is assigned later can have any value
        this.define(statement.name, statement.mutable ? ANYTHING : value);
        return;
      }
      case 'assign':
        this.range(statement.value);
        this.lookUp(statement.name);
        return;
      case 'loop': {
        const { variable, from, to, body } = statement;
        if (to > from) this.statements(body, [[variable, { low: from, high: to - 1, integer: true }]]);
        return;
      }
      case 'branch':
        if (!this.range(statement.selector).integer) throw new KernelError('a branch tests an integer');
        for (const { body } of statement.cases) this.statements(body);
        this.statements(statement.otherwise);
    }
  }

  private range(expression: Expression): Interval {
    switch (expression.kind) {
      case 'number':
        return point(expression.value);
      case 'thread':
        return { low: 0, high: this.extent(expression.axis) - 1, integer: true };
      case 'name':
        return this.lookUp(expression.name);
      case 'read':
        return this.read(expression.array, expression.index);
      case 'negate': {
        const { low, high, integer } = this.range(expression.operand);
        return { low: -high, high: -low, integer };
      }
      case 'binary':
        return combine(expression.operator, this.range(expression.left), this.range(expression.right));
      case 'call':
        return this.call(expression);
    }
  }

  private call({ function: name, operands }: Extract<Expression, { kind: 'call' }>): Interval {
    const [first, second] = operands.map(operand => this.range(operand));
    if (name === 'max' || name === 'min') {
      const pick = Math[name];
      return { low: pick(first.low, second.low), high: pick(first.high, second.high), integer: false };
    }
    if (name === 'tanh' && !(first.low >= -TANH_SAFE && first.high <= TANH_SAFE)) {
      throw new KernelError(`the argument of tanh is not bounded to +-${TANH_SAFE}`);
    }
    return ANYTHING;
  }

  private read(array: string, index: readonly Expression[]): Interval {
    const argument = this.request.arguments.get(array);
    if (argument?.kind !== 'array') throw new KernelError(`'${array}' is not an array`);
    const { shape, symbols } = argument;
    if (index.length !== shape.length) {
      throw new KernelError(`'${array}' has ${shape.length} axes and is read with ${index.length} indices`);
    }
    index.forEach((one, axis) => {
      const { low, high, integer } = this.range(one);
      if (!integer) throw new KernelError(`index ${axis} of '${array}' is not an integer`);
      if (low < 0 || high >= shape[axis]) {
        throw new KernelError(
          `index ${axis} of '${array}' reaches ${low}..${high}, the axis has 0..${shape[axis] - 1}`,
        );
      }
    });
    return symbols === undefined ? ANYTHING : { low: 0, high: symbols - 1, integer: true };
  }

  private lookUp(name: string): Interval {
    for (let i = this.scopes.length - 1; i >= 0; i--) {
      const found = this.scopes[i].get(name);
      if (found) return found;
    }
    throw new KernelError(`'${name}' has no value`);
  }

  private extent(axis: Axis): number {
    const { output } = this.request;
    return output[output.length - 1 - ['x', 'y', 'z'].indexOf(axis)] ?? 1;
  }
}

function point(value: number): Interval {
  return { low: value, high: value, integer: Number.isInteger(value) };
}

function combine(operator: '+' | '-' | '*' | '/', a: Interval, b: Interval): Interval {
  const integer = a.integer && b.integer && operator !== '/';
  if (operator === '+') return { low: a.low + b.low, high: a.high + b.high, integer };
  if (operator === '-') return { low: a.low - b.high, high: a.high - b.low, integer };
  if (operator === '/' || !integer) return ANYTHING;
  const products = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high];
  return { low: Math.min(...products), high: Math.max(...products), integer };
}

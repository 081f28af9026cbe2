/** What a kernel computes, from its tree in float64, with a bound on what float32 may make of it. */
import type { Axis, Expression, KernelTree, Statement } from '../../src/engine/language/syntax.js';

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
        const at = this.expression(statement.selector).value;
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

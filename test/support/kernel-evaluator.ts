/** Evaluates the tree of a kernel in float64, with a bound on the error of float32. */
import type { Axis, Expression, KernelTree, Statement } from '../../src/engine/language.js';

/** A value in float64, and the largest error that float32 arithmetic in the same order may have. */
export interface Bounded {
  readonly value: number;
  readonly error: number;
}

/** Relative error of one float32 operation. Functions of kernels may be off by 4 ULP or 3e-7. */
const ROUNDING = 2 ** -24;
const FUNCTION_RELATIVE = 2 ** -21;
const FUNCTION_ABSOLUTE = 3e-7;

export interface Surroundings {
  readonly scalars: Readonly<Record<string, number>>;
  readonly arrays: Readonly<
    Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
  >;
}

export type Thread = Readonly<Record<Axis, number>>;

/** Returns a value and leaves the bound of its error in `error`. */
type Term = () => number;
type Action = () => void;

/**
 * Returns a function that evaluates the kernel for a thread in float64, with a running error bound.
 */
export function evaluator(tree: KernelTree, surroundings: Surroundings): (thread: Thread) => Bounded {
  const { actions, result, place } = new Translation(surroundings).kernel(tree);
  return thread => {
    place(thread);
    perform(actions);
    const value = result();
    return { value, error };
  };
}

/**
 * The error bound of the last term. Terms return plain numbers instead of objects, since a test
 * evaluates millions of them.
 */
let error = 0;

function perform(actions: readonly Action[]): void {
  for (const action of actions) action();
}

function rounded(value: number, bound: number): number {
  error = bound + ROUNDING * Math.abs(value);
  return value;
}

/**
 * Translates a tree to closures over the slots of its variables, so that it is walked only once
 * instead of for each thread.
 */
class Translation {
  private readonly slots = new Map<string, number>();
  private readonly values: number[] = [];
  private readonly errors: number[] = [];
  private thread: Thread = { x: 0, y: 0, z: 0 };

  constructor(private readonly given: Surroundings) {}

  kernel(tree: KernelTree) {
    const actions = this.statements(tree.body);
    const place = (thread: Thread) => {
      this.thread = thread;
    };
    return { actions, result: this.expression(tree.result), place };
  }

  private statements(statements: readonly Statement[]): Action[] {
    return statements.map(statement => this.statement(statement));
  }

  private statement(statement: Statement): Action {
    const { values, errors } = this;
    switch (statement.kind) {
      case 'define': {
        const value = this.expression(statement.value);
        const slot = this.slotOf(statement.name);
        return () => {
          values[slot] = value();
          errors[slot] = error;
        };
      }
      case 'assign': {
        const value = this.expression(statement.value);
        const slot = this.slotOf(statement.name);
        if (!statement.add)
          return () => {
            values[slot] = value();
            errors[slot] = error;
          };
        return () => {
          const [before, beforeError] = [values[slot], errors[slot]];
          const added = value();
          values[slot] = rounded(before + added, beforeError + error);
          errors[slot] = error;
        };
      }
      case 'loop': {
        const slot = this.slotOf(statement.variable);
        const body = this.statements(statement.body);
        return () => {
          for (let k = statement.from; k < statement.to; k++) {
            values[slot] = k;
            errors[slot] = 0;
            perform(body);
          }
        };
      }
      case 'branch': {
        const selector = this.expression(statement.selector);
        const cases = statement.cases.map(({ numbers, body }) => ({ numbers, body: this.statements(body) }));
        const otherwise = this.statements(statement.otherwise);
        return () => {
          const at = selector();
          perform(cases.find(({ numbers }) => numbers.includes(at))?.body ?? otherwise);
        };
      }
    }
  }

  private slotOf(name: string): number {
    const known = this.slots.get(name);
    if (known !== undefined) return known;
    this.slots.set(name, this.values.length);
    this.errors.push(0);
    return this.values.push(0) - 1;
  }

  private expression(e: Expression): Term {
    switch (e.kind) {
      case 'number':
        return constant(e.value, Math.abs(e.value - Math.fround(e.value)));
      case 'thread':
        return () => {
          error = 0;
          return this.thread[e.axis];
        };
      case 'name':
        return this.name(e.name);
      case 'read':
        return this.read(e.array, e.index);
      case 'negate': {
        const operand = this.expression(e.operand);
        return () => -operand();
      }
      case 'binary':
        return arithmetic(e.operator, this.expression(e.left), this.expression(e.right));
      case 'call': {
        const [a, b] = e.operands.map(operand => this.expression(operand));
        return b === undefined ? unary(e.function, a) : extreme(e.function, a, b);
      }
    }
  }

  private name(name: string): Term {
    const { values, errors } = this;
    const slot = this.slots.get(name);
    if (slot === undefined) return constant(this.given.scalars[name], 0);
    return () => {
      error = errors[slot];
      return values[slot];
    };
  }

  private read(array: string, index: readonly Expression[]): Term {
    const { dims, data } = this.given.arrays[array];
    const terms = index.map(one => this.expression(one));
    return () => {
      let at = 0;
      for (let axis = 0; axis < terms.length; axis++) at = at * dims[dims.length - 1 - axis] + terms[axis]();
      error = 0;
      return data[at];
    };
  }
}

function constant(value: number, bound: number): Term {
  return () => {
    error = bound;
    return value;
  };
}

function arithmetic(operator: '+' | '-' | '*' | '/', left: Term, right: Term): Term {
  const combined = combine(operator);
  return () => {
    const a = left();
    const aError = error;
    const b = right();
    return combined(a, aError, b, error);
  };
}

function combine(
  operator: '+' | '-' | '*' | '/',
): (a: number, aError: number, b: number, bError: number) => number {
  switch (operator) {
    case '+':
      return (a, aError, b, bError) => rounded(a + b, aError + bError);
    case '-':
      return (a, aError, b, bError) => rounded(a - b, aError + bError);
    case '*':
      return (a, aError, b, bError) =>
        rounded(a * b, Math.abs(a) * bError + Math.abs(b) * aError + aError * bError);
    case '/':
      return (a, aError, b, bError) => {
        const least = Math.max(Math.abs(b) - bError, 0);
        return rounded(a / b, (aError + Math.abs(a / b) * bError) / least);
      };
  }
}

type FunctionName = Extract<Expression, { kind: 'call' }>['function'];

/** max and min. */
function extreme(name: FunctionName, left: Term, right: Term): Term {
  const compute = Math[name] as typeof Math.max;
  return () => {
    const a = left();
    const aError = error;
    const b = right();
    error = Math.max(aError, error);
    return compute(a, b);
  };
}

function unary(name: FunctionName, operand: Term): Term {
  const compute = Math[name] as typeof Math.abs;
  const bound = boundOf(name);
  return () => {
    const a = operand();
    const value = compute(a);
    error = bound(a, error, value);
    return value;
  };
}

function boundOf(name: FunctionName): (a: number, aError: number, value: number) => number {
  switch (name) {
    case 'abs':
      return (_, aError) => aError;
    case 'sqrt':
      return (a, aError, value) => aError / Math.sqrt(a) + ROUNDING * Math.abs(value);
    case 'tanh':
      return (_, aError, value) => aError + FUNCTION_RELATIVE * Math.abs(value) + FUNCTION_ABSOLUTE;
    case 'exp':
      return (_, aError, value) => value * (Math.expm1(aError) + FUNCTION_RELATIVE);
    case 'log':
      return (a, aError, value) =>
        aError / Math.max(a - aError, 0) + FUNCTION_RELATIVE * Math.abs(value) + FUNCTION_ABSOLUTE;
    case 'max':
    case 'min':
      throw new Error(`${name} takes two operands`);
  }
}

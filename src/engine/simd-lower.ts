import { type Axis, type Expression, KernelError, type KernelTree, type Statement } from './language.js';
import {
  type Affine,
  addAffine,
  type BinaryOperation,
  coefficient,
  type GatheredIndex,
  type Instruction,
  type KernelIr,
  type Load,
  scaleAffine,
  type UnaryOperation,
  type Value,
  type Variation,
} from './simd-ir.js';

/**
 * An argument of a kernel; the extents of an array are x (contiguous) first. `symbols` and `value`
 * are those of one use: the elements are integers from 0 to `symbols` - 1.
 */
export type Parameter = { readonly name: string } & (
  | { readonly type: 'array'; readonly extents: readonly number[]; readonly symbols?: number | undefined }
  | { readonly type: 'integer'; readonly value?: number }
  | { readonly type: 'float' }
);

type Extents = Readonly<Record<Axis, number>>;

const NOWHERE: Variation = { x: false, y: false };

const OPERATIONS: Readonly<Record<string, BinaryOperation>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
};

/** @throws KernelError if this compiler does not support the kernel */
export function lower(tree: KernelTree, parameters: readonly Parameter[], extents: Extents): KernelIr {
  const lowering = new Lowering(parameters, extents);
  const body = lowering.settle(tree.body);
  return {
    extents,
    locals: lowering.locals,
    integers: lowering.integers,
    body,
    result: lowering.float(tree.result),
  };
}

/**
 * Checks one use of a kernel for what gpu.js does not check and silently computes wrongly:
 * - every read is inside its array: outside, each backend differs: it clamps, reads a neighbour or
 *   returns NaN
 * - the argument of tanh is bounded: some drivers return NaN beyond 88
 *
 * @throws KernelError at the first rule that the kernel breaks
 */
export function checkKernel(tree: KernelTree, parameters: readonly Parameter[], extents: Extents): void {
  const lowering = new Lowering(parameters, extents, true);
  lowering.settle(tree.body);
  lowering.float(tree.result);
}

const TANH_SAFE = 80;

type Interval = readonly [low: number, high: number];

type Binding =
  | { readonly kind: 'local'; readonly local: number }
  | { readonly kind: 'loop'; readonly range: Interval };

class Lowering {
  readonly locals: Variation[] = [];
  readonly integers = new Set<string>();
  private scopes: Map<string, Binding>[] = [new Map()];

  private readonly parameters: ReadonlyMap<string, Parameter>;

  constructor(
    parameters: readonly Parameter[],
    private readonly extents: Extents,
    private readonly isChecked = false,
  ) {
    this.parameters = new Map(parameters.map(parameter => [parameter.name, parameter]));
  }

  /**
   * Lowers `statements` until the variation of every local is settled: a local that is added to in
   * a loop varies along every axis of its addends, which is known only after the loop.
   */
  settle(statements: readonly Statement[]): Instruction[] {
    for (;;) {
      const before = JSON.stringify(this.locals);
      this.next = 0;
      this.scopes = [new Map()];
      const body = this.statements(statements);
      if (JSON.stringify(this.locals) === before) return body;
    }
  }

  float(expression: Expression): Value {
    const integer = this.integer(expression);
    if (integer) {
      if (integer.terms.size === 0) return { kind: 'constant', value: integer.constant, varies: NOWHERE };
      return { kind: 'integer', value: integer, varies: this.affineVariation(integer) };
    }
    switch (expression.kind) {
      case 'number':
        return { kind: 'constant', value: expression.value, varies: NOWHERE };
      case 'name':
        return this.named(expression.name);
      case 'read':
        return this.load(expression.array, expression.index);
      case 'negate':
        return this.unary('negate', this.float(expression.operand));
      case 'binary':
        return binary(
          OPERATIONS[expression.operator],
          this.float(expression.left),
          this.float(expression.right),
        );
      case 'call': {
        const [first, second] = expression.operands.map(operand => this.float(operand));
        const name = expression.function;
        if (name === 'tanh') this.checkTanh(expression.operands[0]);
        return name === 'max' || name === 'min' ? binary(name, first, second) : this.unary(name, first);
      }
      case 'thread':
        throw new KernelError('unreachable: a thread axis is an integer');
    }
  }

  /** Numbers the locals in the order of their definitions, equally in every pass. */
  private next = 0;

  private statements(statements: readonly Statement[]): Instruction[] {
    return statements.map(statement => this.statement(statement));
  }

  private inner(statements: readonly Statement[], loop: readonly [string, Binding][] = []): Instruction[] {
    this.scopes.push(new Map(loop));
    const body = this.statements(statements);
    this.scopes.pop();
    return body;
  }

  private statement(statement: Statement): Instruction {
    switch (statement.kind) {
      case 'define': {
        const value = this.float(statement.value);
        const local = this.next++;
        this.locals[local] ??= NOWHERE;
        this.scopes[this.scopes.length - 1].set(statement.name, { kind: 'local', local });
        return this.set(local, value);
      }
      case 'assign': {
        const binding = this.find(statement.name);
        if (binding?.kind !== 'local') throw new KernelError(`'${statement.name}' cannot be assigned`);
        const value = this.float(statement.value);
        return this.set(
          binding.local,
          statement.add ? binary('add', this.named(statement.name), value) : value,
        );
      }
      case 'loop': {
        const { variable, from, to, body } = statement;
        const loop: [string, Binding] = [variable, { kind: 'loop', range: [from, to - 1] }];
        return { kind: 'loop', variable, from, to, body: to > from ? this.inner(body, [loop]) : [] };
      }
      case 'branch': {
        const selector = this.integer(statement.selector);
        if (!selector) throw new KernelError('a branch tests an integer');
        if (coefficient(selector, 'x') !== 0)
          throw new KernelError('a branch along x differs within a vector');
        return {
          kind: 'branch',
          selector,
          cases: statement.cases.map(({ numbers, body }) => ({ numbers, body: this.inner(body) })),
          otherwise: this.inner(statement.otherwise),
        };
      }
    }
  }

  private set(local: number, value: Value): Instruction {
    this.locals[local] = union(this.locals[local], value.varies);
    return { kind: 'set', local, value };
  }

  private find(name: string): Binding | undefined {
    for (let i = this.scopes.length - 1; i >= 0; i--) {
      const binding = this.scopes[i].get(name);
      if (binding) return binding;
    }
    return undefined;
  }

  private named(name: string): Value {
    const binding = this.find(name);
    if (binding?.kind === 'local') {
      return { kind: 'local', local: binding.local, varies: this.locals[binding.local] };
    }
    if (this.parameters.get(name)?.type !== 'float') throw new KernelError(`'${name}' is not a number`);
    return { kind: 'scalar', name, varies: NOWHERE };
  }

  private unary(operation: UnaryOperation, operand: Value): Value {
    return { kind: 'unary', operation, operand, varies: operand.varies };
  }

  private load(array: string, index: readonly Expression[]): Load {
    const parameter = this.parameters.get(array);
    if (parameter?.type !== 'array') throw new KernelError(`'${array}' is not an array`);
    const { extents } = parameter;
    if (this.isChecked && index.length !== extents.length)
      throw new KernelError(`'${array}' has ${extents.length} axes and is read with ${index.length} indices`);
    let element: Affine = { constant: 0, terms: new Map() };
    const gathered: GatheredIndex[] = [];
    let stride = 1;
    [...index].reverse().forEach((expression, axis) => {
      const name = `index ${index.length - 1 - axis} of '${array}'`;
      if (expression.kind === 'read')
        gathered.push({ index: this.gatheredIndex(name, expression, extents[axis]), stride });
      else element = addAffine(element, this.index(name, expression, extents[axis]), stride);
      stride *= parameter.extents[axis];
    });
    const varies = gathered.reduce(
      (all, { index }) => union(all, index.varies),
      this.affineVariation(element),
    );
    return { kind: 'load', array, element, gathered, varies };
  }

  private gatheredIndex(
    name: string,
    { array, index }: Extract<Expression, { kind: 'read' }>,
    extent: number,
  ): Load {
    const load = this.load(array, index);
    // its lanes could be read from anywhere
    if (load.varies.x) throw new KernelError(`${name} is read and differs within a vector`);
    if (this.isChecked) {
      const { symbols } = this.parameters.get(array) as Extract<Parameter, { type: 'array' }>;
      if (symbols === undefined) throw new KernelError(`${name} is not an integer`);
      checkRange(name, [0, symbols - 1], extent);
    }
    return load;
  }

  private index(name: string, expression: Expression, extent: number): Affine {
    const affine = this.integer(expression);
    if (!affine) throw new KernelError(`${name} is not affine`);
    if ([...affine.terms.values()].some(factor => factor < 0))
      throw new KernelError(`${name} falls as a variable rises`);
    if (this.isChecked) {
      const [low, high] = [0, 1].map(end =>
        [...affine.terms].reduce(
          (sum, [variable, factor]) => sum + factor * this.rangeOf(variable)[end],
          affine.constant,
        ),
      );
      checkRange(name, [low, high], extent);
    }
    return affine;
  }

  private rangeOf(variable: string): Interval {
    const binding = this.find(variable);
    if (binding?.kind === 'loop') return binding.range;
    if (variable in this.extents) return [0, this.extents[variable as Axis] - 1];
    const { value = Number.NaN } = this.parameters.get(variable) as Extract<Parameter, { type: 'integer' }>;
    return [value, value];
  }

  private checkTanh(operand: Expression): void {
    const [low, high] = limitsOf(operand);
    if (this.isChecked && !(low >= -TANH_SAFE && high <= TANH_SAFE))
      throw new KernelError(`the argument of tanh is not bounded to +-${TANH_SAFE}`);
  }

  /** `expression` as an affine integer; undefined for a float. */
  private integer(expression: Expression): Affine | undefined {
    switch (expression.kind) {
      case 'number':
        return Number.isInteger(expression.value)
          ? { constant: expression.value, terms: new Map() }
          : undefined;
      case 'thread':
        return { constant: 0, terms: new Map([[expression.axis, 1]]) };
      case 'name':
        return this.isInteger(expression)
          ? { constant: 0, terms: new Map([[expression.name, 1]]) }
          : undefined;
      case 'negate': {
        const operand = this.integer(expression.operand);
        return operand && scaleAffine(operand, -1);
      }
      case 'binary': {
        const left = this.integer(expression.left);
        const right = this.integer(expression.right);
        if (!left || !right) return undefined;
        if (expression.operator === '+') return addAffine(left, right);
        if (expression.operator === '-') return addAffine(left, right, -1);
        if (expression.operator !== '*') return undefined;
        if (left.terms.size === 0) return scaleAffine(right, left.constant);
        return right.terms.size === 0 ? scaleAffine(left, right.constant) : undefined;
      }
      default:
        return undefined;
    }
  }

  /** Whether gpu.js has an integer in `name`: a loop variable, or an argument. */
  private isInteger({ name, isInteger }: Extract<Expression, { kind: 'name' }>): boolean {
    const binding = this.find(name);
    if (!isInteger || binding?.kind === 'local') return false;
    if (!binding) this.integers.add(name);
    return true;
  }

  private affineVariation(affine: Affine): Variation {
    return { x: coefficient(affine, 'x') !== 0, y: coefficient(affine, 'y') !== 0 };
  }
}

function checkRange(name: string, [low, high]: Interval, extent: number): void {
  if (!(low >= 0 && high < extent))
    throw new KernelError(`${name} reaches ${low}..${high}, the axis has 0..${extent - 1}`);
}

/** The limits that minima and maxima with numbers set. */
function limitsOf(expression: Expression): Interval {
  if (expression.kind === 'number') return [expression.value, expression.value];
  if (expression.kind === 'negate') {
    const [low, high] = limitsOf(expression.operand);
    return [-high, -low];
  }
  const pick = expression.kind === 'call' && (expression.function === 'min' || expression.function === 'max');
  if (!pick) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const [a, b] = expression.operands.map(limitsOf);
  const extreme = Math[expression.function as 'min' | 'max'];
  return [extreme(a[0], b[0]), extreme(a[1], b[1])];
}

function binary(operation: BinaryOperation, left: Value, right: Value): Value {
  return { kind: 'binary', operation, left, right, varies: union(left.varies, right.varies) };
}

function union(a: Variation, b: Variation): Variation {
  return { x: a.x || b.x, y: a.y || b.y };
}

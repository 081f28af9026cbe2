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

/** An argument of a kernel; the extents of an array are x (contiguous) first. */
export type Parameter = { readonly name: string } & (
  | { readonly type: 'array'; readonly extents: readonly number[] }
  | { readonly type: 'float' | 'integer' }
);

const NOWHERE: Variation = { x: false, y: false };

const OPERATIONS: Readonly<Record<string, BinaryOperation>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
};

/** @throws KernelError if this compiler does not support the kernel */
export function lower(
  tree: KernelTree,
  parameters: readonly Parameter[],
  extents: Readonly<Record<Axis, number>>,
): KernelIr {
  const lowering = new Lowering(new Map(parameters.map(one => [one.name, one])));
  const body = lowering.settle(tree.body);
  return {
    extents,
    locals: lowering.locals,
    integers: lowering.integers,
    body,
    result: lowering.float(tree.result),
  };
}

type Binding = { readonly kind: 'local'; readonly local: number } | { readonly kind: 'loop' };

class Lowering {
  readonly locals: Variation[] = [];
  readonly integers = new Set<string>();
  private scopes: Map<string, Binding>[] = [new Map()];

  constructor(private readonly parameters: ReadonlyMap<string, Parameter>) {}

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

  private inner(statements: readonly Statement[], variable?: string): Instruction[] {
    this.scopes.push(new Map(variable ? [[variable, { kind: 'loop' }]] : []));
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
        return { kind: 'loop', variable, from, to, body: this.inner(body, variable) };
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
    let element: Affine = { constant: 0, terms: new Map() };
    const gathered: GatheredIndex[] = [];
    let stride = 1;
    [...index].reverse().forEach((one, axis) => {
      if (one.kind === 'read') gathered.push({ index: this.gatheredIndex(array, one), stride });
      else element = addAffine(element, this.index(array, one), stride);
      stride *= parameter.extents[axis];
    });
    const varies = gathered.reduce(
      (all, { index }) => union(all, index.varies),
      this.affineVariation(element),
    );
    return { kind: 'load', array, element, gathered, varies };
  }

  private gatheredIndex(array: string, { array: from, index }: Extract<Expression, { kind: 'read' }>): Load {
    const load = this.load(from, index);
    // its lanes could be read from anywhere
    if (load.varies.x) throw new KernelError(`an index of '${array}' that is read differs within a vector`);
    return load;
  }

  private index(array: string, expression: Expression): Affine {
    const affine = this.integer(expression);
    if (!affine) throw new KernelError(`an index of '${array}' is not affine`);
    if ([...affine.terms.values()].some(factor => factor < 0)) {
      throw new KernelError(`an index of '${array}' falls as a variable rises`);
    }
    return affine;
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
        return this.isInteger(expression.name)
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

  private isInteger(name: string): boolean {
    const binding = this.find(name);
    if (binding) return binding.kind === 'loop';
    if (this.parameters.get(name)?.type !== 'integer') return false;
    this.integers.add(name);
    return true;
  }

  private affineVariation(affine: Affine): Variation {
    return { x: coefficient(affine, 'x') !== 0, y: coefficient(affine, 'y') !== 0 };
  }
}

function binary(operation: BinaryOperation, left: Value, right: Value): Value {
  return { kind: 'binary', operation, left, right, varies: union(left.varies, right.varies) };
}

function union(a: Variation, b: Variation): Variation {
  return { x: a.x || b.x, y: a.y || b.y };
}

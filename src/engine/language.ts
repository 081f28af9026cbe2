/**
 * The language of kernels: the subset of JavaScript that the ops write. gpu.js parses a kernel and
 * infers its types; this reads what it found as a smaller tree.
 */
import type * as acorn from 'acorn';

export type Axis = 'x' | 'y' | 'z';

export type BinaryOperator = '+' | '-' | '*' | '/';

const UNARY_FUNCTIONS = ['abs', 'exp', 'log', 'sqrt', 'tanh'] as const;
const BINARY_FUNCTIONS = ['max', 'min'] as const;
export type UnaryFunction = (typeof UNARY_FUNCTIONS)[number];
export type BinaryFunction = (typeof BINARY_FUNCTIONS)[number];

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'thread'; readonly axis: Axis }
  /** A local, a loop variable or a scalar argument. */
  | { readonly kind: 'name'; readonly name: string; readonly isInteger: boolean }
  | { readonly kind: 'read'; readonly array: string; readonly index: readonly Expression[] }
  | { readonly kind: 'negate'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'call';
      readonly function: UnaryFunction | BinaryFunction;
      readonly operands: readonly Expression[];
    };

export type Selector = Extract<Expression, { kind: 'thread' | 'name' }>;

export type Statement =
  | { readonly kind: 'define'; readonly name: string; readonly mutable: boolean; readonly value: Expression }
  | { readonly kind: 'assign'; readonly name: string; readonly add: boolean; readonly value: Expression }
  | {
      readonly kind: 'loop';
      readonly variable: string;
      readonly from: number;
      /** Exclusive. */
      readonly to: number;
      readonly body: readonly Statement[];
    }
  /** The first case whose numbers contain the selector, else `otherwise`. */
  | {
      readonly kind: 'branch';
      /** A thread axis, a loop variable or an integer argument. */
      readonly selector: Selector;
      readonly cases: readonly { readonly numbers: readonly number[]; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    };

export interface KernelTree {
  readonly body: readonly Statement[];
  readonly result: Expression;
}

/** A kernel is outside of the language or breaks one of its rules. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
}

/** What gpu.js knows of the function of a kernel. */
export interface ParsedFunction {
  getJsAST(): acorn.FunctionExpression;
  /** Null or undefined for a name that nothing declares. */
  getVariableType(name: acorn.Identifier): string | null | undefined;
}

interface NodeTypes {
  AssignmentExpression: acorn.AssignmentExpression;
  BinaryExpression: acorn.BinaryExpression;
  BlockStatement: acorn.BlockStatement;
  ExpressionStatement: acorn.ExpressionStatement;
  Identifier: acorn.Identifier;
  Literal: acorn.Literal;
  MemberExpression: acorn.MemberExpression;
  ReturnStatement: acorn.ReturnStatement;
  UpdateExpression: acorn.UpdateExpression;
  VariableDeclaration: acorn.VariableDeclaration;
}

const ARGUMENTS: ReadonlyMap<string, number> = new Map([
  ...UNARY_FUNCTIONS.map(name => [name, 1] as const),
  ...BINARY_FUNCTIONS.map(name => [name, 2] as const),
]);
const BINARY_OPERATORS: readonly string[] = ['+', '-', '*', '/'] satisfies BinaryOperator[];
const AXES: readonly string[] = ['x', 'y', 'z'] satisfies Axis[];

/** What gpu.js writes before the source of a kernel, on its first line. */
const PREFIX = 'const parser_kernel = ';

/** @throws KernelError with the position of unsupported syntax */
export function readKernel(parsed: ParsedFunction): KernelTree {
  return new Reader(parsed).kernel();
}

type EsNode = acorn.Node | null | undefined;

/** Statements have the forms that `source.ts` writes; expressions are those of the ops. */
class Reader {
  constructor(private readonly parsed: ParsedFunction) {}

  kernel(): KernelTree {
    const { body } = this.parsed.getJsAST().body;
    const last = this.expect(body.at(-1), 'ReturnStatement', 'return');
    return {
      body: body.slice(0, -1).map(node => this.statement(node)),
      result: this.expression(last.argument),
    };
  }

  private statement(node: acorn.Node): Statement {
    switch ((node as acorn.Statement).type) {
      case 'VariableDeclaration':
        return this.define(node as acorn.VariableDeclaration);
      case 'ForStatement':
        return this.loop(node as acorn.ForStatement);
      case 'IfStatement':
        return this.branch(node as acorn.IfStatement);
      default: {
        const { expression } = this.expect(node, 'ExpressionStatement', 'a statement of the language');
        const { left, operator, right } = this.expect(expression, 'AssignmentExpression', 'an assignment');
        if (operator !== '=' && operator !== '+=') throw refuse(expression, 'expected = or +=', operator);
        return {
          kind: 'assign',
          name: this.name(left),
          add: operator === '+=',
          value: this.expression(right),
        };
      }
    }
  }

  private define({ kind, declarations }: acorn.VariableDeclaration): Extract<Statement, { kind: 'define' }> {
    const [{ id, init }, second] = declarations;
    if (second) throw refuse(second, 'expected ;');
    return { kind: 'define', mutable: kind === 'let', name: this.name(id), value: this.expression(init) };
  }

  /** Counts from a literal to below a literal, the only form that gpu.js never caps. */
  private loop({ init, test, update, body }: acorn.ForStatement): Statement {
    const { name: variable, value } = this.define(this.expect(init, 'VariableDeclaration', 'let'));
    const { left, operator, right } = this.expect(test, 'BinaryExpression', `${variable} <`);
    if (operator !== '<' || this.name(left) !== variable)
      throw refuse(test, `expected ${variable} <`, operator);
    const step = this.expect(update, 'UpdateExpression', `${variable}++`);
    if (step.operator !== '++' || this.name(step.argument) !== variable)
      throw refuse(step, `expected ${variable}++`, step.operator);
    const declaration = init as acorn.VariableDeclaration;
    if (value.kind !== 'number') throw refuse(declaration.declarations[0].init, 'expected a number');
    return { kind: 'loop', variable, from: value.value, to: this.number(right), body: this.block(body) };
  }

  private branch(node: acorn.IfStatement): Statement {
    const cases: { numbers: number[]; body: Statement[] }[] = [];
    let selector: Expression | undefined;
    let rest: EsNode = node;
    while (rest?.type === 'IfStatement') {
      const { test, consequent, alternate } = rest as acorn.IfStatement;
      const numbers = this.conditions(test).map(({ left, right }) => {
        selector ??= this.expression(left);
        return this.number(right);
      });
      cases.push({ numbers, body: this.block(consequent) });
      if (!alternate) throw refuse(rest, 'expected else');
      rest = alternate;
    }
    return { kind: 'branch', selector: selector as Selector, cases, otherwise: this.block(rest) };
  }

  /** The parts of `SELECTOR === LITERAL || ...`. */
  private conditions(node: acorn.Node): acorn.BinaryExpression[] {
    if (node.type === 'LogicalExpression') {
      const { left, operator, right } = node as acorn.LogicalExpression;
      if (operator === '||') return [...this.conditions(left), ...this.conditions(right)];
    }
    const condition = this.expect(node, 'BinaryExpression', '===');
    if (condition.operator !== '===') throw refuse(node, 'expected ===', condition.operator);
    return [condition];
  }

  private block(node: EsNode): Statement[] {
    return this.expect(node, 'BlockStatement', '{').body.map(statement => this.statement(statement));
  }

  private expression(node: EsNode): Expression {
    switch ((node as acorn.Expression).type) {
      case 'Literal':
        return { kind: 'number', value: this.number(node) };
      case 'Identifier': {
        const isInteger = this.parsed.getVariableType(node as acorn.Identifier) === 'Integer';
        return { kind: 'name', name: this.name(node), isInteger };
      }
      case 'UnaryExpression': {
        const { operator, argument } = node as acorn.UnaryExpression;
        if (operator !== '-') throw refuse(node, `operator ${operator} is not in the language`);
        return { kind: 'negate', operand: this.expression(argument) };
      }
      case 'BinaryExpression': {
        const { operator, left, right } = node as acorn.BinaryExpression;
        if (!BINARY_OPERATORS.includes(operator))
          throw refuse(node, `operator ${operator} is not in the language`);
        const operands = { left: this.expression(left), right: this.expression(right) };
        return { kind: 'binary', operator: operator as BinaryOperator, ...operands };
      }
      case 'CallExpression':
        return this.call(node as acorn.CallExpression);
      case 'MemberExpression':
        return this.member(node as acorn.MemberExpression);
      default:
        throw refuse(node, `${node?.type} is not in the language`);
    }
  }

  private call({ callee, arguments: operands }: acorn.CallExpression): Expression {
    const { object, property, computed } = this.expect(callee, 'MemberExpression', 'a function of Math');
    if (computed || this.name(object) !== 'Math') throw refuse(callee, 'expected a function of Math');
    const name = this.name(property);
    const count = ARGUMENTS.get(name);
    if (count === undefined) throw refuse(property, `Math.${name} is not in the language`);
    if (operands.length !== count) throw refuse(property, `Math.${name} takes ${count} arguments`);
    return {
      kind: 'call',
      function: name as UnaryFunction,
      operands: operands.map(operand => this.expression(operand)),
    };
  }

  private member(node: acorn.MemberExpression): Expression {
    if (!node.computed) {
      const axis = this.name(node.property);
      const { object, property } = this.expect(node.object, 'MemberExpression', 'this.thread');
      if (object.type !== 'ThisExpression' || this.name(property) !== 'thread')
        throw refuse(node, 'expected this.thread');
      if (!AXES.includes(axis)) throw refuse(node.property, 'expected x, y or z', axis);
      return { kind: 'thread', axis: axis as Axis };
    }
    const index: Expression[] = [];
    let array: acorn.Node = node;
    while (array.type === 'MemberExpression') {
      const { object, property } = array as acorn.MemberExpression;
      index.unshift(this.expression(property));
      array = object;
    }
    return { kind: 'read', array: this.name(array), index };
  }

  private name(node: EsNode): string {
    return this.expect(node, 'Identifier', 'a name').name;
  }

  private number(node: EsNode): number {
    const { value } = this.expect(node, 'Literal', 'a number');
    if (typeof value !== 'number') throw refuse(node, 'expected a number', String(value));
    return value;
  }

  private expect<T extends keyof NodeTypes>(node: EsNode, type: T, expected: string): NodeTypes[T] {
    if (node?.type !== type) throw refuse(node, `expected ${expected}`, node?.type);
    return node as NodeTypes[T];
  }
}

function refuse(node: EsNode, why: string, got?: string): KernelError {
  const { line, column } = node?.loc?.start ?? { line: 1, column: 0 };
  const at = line === 1 ? column - PREFIX.length : column;
  return new KernelError(`kernel ${line}:${at + 1}: ${why}${got === undefined ? '' : `, got ${got}`}`);
}

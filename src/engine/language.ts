/** The language of kernels: the subset of JavaScript that the ops write, as a tree. */
import * as acorn from 'acorn';
import { Recent } from '../util/recent.js';

export type Axis = 'x' | 'y' | 'z';

export type BinaryOperator = '+' | '-' | '*' | '/';

export const UNARY_FUNCTIONS = ['abs', 'exp', 'log', 'sqrt', 'tanh'] as const;
export const BINARY_FUNCTIONS = ['max', 'min'] as const;
export type UnaryFunction = (typeof UNARY_FUNCTIONS)[number];
export type BinaryFunction = (typeof BINARY_FUNCTIONS)[number];

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'thread'; readonly axis: Axis }
  /** A local, a loop variable or a scalar argument. */
  | { readonly kind: 'name'; readonly name: string }
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
  readonly parameters: readonly string[];
  readonly body: readonly Statement[];
  readonly result: Expression;
}

/** A kernel is outside of the language or breaks one of its rules. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
}

/** Cached, since many steps of a plan share a source, and each is checked and compiled. */
const trees = new Recent<KernelTree>(1000);

/** @throws KernelError with the position of unsupported syntax */
export function parseKernel(source: string): KernelTree {
  return trees.get(source, () => parse(source));
}

/** Statements have the forms that `source.ts` writes; expressions are those of the ops. */
function parse(source: string): KernelTree {
  const root = acorn.parseExpressionAt(source, 0, { ecmaVersion: 2020, locations: true });
  const { params, body } = root as acorn.FunctionExpression;
  const last = body.body.at(-1) as acorn.ReturnStatement;
  return {
    parameters: params.map(identifier),
    body: body.body.slice(0, -1).map(statement),
    result: expression(last.argument as acorn.Expression),
  };
}

function refuse(node: acorn.Node, why: string): KernelError {
  const { line, column } = node.loc?.start ?? { line: 0, column: 0 };
  return new KernelError(`kernel ${line}:${column + 1}: ${why}`);
}

function identifier(node: acorn.Node): string {
  if (node.type !== 'Identifier') throw refuse(node, 'a plain name is expected');
  return (node as acorn.Identifier).name;
}

function block(node: acorn.Statement): Statement[] {
  return (node as acorn.BlockStatement).body.map(statement);
}

function statement(node: acorn.Statement): Statement {
  switch (node.type) {
    case 'VariableDeclaration':
      return { kind: 'define', mutable: node.kind === 'let', ...declared(node) };
    case 'ExpressionStatement': {
      const { left, operator, right } = node.expression as acorn.AssignmentExpression;
      return { kind: 'assign', name: identifier(left), add: operator === '+=', value: expression(right) };
    }
    case 'ForStatement': {
      // counts from a literal to below a literal, the only form that gpu.js never caps
      const { name: variable, value } = declared(node.init as acorn.VariableDeclaration);
      const { right } = node.test as acorn.BinaryExpression;
      return {
        kind: 'loop',
        variable,
        from: literal(value),
        to: literal(expression(right)),
        body: block(node.body),
      };
    }
    case 'IfStatement':
      return branch(node);
    default:
      throw refuse(node, `${node.type} is not in the language`);
  }
}

function declared({ declarations: [{ id, init }] }: acorn.VariableDeclaration) {
  return { name: identifier(id), value: expression(init as acorn.Expression) };
}

function literal(expression: Expression): number {
  return (expression as Extract<Expression, { kind: 'number' }>).value;
}

function branch(node: acorn.IfStatement): Statement {
  const cases: { numbers: number[]; body: Statement[] }[] = [];
  let rest: acorn.Statement = node;
  while (rest.type === 'IfStatement') {
    const numbers = conditions(rest.test).map(({ right }) => literal(expression(right)));
    cases.push({ numbers, body: block(rest.consequent) });
    rest = rest.alternate as acorn.Statement;
  }
  const [{ left }] = conditions(node.test);
  return { kind: 'branch', selector: expression(left) as Selector, cases, otherwise: block(rest) };
}

/** The parts of `SELECTOR === LITERAL || ...`. */
function conditions(node: acorn.Expression): acorn.BinaryExpression[] {
  return node.type === 'LogicalExpression'
    ? [...conditions(node.left), ...conditions(node.right)]
    : [node as acorn.BinaryExpression];
}

function expression(
  node: acorn.Expression | acorn.PrivateIdentifier | acorn.SpreadElement | acorn.Super,
): Expression {
  switch (node.type) {
    case 'Literal':
      if (typeof node.value !== 'number') throw refuse(node, 'only number literals are in the language');
      return { kind: 'number', value: node.value };
    case 'Identifier':
      return { kind: 'name', name: node.name };
    case 'UnaryExpression':
      if (node.operator !== '-') throw refuse(node, `operator ${node.operator} is not in the language`);
      return { kind: 'negate', operand: expression(node.argument) };
    case 'BinaryExpression':
      if (!['+', '-', '*', '/'].includes(node.operator))
        throw refuse(node, `operator ${node.operator} is not in the language`);
      return {
        kind: 'binary',
        operator: node.operator as BinaryOperator,
        left: expression(node.left),
        right: expression(node.right),
      };
    case 'CallExpression':
      return call(node);
    case 'MemberExpression':
      return member(node);
    default:
      throw refuse(node, `${node.type} is not in the language`);
  }
}

function call(node: acorn.CallExpression): Expression {
  const { callee } = node;
  if (callee.type !== 'MemberExpression' || callee.computed || identifier(callee.object) !== 'Math') {
    throw refuse(node, 'only functions of Math are in the language');
  }
  const name = identifier(callee.property);
  const unary = UNARY_FUNCTIONS.includes(name as UnaryFunction);
  if (!unary && !BINARY_FUNCTIONS.includes(name as BinaryFunction))
    throw refuse(node, `Math.${name} is not in the language`);
  if (node.arguments.length !== (unary ? 1 : 2))
    throw refuse(node, `Math.${name} takes ${unary ? 1 : 2} arguments`);
  return { kind: 'call', function: name as UnaryFunction, operands: node.arguments.map(expression) };
}

function member(node: acorn.MemberExpression): Expression {
  if (!node.computed) {
    const { object, property } = node;
    const isThread =
      object.type === 'MemberExpression' &&
      object.object.type === 'ThisExpression' &&
      identifier(object.property) === 'thread';
    const axis = identifier(property);
    if (!isThread || !['x', 'y', 'z'].includes(axis))
      throw refuse(node, 'only this.thread.x, y and z are in the language');
    return { kind: 'thread', axis: axis as Axis };
  }
  const index: Expression[] = [];
  let array: acorn.Expression | acorn.Super = node;
  while (array.type === 'MemberExpression') {
    index.unshift(expression(array.property));
    array = array.object;
  }
  return { kind: 'read', array: identifier(array), index };
}

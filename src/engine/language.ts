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

function parse(source: string): KernelTree {
  const root = acorn.parseExpressionAt(source, 0, { ecmaVersion: 2020, locations: true });
  if (root.type !== 'FunctionExpression') throw refuse(root, 'a function expression is expected');
  const statements = [...root.body.body];
  const last = statements.pop();
  if (last?.type !== 'ReturnStatement' || !last.argument)
    throw refuse(root, 'the last statement must return a value');
  return {
    parameters: root.params.map(identifier),
    body: statements.map(statement),
    result: expression(last.argument),
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
  if (node.type !== 'BlockStatement') throw refuse(node, 'braces are expected');
  return node.body.map(statement);
}

function statement(node: acorn.Statement): Statement {
  switch (node.type) {
    case 'VariableDeclaration': {
      const [{ id, init }] = node.declarations;
      if (node.declarations.length !== 1 || !init || node.kind === 'var')
        throw refuse(node, 'one const or let with a value');
      return { kind: 'define', name: identifier(id), mutable: node.kind === 'let', value: expression(init) };
    }
    case 'ExpressionStatement': {
      const { expression: e } = node;
      if (e.type !== 'AssignmentExpression' || (e.operator !== '=' && e.operator !== '+=')) {
        throw refuse(node, 'only the assignments = and += are in the language');
      }
      return {
        kind: 'assign',
        name: identifier(e.left),
        add: e.operator === '+=',
        value: expression(e.right),
      };
    }
    case 'ForStatement':
      return loop(node);
    case 'IfStatement':
      return branch(node);
    default:
      throw refuse(node, `${node.type} is not in the language`);
  }
}

/** `for (let k = LITERAL; k < LITERAL; k++)`, the only form that gpu.js never caps. */
function loop(node: acorn.ForStatement): Statement {
  const { init, test, update } = node;
  const [declared] = init?.type === 'VariableDeclaration' ? init.declarations : [];
  if (
    !declared?.init ||
    test?.type !== 'BinaryExpression' ||
    test.operator !== '<' ||
    update?.type !== 'UpdateExpression'
  ) {
    throw refuse(node, 'a loop counts up from a literal to below a literal');
  }
  const variable = identifier(declared.id);
  if (
    identifier(test.left) !== variable ||
    identifier(update.argument) !== variable ||
    update.operator !== '++'
  ) {
    throw refuse(node, 'a loop counts its own variable up by one');
  }
  const from = integer(declared.init);
  const to = integer(test.right);
  return { kind: 'loop', variable, from, to, body: block(node.body) };
}

function integer(node: acorn.Node): number {
  const { value } = node as acorn.Literal;
  if (node.type !== 'Literal' || !Number.isInteger(value))
    throw refuse(node, 'an integer literal is expected');
  return value as number;
}

function branch(node: acorn.IfStatement): Statement {
  const cases: { numbers: number[]; body: Statement[] }[] = [];
  let selector: Selector | undefined;
  let rest: acorn.Statement | null | undefined = node;
  while (rest?.type === 'IfStatement') {
    const [tested, numbers] = condition(rest.test);
    selector ??= tested;
    if (!isSame(tested, selector)) throw refuse(rest, 'the cases of a branch test one integer');
    cases.push({ numbers, body: block(rest.consequent) });
    rest = rest.alternate;
  }
  if (!selector || !rest) throw refuse(node, 'a branch ends in else');
  return { kind: 'branch', selector, cases, otherwise: block(rest) };
}

/** `SELECTOR === LITERAL || ...`. */
function condition(node: acorn.Expression): [Selector, number[]] {
  if (node.type === 'LogicalExpression' && node.operator === '||') {
    const [left, numbers] = condition(node.left);
    const [right, more] = condition(node.right);
    if (!isSame(left, right)) throw refuse(node, 'a condition tests one integer');
    return [left, [...numbers, ...more]];
  }
  if (node.type !== 'BinaryExpression' || node.operator !== '===')
    throw refuse(node, 'a condition is an equality');
  const tested = expression(node.left);
  if (tested.kind !== 'thread' && tested.kind !== 'name') {
    throw refuse(node, 'a condition tests a thread axis, a loop variable or an argument');
  }
  return [tested, [integer(node.right)]];
}

function isSame(a: Selector, b: Selector): boolean {
  return a.kind === 'thread'
    ? b.kind === 'thread' && a.axis === b.axis
    : b.kind === 'name' && a.name === b.name;
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

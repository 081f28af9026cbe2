/** The language of kernels: the subset of JavaScript that the ops write, as a tree. */
import { Recent } from '../util/recent.js';

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
  return trees.get(source, () => new Parser(source).kernel());
}

interface Token {
  readonly text: string;
  /** Offset in the source. */
  readonly at: number;
}

/** Numbers, names, and operators of more than one character; anything else is one character. */
const TOKEN = /\d+(?:\.\d+)?(?:e[+-]?\d+)?|[A-Za-z_]\w*|===|\|\||\+=|\+\+|\S/g;
const NUMBER = /^\d/;
const NAME = /^[A-Za-z_]/;
const ARGUMENTS: ReadonlyMap<string, number> = new Map([
  ...UNARY_FUNCTIONS.map(name => [name, 1] as const),
  ...BINARY_FUNCTIONS.map(name => [name, 2] as const),
]);
const AXES: readonly string[] = ['x', 'y', 'z'] satisfies Axis[];

/** Statements have the forms that `source.ts` writes; expressions are those of the ops. */
class Parser {
  private readonly tokens: readonly Token[];
  private next = 0;

  constructor(private readonly source: string) {
    const end = { text: 'the end', at: source.length };
    this.tokens = [...Array.from(source.matchAll(TOKEN), ({ 0: text, index: at }) => ({ text, at })), end];
  }

  kernel(): KernelTree {
    this.take('function', '(');
    const parameters = this.list(')', () => this.name());
    this.take('{');
    const body: Statement[] = [];
    while (!this.accept('return')) body.push(this.statement());
    const result = this.expression();
    this.take(';', '}');
    return { parameters, body, result };
  }

  private statement(): Statement {
    const isConstant = this.accept('const');
    if (isConstant || this.accept('let')) {
      const name = this.name();
      this.take('=');
      return { kind: 'define', mutable: !isConstant, name, value: this.ended() };
    }
    if (this.accept('for')) return this.loop();
    if (this.accept('if')) return this.branch();
    const name = this.name();
    const add = this.accept('+=');
    if (!add) this.take('=');
    return { kind: 'assign', name, add, value: this.ended() };
  }

  /** Counts from a literal to below a literal, the only form that gpu.js never caps. */
  private loop(): Statement {
    this.take('(', 'let');
    const variable = this.name();
    this.take('=');
    const from = this.number();
    this.take(';', variable, '<');
    const to = this.number();
    this.take(';', variable, '++', ')');
    return { kind: 'loop', variable, from, to, body: this.block() };
  }

  private branch(): Statement {
    const cases: { numbers: number[]; body: Statement[] }[] = [];
    let selector: Expression;
    do {
      this.take('(');
      const numbers: number[] = [];
      do {
        selector = this.primary();
        this.take('===');
        numbers.push(this.number());
      } while (this.accept('||'));
      this.take(')');
      cases.push({ numbers, body: this.block() });
      this.take('else');
    } while (this.accept('if'));
    return { kind: 'branch', selector: selector as Selector, cases, otherwise: this.block() };
  }

  private block(): Statement[] {
    this.take('{');
    const body: Statement[] = [];
    while (!this.accept('}')) body.push(this.statement());
    return body;
  }

  private ended(): Expression {
    const value = this.expression();
    this.take(';');
    return value;
  }

  private expression(): Expression {
    return this.chain(['+', '-'], () => this.chain(['*', '/'], () => this.factor()));
  }

  private chain(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = operators.find(one => this.accept(one));
      if (!operator) return left;
      left = { kind: 'binary', operator, left, right: operand() };
    }
  }

  private factor(): Expression {
    return this.accept('-') ? { kind: 'negate', operand: this.factor() } : this.primary();
  }

  private primary(): Expression {
    if (NUMBER.test(this.token.text)) return { kind: 'number', value: this.number() };
    if (this.accept('(')) {
      const value = this.expression();
      this.take(')');
      return value;
    }
    if (this.accept('this')) {
      this.take('.', 'thread', '.');
      if (!AXES.includes(this.token.text)) throw this.unexpected('x, y or z');
      return { kind: 'thread', axis: this.advance() as Axis };
    }
    if (this.accept('Math')) return this.call();
    const name = this.name();
    const index: Expression[] = [];
    while (this.accept('[')) {
      index.push(this.expression());
      this.take(']');
    }
    return index.length > 0 ? { kind: 'read', array: name, index } : { kind: 'name', name };
  }

  private call(): Expression {
    this.take('.');
    const { text, at } = this.token;
    const count = ARGUMENTS.get(text);
    if (count === undefined) throw this.unexpected('a function of the language');
    this.next++;
    this.take('(');
    const operands = this.list(')', () => this.expression());
    if (operands.length !== count) throw this.refusal(at, `Math.${text} takes ${count} arguments`);
    return { kind: 'call', function: text as UnaryFunction, operands };
  }

  /** What commas separate, up to `end`. */
  private list<T>(end: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.accept(end)) return items;
    do items.push(item());
    while (this.accept(','));
    this.take(end);
    return items;
  }

  private name(): string {
    if (!NAME.test(this.token.text)) throw this.unexpected('a name');
    return this.advance();
  }

  private number(): number {
    if (!NUMBER.test(this.token.text)) throw this.unexpected('a number');
    return Number(this.advance());
  }

  private take(...texts: readonly string[]): void {
    for (const text of texts) if (!this.accept(text)) throw this.unexpected(text);
  }

  private accept(text: string): boolean {
    const isNext = this.token.text === text;
    if (isNext) this.next++;
    return isNext;
  }

  private advance(): string {
    const { text } = this.token;
    this.next++;
    return text;
  }

  private get token(): Token {
    return this.tokens[Math.min(this.next, this.tokens.length - 1)];
  }

  private unexpected(expected: string): KernelError {
    return this.refusal(this.token.at, `expected ${expected}, got ${this.token.text}`);
  }

  private refusal(at: number, why: string): KernelError {
    const lines = this.source.slice(0, at).split('\n');
    return new KernelError(`kernel ${lines.length}:${lines[lines.length - 1].length + 1}: ${why}`);
  }
}

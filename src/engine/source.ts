/** Writes the source of a kernel: the expression of a node and of all nodes fused into it. */
import type { Node } from '../math/graph/node.js';
import type { Expression, Index, KernelWriter, Op, Reader } from '../math/graph/op.js';

export interface Fusion {
  /** The nodes that are kernels, in the order in which they can run. */
  readonly kernels: readonly Node[];
  /** Whether `node` is a kernel's result or an input, not fused into its reader. */
  isStored(node: Node): boolean;
}

/**
 * What a kernel reads: a stored tensor, a scalar input of the graph, or an integer fixed when the
 * plan is made.
 */
export type Operand = Node | number;

export interface KernelArgument {
  readonly name: string;
  readonly type: 'Input' | 'Float' | 'Integer';
}

export interface KernelText {
  /** A JavaScript function expression in the subset that gpu.js compiles. */
  readonly source: string;
  readonly arguments: readonly KernelArgument[];
  readonly operands: readonly Operand[];
}

/** gpu.js's names for the output's axes, from the last axis backwards. */
const THREADS = ['this.thread.x', 'this.thread.y', 'this.thread.z'];

/** Kernels have at most three axes; so must every stored tensor. */
export const MAX_AXES = THREADS.length;

export function writeKernel(root: Node, fusion: Fusion): KernelText {
  const writer = new SourceWriter(fusion);
  const index = root.shape.map((_, axis) => THREADS[root.shape.length - 1 - axis]);
  return writer.finish(writer.value(root, index));
}

interface Scope {
  readonly lines: string[];
  /** The named expressions of this scope. */
  readonly names: Map<string, Expression>;
}

class SourceWriter implements KernelWriter {
  private scopes: Scope[] = [{ lines: [], names: new Map() }];
  private readonly arguments: KernelArgument[] = [];
  private readonly operands: Operand[] = [];
  private variables = 0;

  constructor(private readonly fusion: Fusion) {}

  finish(result: Expression): KernelText {
    const body = [...this.scope.lines, `return ${result};`].map(line => `  ${line}\n`).join('');
    const names = this.arguments.map(argument => argument.name).join(', ');
    return { source: `function (${names}) {\n${body}}`, arguments: this.arguments, operands: this.operands };
  }

  /**
   * The element of `node` at `index`, computed here even if the node is stored: `node` is the
   * kernel's own.
   */
  value(node: Node, index: Index): Expression {
    const { op } = node;
    if (!op) return this.read(node, index);
    return op.emit(this, this.readers(node), index, node);
  }

  private readers(node: Node): Reader[] {
    return node.inputs.map(input => {
      const read = (index: Index) => this.read(input, index);
      if (!this.sums(input)) return read;
      const from = (start: Expression, index: Index) =>
        (input.op as Op).emit(this, this.readers(input), index, input, start);
      return Object.assign(read, { from });
    });
  }

  /** Whether this kernel computes `node` with loops that can start at any value. */
  private sums(node: Node): boolean {
    if (this.fusion.isStored(node) || !node.op?.accumulates) return false;
    return node.op.kind === 'reduction' || node.inputs.some(input => this.sums(input));
  }

  define(value: Expression): Expression {
    if (/^[\w.]+$/.test(value)) return value;
    return this.once(value, () => {
      const name = this.fresh('v');
      this.line(`const ${name} = ${value};`);
      return name;
    });
  }

  sum(extents: readonly number[], term: (variables: Index) => Expression, start = '0'): Expression {
    const total = this.fresh('s');
    this.line(`let ${total} = ${start};`);
    const nest = (rest: readonly number[], variables: Index) => {
      if (rest.length === 0) this.line(`${total} += ${term(variables)};`);
      else this.loop(rest[0], 0, variable => nest(rest.slice(1), [...variables, variable]));
    };
    nest(extents, []);
    return total;
  }

  max(extent: number, term: (variable: Expression) => Expression): Expression {
    const largest = this.fresh('m');
    const first = term('0');
    this.line(`let ${largest} = ${first};`);
    this.loop(extent, 1, variable => this.line(`${largest} = Math.max(${largest}, ${term(variable)});`));
    return largest;
  }

  choose(selector: Expression, cases: readonly (() => Expression)[]): Expression {
    if (/^\d+$/.test(selector)) return cases[Number(selector)]();
    const result = this.fresh('c');
    const branches = this.distinct(cases, result);
    if (branches.length === 1) {
      this.scope.lines.push(`let ${result} = 0;`, ...branches[0].lines);
      return result;
    }
    this.line(`let ${result} = 0;`);
    branches.forEach(({ selected, lines }, i) => {
      const condition = selected.map(label => `${selector} === ${label}`).join(' || ');
      const last = i === branches.length - 1;
      this.line(`${i === 0 ? '' : '} else '}${last ? '' : `if (${condition}) `}{`);
      for (const line of lines) this.line(`  ${line}`);
    });
    this.line('}');
    return result;
  }

  parameter(value: number): Expression {
    return this.argument(value, 'Integer', 'p');
  }

  private read(node: Node, index: Index): Expression {
    if (!this.fusion.isStored(node)) {
      return this.once(`${node.id}@${index.join()}`, () => this.value(node, index));
    }
    if (node.shape.length === 0) return this.argument(node, 'Float', 'f');
    return `${this.argument(node, 'Input', 'a')}${index.map(at => `[${at}]`).join('')}`;
  }

  private argument(operand: Operand, type: KernelArgument['type'], prefix: string): string {
    let at = this.operands.indexOf(operand);
    if (at < 0 || typeof operand === 'number') {
      at = this.operands.length;
      this.operands.push(operand);
      this.arguments.push({ name: `${prefix}${at}`, type });
    }
    return this.arguments[at].name;
  }

  private loop(extent: number, from: number, body: (variable: Expression) => void): void {
    const variable = this.fresh('k');
    this.line(`for (let ${variable} = ${from}; ${variable} < ${extent}; ${variable}++) {`);
    for (const line of this.within(() => body(variable))) this.line(`  ${line}`);
    this.line('}');
  }

  /** The cases by number of statements, the most common last (it needs no condition). */
  private distinct(
    cases: readonly (() => Expression)[],
    result: string,
  ): { selected: number[]; lines: string[] }[] {
    const branches = new Map<string, { selected: number[]; lines: string[] }>();
    const start = this.variables;
    let end = start;
    cases.forEach((switchCase, number) => {
      this.variables = start; // equal cases get equal names, so that they are seen to be equal
      const lines = this.within(() => this.line(`${result} = ${switchCase()};`));
      end = Math.max(end, this.variables);
      const text = lines.join('\n');
      const branch = branches.get(text);
      if (branch) branch.selected.push(number);
      else branches.set(text, { selected: [number], lines });
    });
    this.variables = end;
    return [...branches.values()].sort((a, b) => a.selected.length - b.selected.length);
  }

  private within(body: () => void): string[] {
    const scope: Scope = { lines: [], names: new Map() };
    this.scopes.push(scope);
    body();
    this.scopes.pop();
    return scope.lines;
  }

  /** The name of `key` in an enclosing scope; otherwise `make` creates it here. */
  private once(key: string, make: () => Expression): Expression {
    for (const { names } of this.scopes) {
      const known = names.get(key);
      if (known !== undefined) return known;
    }
    const name = make();
    this.scope.names.set(key, name);
    return name;
  }

  private fresh(prefix: string): string {
    return `${prefix}${this.variables++}`;
  }

  private line(text: string): void {
    this.scope.lines.push(text);
  }

  private get scope(): Scope {
    return this.scopes[this.scopes.length - 1];
  }
}

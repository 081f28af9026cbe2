/** The graph: immutable, shaped nodes. Equal nodes are one object (hash-consing). */
import type { Op } from './op.js';
import { requireShape, type Shape, shapeText } from './shape.js';

export interface Node<A = unknown> {
  readonly graph: Graph;
  /** In the order of creation; inputs come before their readers. */
  readonly id: number;
  /** Absent for an input of the graph, which has a name. */
  readonly op?: Op<A>;
  readonly name?: string;
  /** V: values of this input are integers from 0 to V - 1, which the caller guarantees. */
  readonly symbols?: number | undefined;
  /** Set if the value of this input changes only when the model is trained. */
  readonly isParameter?: boolean | undefined;
  readonly attributes: A;
  readonly inputs: readonly Node[];
  readonly shape: Shape;
}

export class Graph {
  private readonly known = new Map<string, Node>();
  private readonly list: Node[] = [];

  get nodes(): readonly Node[] {
    return this.list;
  }

  /** A value of each run. Only an input with `symbols` may be an index into another tensor. */
  input(
    name: string,
    shape: Shape,
    { symbols, isParameter }: Pick<Node, 'symbols' | 'isParameter'> = {},
  ): Node {
    const parts = { name, symbols, isParameter, attributes: undefined, inputs: [], shape };
    const node = this.intern(`input:${name}`, parts);
    requireShape(
      node.shape.join() === shape.join(),
      name,
      `input already has shape ${shapeText(node.shape)}`,
    );
    requireShape(node.symbols === symbols, name, `input already has ${node.symbols ?? 'no'} symbols`);
    return node;
  }

  apply<A>(op: Op<A>, inputs: readonly Node[], attributes: A): Node<A> {
    const key = `${op.name}(${inputs.map(input => input.id).join()})${JSON.stringify(attributes) ?? ''}`;
    const shape = op.shape(
      inputs.map(input => input.shape),
      attributes,
    );
    return this.intern(key, { op: op as Op, attributes, inputs, shape }) as Node<A>;
  }

  private intern(key: string, parts: Omit<Node, 'graph' | 'id'>): Node {
    let node = this.known.get(key);
    if (!node) {
      node = Object.freeze({ graph: this, id: this.list.length, ...parts });
      this.known.set(key, node);
      this.list.push(node);
    }
    return node;
  }
}

/** A program: named results of one graph. */
export interface Program {
  readonly graph: Graph;
  readonly outputs: ReadonlyMap<string, Node>;
  /** The results that its first part computes, if it can run in two. */
  readonly first?: ReadonlySet<string>;
  /** Its cells, for those who look into them. */
  readonly cells?: readonly CellNodes[];
}

/** One step of a direction of a layer. */
export interface CellNodes {
  /** Its place among the directions of the block. */
  readonly unit: number;
  /** From the start of the block. */
  readonly step: number;
  readonly states: readonly Node[];
  /** What it reads: the outputs of the layer below, and the states before. */
  readonly outside: readonly Node[];
}

/** The part of a program to run. The second part reads arrays that the first one keeps. */
export interface ProgramPart<A> {
  readonly isFirst: boolean;
  readonly kept: A;
}

/** A program that is created when first needed; equal keys mean equal programs. */
export interface KeyedProgram {
  readonly key: string;
  make(): Program;
}

/** The nodes that `roots` depend on, inputs before readers; not `outside`, and what is behind. */
export function reachable(roots: Iterable<Node>, outside: Iterable<Node> = []): Node[] {
  const left = new Set(outside);
  const seen = new Set<Node>();
  const pending = [...roots];
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (seen.has(node) || left.has(node)) continue;
    seen.add(node);
    pending.push(...node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

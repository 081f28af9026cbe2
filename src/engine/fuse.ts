/**
 * Decides which nodes of a graph become kernels and which are written into the kernels that read
 * them.
 *
 * A node that is written into its reader costs no memory traffic, but is computed once for each
 * read. So:
 * - views are always written into their readers, layout copies never;
 * - what is read once is written into its reader, a reduction only where that reader is pointwise;
 * - a unary function of something that is stored anyway is computed again rather than stored a
 *   second time;
 * - everything else is stored. A kernel reads a bounded number of arrays (a limit of WebGPU); where
 *   fusing would exceed it, the part with the most operands is stored. That is also what cuts a
 *   long sum of products into groups with a running total.
 */
import { type Node, type Program, reachable } from '../math/graph/node.js';

/** WebGPU guarantees 8 storage buffers per stage; one of them is the result. */
export const MAX_ARRAY_ARGUMENTS = 7;

export interface Fusion {
  /** The nodes that are kernels, in the order in which they can run. */
  readonly kernels: readonly Node[];
  /** Whether `node` is a kernel's result or an input, not fused into its reader. */
  isStored(node: Node): boolean;
}

export function fuse(program: Program): Fusion {
  const outputs = new Set(program.outputs.values());
  const nodes = reachable(outputs);
  const readers = readersOf(nodes);
  const inlined = new Set<Node>();
  /** How often each element of a node would be computed if it were fused into its readers. */
  const uses = new Map<Node, number>();
  for (const node of [...nodes].reverse()) {
    uses.set(node, countUses(node, readers, inlined, uses));
    if (!outputs.has(node) && mayInline(node, readers, inlined, uses)) inlined.add(node);
  }
  boundOperands(nodes, inlined);
  return {
    kernels: nodes.filter(node => node.op && !inlined.has(node)),
    isStored: node => !inlined.has(node),
  };
}

type Readers = ReadonlyMap<Node, ReadonlySet<Node>>;

function readersOf(nodes: readonly Node[]): Readers {
  const readers = new Map<Node, Set<Node>>(nodes.map(node => [node, new Set()]));
  for (const node of nodes) {
    for (const input of node.inputs) readers.get(input)?.add(node);
  }
  return readers;
}

function countUses(
  node: Node,
  readers: Readers,
  inlined: ReadonlySet<Node>,
  uses: ReadonlyMap<Node, number>,
): number {
  let total = 0;
  for (const reader of readers.get(node) ?? []) {
    const times = inlined.has(reader) ? (uses.get(reader) ?? 0) : 1;
    total += reader.op?.readsOnce ? times : Number.POSITIVE_INFINITY;
  }
  return total;
}

function mayInline(
  node: Node,
  readers: Readers,
  inlined: ReadonlySet<Node>,
  uses: ReadonlyMap<Node, number>,
): boolean {
  const times = uses.get(node) ?? 0;
  switch (node.op?.kind) {
    case undefined:
    case 'copy':
      return false;
    case 'view':
      return true;
    case 'reduction':
      return times === 1 && endsPointwise(node, readers, inlined);
    case 'pointwise':
      return times === 1 && !isCopied(node, readers);
    case 'unary':
      if (isCopied(node, readers)) return false;
      return times === 1 || (Number.isFinite(times) && isStoredAnyway(node.inputs[0], node, readers));
  }
}

/** Whether every reader of `node`, up to the kernel it ends in, computes element by element. */
function endsPointwise(node: Node, readers: Readers, inlined: ReadonlySet<Node>): boolean {
  return [...(readers.get(node) ?? [])].every(
    reader =>
      (reader.op?.kind === 'pointwise' || reader.op?.kind === 'unary') &&
      (!inlined.has(reader) || endsPointwise(reader, readers, inlined)),
  );
}

/**
 * Whether a layout copy reads `node`. It reads along the wrong axis, so nothing should be fused
 * into it.
 */
function isCopied(node: Node, readers: Readers): boolean {
  return [...(readers.get(node) ?? [])].some(reader => reader.op?.kind === 'copy');
}

/** Whether `node` is an input or has another reader than `except`, seen through views. */
function isStoredAnyway(node: Node, except: Node, readers: Readers): boolean {
  if (!node.op) return true;
  if (node.op.kind === 'view') return node.inputs.every(input => isStoredAnyway(input, node, readers));
  return [...(readers.get(node) ?? [])].some(reader => reader !== except);
}

/** Takes nodes out of `inlined` until no kernel reads more than MAX_ARRAY_ARGUMENTS arrays. */
function boundOperands(nodes: readonly Node[], inlined: Set<Node>): void {
  const operands = new Map<Node, Set<Node>>();
  const of = (node: Node) => (inlined.has(node) ? (operands.get(node) ?? new Set([node])) : new Set([node]));
  for (const node of nodes) {
    if (!node.op) continue;
    for (;;) {
      const all = new Set(
        node.inputs.flatMap(input => [...of(input)]).filter(operand => operand.shape.length > 0),
      );
      operands.set(node, all);
      if (all.size <= MAX_ARRAY_ARGUMENTS) break;
      const [heaviest] = node.inputs
        .filter(input => inlined.has(input) && input.op?.kind !== 'view' && of(input).size > 1)
        .sort((a, b) => of(b).size - of(a).size);
      if (!heaviest)
        throw new Error(`${node.op.name} reads ${all.size} arrays, more than ${MAX_ARRAY_ARGUMENTS}`);
      inlined.delete(heaviest);
    }
  }
}

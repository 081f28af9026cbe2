import { Graph, type Node, type Program } from '../../../src/math/graph/node.js';
import { sizeOf } from '../../../src/math/graph/shape.js';
import { broadcast } from '../../../src/math/ops/broadcast.js';
import { contract } from '../../../src/math/ops/contract.js';
import { activate } from '../../../src/math/ops/elementwise.js';
import { addAll } from '../../../src/math/ops/index.js';
import { RandomStream } from '../../../src/util/random.js';
import type { BenchCase } from '../cases.js';

const GATES = 4;

export interface KernelWork {
  readonly program: Program;
  readonly values: Readonly<Record<string, Float32Array>>;
}

/** `repeats` kernels over inputs of their own and common weights, as one program. */
export function kernelWork(one: BenchCase): KernelWork {
  const graph = new Graph();
  const random = RandomStream.of(0, one.id);
  const values: Record<string, Float32Array> = {};
  const input = (name: string, shape: readonly number[]) => {
    values[name] ??= Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() * 2 - 1);
    return graph.input(name, shape);
  };
  const build = one.benchmark === 'matmul' ? product : gateKernel;
  const outputs = new Map<string, Node>();
  for (let i = 0; i < one.repeats; i++) outputs.set(`result.${i}`, build(one, i, input));
  return { program: { graph, outputs }, values };
}

type MakeInput = (name: string, shape: readonly number[]) => Node;

/** `[B, 2H] x [2H, 4H]`: the work of a gate kernel, without what is fused into it. */
function product({ hidden_size: h, batch_size: b }: BenchCase, i: number, input: MakeInput): Node {
  return contract('bk,kj->bj', input(`x.${i}`, [b, 2 * h]), input('weight', [2 * h, GATES * h]));
}

/**
 * The LSTM's gates `[4, B, H]`: two products of K = H, both biases, the activations; weights
 * transposed beforehand.
 */
function gateKernel({ hidden_size: h, batch_size: b }: BenchCase, i: number, input: MakeInput): Node {
  const shape = [GATES, b, h];
  const term = (name: string) =>
    contract('bk,gkj->gbj', input(`${name}.${i}`, [b, h]), input(`weight_${name}h`, [GATES, h, h]));
  const bias = (name: string) => broadcast(input(name, [GATES, h]), shape, [0, 2]);
  const sum = addAll([term('i'), term('h'), bias('bias_ih'), bias('bias_hh')]);
  return activate(sum, ['sigmoid', 'sigmoid', 'tanh', 'sigmoid']);
}

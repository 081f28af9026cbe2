/**
 * Attention of a decoder to the encoder's outputs: each step of the decoder weights them by a score
 * of its own output h and each of theirs, e, and reads their sum, the context. Scores by Luong et
 * al. (2015), dot and general, and by Bahdanau et al. (2015), additive.
 */
import type { Node } from '../graph/node.js';
import { broadcast, sum } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { add, affine, exponential, multiply, subtract, tanh } from '../ops/elementwise.js';
import { addAll } from '../ops/index.js';
import { logSumExp } from '../ops/log_sum_exp.js';
import { select } from '../ops/stack.js';
import { transpose } from '../ops/transpose.js';
import { partName } from './parameters.js';
import type { AttentionName } from './settings.js';

export interface Attended {
  /** The encoder's outputs, [T, B, D] in parts. */
  readonly memory: readonly Node[];
  /** 1 within a sequence and 0 after its end, [T, B]; null if all are equally long. */
  readonly mask: Node | null;
  /** By their names in the attention. */
  readonly weights: ReadonlyMap<string, Node>;
}

export interface Read {
  /** tanh(W [context, h]): what the head reads instead of the decoder's output h. */
  readonly output: Node;
  /** The weights of the encoder's outputs, [B, T], or [B, S, T] for S steps. */
  readonly alpha: Node;
}

/**
 * Reads the memory at the decoder's outputs [S, B, H]: either all steps at once, as products of
 * matrices with the batch outermost; or, for additive scores, which need a tanh for each pair of
 * steps, one step after the other, [B, H] each.
 */
export function attend(kind: AttentionName, outputs: readonly Node[], attended: Attended): readonly Read[] {
  return kind === 'additive'
    ? attendByStep(outputs, attended)
    : outputs.map(output => attendAtOnce(output, attended));
}

/** Without the weight of general scores they are those of dot. */
function attendAtOnce(output: Node, { memory, mask, weights }: Attended): Read {
  const encoded = memory.map(part => transpose(part, [1, 0, 2]));
  const rows = transpose(output, [1, 0, 2]);
  const weight = weights.get('attention.weight');
  const scores = addAll(
    encoded.map((part, i) => {
      const query = weight ? contract('bsh,dh->bsd', rows, select(weight, i)) : rows;
      return contract('bsd,btd->bst', query, part);
    }),
  );
  const alpha = softmax(scores, mask);
  const contexts = encoded.map(part => contract('bst,btd->bsd', alpha, part));
  return { output: combine('bsd,jd->sbj', [...contexts, rows], weights), alpha };
}

function attendByStep(outputs: readonly Node[], { memory, mask, weights }: Attended): readonly Read[] {
  const encoded = memory.map(part => transpose(part, [1, 0, 2]));
  const keys = addAll(
    encoded.map((part, i) => contract('btd,hd->bht', part, weights.get(partName('attention.weight_e', i))!)),
  );
  const v = broadcast(weights.get('attention.v')!, keys.shape, [1]);
  return outputs.map(output => {
    const query = contract('bk,hk->bh', output, weights.get('attention.weight_h')!);
    const energies = tanh(add(broadcast(query, keys.shape, [0, 1]), keys));
    const alpha = softmax(sum(multiply(energies, v), [0, 2]), mask);
    const contexts = encoded.map(part => contract('bt,btd->bd', alpha, part));
    return { output: combine('bd,jd->bj', [...contexts, output], weights), alpha };
  });
}

/** Far below every score, and far from the limits of float32. */
const LOWEST = -1e30;

/** Over the last axis, which is the steps of the encoder; 0 where the mask is. */
function softmax(scores: Node, mask: Node | null): Node {
  const axes = scores.shape.map((_, axis) => axis);
  const [first] = axes;
  const last = axes.length - 1;
  const floor =
    mask && broadcast(affine(transpose(mask, [1, 0]), -LOWEST, LOWEST), scores.shape, [first, last]);
  const bounded = floor ? add(scores, floor) : scores;
  return exponential(subtract(bounded, broadcast(logSumExp(bounded), scores.shape, axes.slice(0, -1))));
}

function combine(notation: string, parts: readonly Node[], weights: ReadonlyMap<string, Node>): Node {
  const products = parts.map((part, i) =>
    contract(notation, part, weights.get(partName('combine.weight', i))!),
  );
  return tanh(addAll(products));
}

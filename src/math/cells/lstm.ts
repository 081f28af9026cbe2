import { boolean, described, integer } from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import { contract } from '../ops/contract.js';
import { activate, add, multiply, tanh } from '../ops/elementwise.js';
import { addAll } from '../ops/index.js';
import { layerNorm } from '../ops/layer_norm.js';
import { select } from '../ops/stack.js';
import {
  type CellElsewhere,
  type CellWeights,
  cell,
  gateBias,
  gateWeight,
  type ParameterShape,
  type StepInput,
  spreadBias,
} from './cell.js';

const GATES = 4;

/**
 * Long short-term memory, as torch.nn.LSTM defines it (gate order i, f, g, o):
 *
 *     i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)        c' = f * c + i * g
 *     f = sigmoid(W_if x + b_if + W_hf h + b_hf)        h' = o * tanh(c')
 *     g = tanh   (W_ig x + b_ig + W_hg h + b_hg)
 *     o = sigmoid(W_io x + b_io + W_ho h + b_ho)
 *
 * Hochreiter and Schmidhuber (1997), with the forget gate of Gers, Schmidhuber and Cummins (2000).
 * x [B, F], h and c [B, H]. The four gates are one tensor `[4, B, H]`, computed by one product.
 *
 * With a projection of size P, h' = W_hr (o * tanh(c')) is `[B, P]` (Sak, Senior and Beaufays,
 * 2014).
 *
 * With layer normalization (Ba, Kiros and Hinton, 2016), all gates of a product are normalized
 * together:
 *
 *     i, f, g, o from LN(W_i x; norm_ih) + b_i + LN(W_h h; norm_hh) + b_h
 *     c' = LN(f * c + i * g; norm_c)
 *
 * The next step reads the normalized c', as in PyTorch's LayerNormLSTMCell (benchmarks/fastrnns);
 * the paper normalizes it for h' only.
 */
export const lstm = cell({
  cell: 'lstm',
  ...described({
    description: 'Long short-term memory (Hochreiter and Schmidhuber, 1997), with the gate order i, f, g, o.',
  }),
  gates: ['i', 'f', 'g', 'o'],
  keys: {
    projection_size: integer({
      description:
        "Size of the projected output, smaller than `hidden_size` (PyTorch's `proj_size`). Default: no projection.",
      min: 1,
      max: 16384,
      examples: [64],
      aliases: ['proj_size', 'projection', 'proj', 'num_proj'],
    }),
    layer_norm: boolean({
      description:
        'Whether to normalize both matrix products and the cell state (Ba, Kiros and Hinton, 2016).',
      default: false,
      examples: [true],
      aliases: ['layernorm', 'layer_normalization', 'norm', 'normalize'],
    }),
  },
  states: ({ hidden_size, projection_size }) => [
    { name: 'h', size: projection_size || hidden_size },
    { name: 'c', size: hidden_size },
  ],

  parameters(inputSize, { hidden_size, projection_size, layer_norm }) {
    const weight_ih = {
      ...gateWeight('weight_ih', GATES, hidden_size, inputSize),
      readsInput: true,
    } as const;
    const weight_hh = gateWeight('weight_hh', GATES, hidden_size, projection_size || hidden_size);
    const [bias_ih, bias_hh] = ['bias_ih', 'bias_hh'].map(name => gateBias(name, GATES, hidden_size));
    const tensors = layer_norm
      ? [weight_ih, bias_ih, weight_hh, bias_hh, ...normParameters(hidden_size)]
      : [weight_ih, weight_hh, bias_ih, bias_hh];
    if (!projection_size) return tensors;
    const shape = [projection_size, hidden_size];
    return [...tensors, { name: 'weight_hr', shape, graphShape: shape }];
  },

  step(input, states, weights, { layer_norm, projection_size }) {
    const sums = layer_norm ? normalisedSums(input, states, weights) : plainSums(input, states, weights);
    const gates = activate(sums, ['sigmoid', 'sigmoid', 'tanh', 'sigmoid']);
    const [i, f, g, o] = [0, 1, 2, 3].map(gate => select(gates, gate));
    const written = multiply(i, g);
    const cell = states ? add(multiply(f, states[1]), written) : written;
    const c = layer_norm ? layerNorm(cell, 0, weights.norm_c_weight, weights.norm_c_bias) : cell;
    const h = multiply(o, tanh(c));
    return [projection_size ? contract('bk,jk->bj', h, weights.weight_hr) : h, c];
  },
});

function normParameters(hiddenSize: number): ParameterShape[] {
  const pair = (norm: string, shape: Omit<ParameterShape, 'name'>) => [
    { ...shape, name: `${norm}_weight`, initial: 1 },
    { ...shape, name: `${norm}_bias`, initial: 0 },
  ];
  const gates = gateBias('', GATES, hiddenSize);
  const cell = { shape: [hiddenSize], graphShape: [hiddenSize] };
  return [...pair('norm_ih', gates), ...pair('norm_hh', gates), ...pair('norm_c', cell)];
}

/** Gates before their activation functions: [4, B, H]. */
function plainSums(input: StepInput, states: readonly Node[] | null, weights: CellWeights): Node {
  const { weight_hh, bias_ih, bias_hh } = weights;
  const terms = [
    input.times('weight_ih'),
    spreadBias(bias_ih, input.batch),
    spreadBias(bias_hh, input.batch),
  ];
  if (states) terms.splice(1, 0, contract('bk,gjk->gbj', states[0], weight_hh));
  return addAll(terms);
}

function normalisedSums(input: StepInput, states: readonly Node[] | null, weights: CellWeights): Node {
  const { weight_hh, bias_ih, bias_hh, norm_ih_weight, norm_ih_bias, norm_hh_weight, norm_hh_bias } = weights;
  const read = layerNorm(input.times('weight_ih'), 1, norm_ih_weight, norm_ih_bias);
  // a row of zeros has mean and variance zero: normalized, it is the bias
  const kept = states
    ? layerNorm(contract('bk,gjk->gbj', states[0], weight_hh), 1, norm_hh_weight, norm_hh_bias)
    : spreadBias(norm_hh_bias, input.batch);
  return addAll([read, spreadBias(bias_ih, input.batch), kept, spreadBias(bias_hh, input.batch)]);
}

const NORMALIZED = `
    def norm(sums, name):
        weight, bias = weights[f"{name}_weight"], weights[f"{name}_bias"]
        return nn.functional.layer_norm(sums, sums.shape[-1:], weight, bias)

    sums = norm(x @ weights["weight_ih"].T, "norm_ih") + norm(h @ weights["weight_hh"].T, "norm_hh")
    i, f, g, o = (sums + weights["bias_ih"] + weights["bias_hh"]).chunk(4, 1)
    c = norm(f.sigmoid() * c + i.sigmoid() * g.tanh(), "norm_c")
    h = o.sigmoid() * c.tanh()
    return [h @ weights["weight_hr"].T if "weight_hr" in weights else h, c]`;

export const lstmElsewhere: CellElsewhere<{
  readonly layer_norm?: boolean;
  readonly projection_size?: number | undefined;
}> = {
  pytorch: ({ layer_norm, projection_size }) =>
    layer_norm
      ? { step: NORMALIZED }
      : { module: 'LSTM', ...(projection_size && { arguments: { proj_size: projection_size } }) },
  onnx: ({ layer_norm, projection_size }) =>
    layer_norm || projection_size ? undefined : { operator: 'LSTM', gates: [0, 3, 1, 2] },
};

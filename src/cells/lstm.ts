import type { LayerConfig } from '../config/index.js';
import type { Node } from '../graph/node.js';
import { activate, tanh } from '../ops/activate.js';
import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { divide } from '../ops/divide.js';
import { addAll } from '../ops/index.js';
import { multiply } from '../ops/multiply.js';
import { affine, scale } from '../ops/polynomial.js';
import { select } from '../ops/select.js';
import { squareRoot } from '../ops/square_root.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import {
  type Cell,
  type CellWeights,
  forEachRow,
  gatesOf,
  gateVector,
  gateWeight,
  inputWeight,
  type ParameterShape,
  type StepInput,
} from './cell.js';

type Settings = Extract<LayerConfig, { cell: 'lstm' }>;

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
 * The four gates are one tensor `[4, B, H]`: one product makes all of them.
 *
 * With `projection_size` P, h' = W_hr (o * tanh(c')) is [B, P] (Sak, Senior and Beaufays, 2014).
 * With `layer_norm`, W_i x, W_h h and c' are each normalised over their numbers, with a gain and a bias of their own (Ba, Kiros and
 * Hinton, 2016, equations 20 to 22).
 */
export const lstm: Cell<Settings> = {
  module: 'lstm',

  states: ({ hidden_size, projection_size }) => [
    { name: 'h', size: projection_size ?? hidden_size },
    { name: 'c', size: hidden_size },
  ],

  parameters(inputSize, { hidden_size: H, projection_size, layer_norm }) {
    const columns = projection_size ?? H;
    const projection = [{ name: 'weight_hr', shape: [columns, H], graphShape: [columns, H] }];
    return [
      inputWeight(GATES, H, inputSize),
      gateWeight('weight_hh', GATES, H, columns),
      gateVector('bias_ih', GATES, H),
      gateVector('bias_hh', GATES, H),
      ...(projection_size === undefined ? [] : projection),
      ...(layer_norm
        ? [
            ...normParameters('norm_ih', GATES, H),
            ...normParameters('norm_hh', GATES, H),
            ...normParameters('norm_c', 1, H),
          ]
        : []),
    ];
  },

  step(x, states, weights, settings) {
    const gates = activate(gateSums(x, states, weights, settings), ['sigmoid', 'sigmoid', 'tanh', 'sigmoid']);
    const [i, f, g, o] = [0, 1, 2, 3].map(gate => select(gates, gate));
    const written = multiply(i, g);
    const sums = states ? add(multiply(f, states[1]), written) : written;
    const c = settings.layer_norm ? normalise(sums, 'norm_c', weights) : sums;
    const h = multiply(o, tanh(c));
    return [settings.projection_size === undefined ? h : contract('bk,jk->bj', h, weights.weight_hr), c];
  },
};

/** What goes into the gates' functions, [4, B, H]. */
function gateSums(
  x: StepInput,
  states: readonly Node[] | null,
  weights: CellWeights,
  { layer_norm }: Settings,
): Node {
  const { weight_hh, bias_ih, bias_hh } = weights;
  const biases = [forEachRow(bias_ih, x.batch), forEachRow(bias_hh, x.batch)];
  const ofInput = x.times('weight_ih');
  const ofState = states && gatesOf(states[0], weight_hh);
  if (!layer_norm) return addAll([ofInput, ...(ofState ? [ofState] : []), ...biases]);
  const normalised = ofState
    ? normalise(ofState, 'norm_hh', weights)
    : // all that normalisation leaves of zeros
      forEachRow(weights.norm_hh_bias, x.batch);
  return addAll([normalise(ofInput, 'norm_ih', weights), normalised, ...biases]);
}

function normParameters(name: string, gates: number, hiddenSize: number): ParameterShape[] {
  const shapes =
    gates === 1
      ? { shape: [hiddenSize], graphShape: [hiddenSize] }
      : { shape: [gates * hiddenSize], graphShape: [gates, hiddenSize] };
  return [
    { name: `${name}_weight`, ...shapes, initial: 1 },
    { name: `${name}_bias`, ...shapes, initial: 0 },
  ];
}

/** Added to a variance before its root is taken, as torch.nn.LayerNorm does. */
const EPSILON = 1e-5;

/** Each row of `x`, [G, B, H] or [B, H], with mean 0 and variance 1, times the gain, plus the bias called `name`. */
function normalise(x: Node, name: string, weights: CellWeights): Node {
  const rows = x.shape.length - 2;
  const count = (x.shape[0] * (x.shape[2] ?? 1) * x.shape[1]) / x.shape[rows];
  const spread = (of: Node) => broadcast(of, x.shape, [rows]);
  const mean = scale(sum(x, [rows]), 1 / count);
  const centred = subtract(x, spread(mean));
  const variance = scale(sum(multiply(centred, centred), [rows]), 1 / count);
  const unit = divide(centred, spread(squareRoot(affine(variance, 1, EPSILON))));
  const perNumber = (vector: Node) => broadcast(vector, x.shape, rows === 1 ? [0, 2] : [1]);
  return add(multiply(unit, perNumber(weights[`${name}_weight`])), perNumber(weights[`${name}_bias`]));
}

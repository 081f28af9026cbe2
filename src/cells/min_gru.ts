import type { LayerConfig } from '../config/index.js';
import { sigmoid } from '../ops/activate.js';
import { add } from '../ops/add.js';
import { multiply } from '../ops/multiply.js';
import { affine } from '../ops/polynomial.js';
import { select } from '../ops/select.js';
import { type Cell, forEachRow, gateVector, inputWeight } from './cell.js';

type Settings = Extract<LayerConfig, { cell: 'min_gru' }>;

const GATES = 2;

/**
 * minGRU: a GRU whose gate and candidate do not read the state (gate order z, n):
 *
 *     z = sigmoid(W_z x + b_z)        n = W_n x + b_n        h' = (1 - z) * h + z * n
 *
 * Feng et al. (2024), Were RNNs All We Needed?, section 3.1.
 */
export const minGru: Cell<Settings> = {
  module: 'min_gru',

  states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],

  parameters: (inputSize, { hidden_size: H }) => [
    inputWeight(GATES, H, inputSize),
    gateVector('bias_ih', GATES, H),
  ],

  step(x, states, { bias_ih }) {
    const sums = add(x.times('weight_ih'), forEachRow(bias_ih, x.batch));
    const z = sigmoid(select(sums, 0));
    const written = multiply(z, select(sums, 1));
    return [states ? add(multiply(affine(z, -1, 1), states[0]), written) : written];
  },
};

/** The cells of Feng et al., Were RNNs All We Needed? (2024), with gates of the input only. */

import { described } from '../../util/schema.js';
import { add, affine, divide, multiply, sigmoid } from '../ops/elementwise.js';
import { select } from '../ops/stack.js';
import { type Cell, type CellElsewhere, cell, gateBias, gateWeight, spreadBias } from './cell.js';

/** One state, and weights of the input alone. */
const withGates = (gates: number) =>
  ({
    keys: {},
    states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],
    parameters: (inputSize, { hidden_size }) => [
      { ...gateWeight('weight_ih', gates, hidden_size, inputSize), readsInput: true },
      gateBias('bias_ih', gates, hidden_size),
    ],
  }) satisfies { keys: object } & Omit<Cell<{ readonly hidden_size: number }>, 'step' | 'gates'>;

/**
 * Minimal LSTM of Feng et al., Were RNNs All We Needed? (2024), section 3.2, with biases (gate
 * order f, i, n):
 *
 *     f = sigmoid(W_f x + b_f)        n = W_n x + b_n
 *     i = sigmoid(W_i x + b_i)        h' = f / (f + i) * h + i / (f + i) * n
 *
 * x [B, F], h [B, H]. No gate reads h: there is no weight_hh. Division by their sum makes the two
 * gates sum to one.
 */
export const minLstm = cell({
  cell: 'min_lstm',
  ...described({
    description:
      'Minimal long short-term memory, whose gates depend only on the input (Feng et al., 2024), with the gate order f, i, n.',
  }),
  gates: ['f', 'i'],
  ...withGates(3),

  step(input, states, { bias_ih }) {
    const gates = add(input.times('weight_ih'), spreadBias(bias_ih, input.batch));
    const [f, i] = [0, 1].map(gate => sigmoid(select(gates, gate)));
    const total = add(f, i);
    const written = multiply(divide(i, total), select(gates, 2));
    return [states ? add(multiply(divide(f, total), states[0]), written) : written];
  },
});

/**
 * Minimal GRU of Feng et al., Were RNNs All We Needed? (2024), section 3.1, with biases (gate order
 * z, n):
 *
 *     z = sigmoid(W_z x + b_z)        n = W_n x + b_n        h' = (1 - z) * h + z * n
 *
 * x [B, F], h [B, H]. No gate reads h: there is no weight_hh.
 */
export const minGru = cell({
  cell: 'min_gru',
  ...described({
    description:
      'Minimal gated recurrent units, whose gates depend only on the input (Feng et al., 2024), with the gate order z, h.',
  }),
  gates: ['z'],
  ...withGates(2),

  step(input, states, { bias_ih }) {
    const gates = add(input.times('weight_ih'), spreadBias(bias_ih, input.batch));
    const z = sigmoid(select(gates, 0));
    const written = multiply(z, select(gates, 1));
    return [states ? add(multiply(affine(z, -1, 1), states[0]), written) : written];
  },
});

export const minLstmElsewhere: CellElsewhere<object> = {
  pytorch: () => ({
    step: `
    f, i, n = (x @ weights["weight_ih"].T + weights["bias_ih"]).chunk(3, 1)
    f, i = f.sigmoid(), i.sigmoid()
    return [f / (f + i) * h + i / (f + i) * n]`,
  }),
};

export const minGruElsewhere: CellElsewhere<object> = {
  pytorch: () => ({
    step: `
    z, n = (x @ weights["weight_ih"].T + weights["bias_ih"]).chunk(2, 1)
    return [(1 - z.sigmoid()) * h + z.sigmoid() * n]`,
  }),
};

import { literal, required, section } from '../../util/schema.js';
import { sigmoid } from '../ops/activate.js';
import { add } from '../ops/add.js';
import { divide } from '../ops/divide.js';
import { multiply } from '../ops/multiply.js';
import { select } from '../ops/select.js';
import { bidirectional, cell, gateBias, gateWeight, hiddenSize, MODEL, spreadBias } from './cell.js';

const GATES = 3;

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
  settings: section(
    {
      cell: literal('min_lstm', {
        description: 'Minimal long short-term memory, with the gate order f, i, n.',
        examples: ['min_lstm'],
        aliases: ['kind', 'type'],
        ...MODEL,
      }),
      hidden_size: required(hiddenSize),
      bidirectional: bidirectional,
    },
    {
      title: 'MinLstmLayer',
      description: 'Minimal long short-term memory, whose gates read the input alone (Feng et al., 2024).',
      open: true,
    },
  ),
  module: 'min_lstm',

  states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],

  parameters: (inputSize, { hidden_size }) => [
    { ...gateWeight('weight_ih', GATES, hidden_size, inputSize), readsInput: true },
    gateBias('bias_ih', GATES, hidden_size),
  ],

  step(input, states, { bias_ih }) {
    const gates = add(input.times('weight_ih'), spreadBias(bias_ih, input.batch));
    const [f, i] = [0, 1].map(gate => sigmoid(select(gates, gate)));
    const total = add(f, i);
    const written = multiply(divide(i, total), select(gates, 2));
    return [states ? add(multiply(divide(f, total), states[0]), written) : written];
  },
});

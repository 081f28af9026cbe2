import { activate, tanh } from '../ops/activate.js';
import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { addAll } from '../ops/index.js';
import { multiply } from '../ops/multiply.js';
import { select } from '../ops/select.js';
import type { Cell } from './cell.js';

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
 */
export const lstm: Cell = {
  module: 'lstm',
  states: ['h', 'c'],

  parameters(inputSize, hiddenSize) {
    const weight = (name: string, columns: number) => ({
      name,
      shape: [GATES * hiddenSize, columns],
      graphShape: [GATES, hiddenSize, columns],
    });
    const bias = (name: string) => ({ name, shape: [GATES * hiddenSize], graphShape: [GATES, hiddenSize] });
    return [
      weight('weight_ih', inputSize),
      weight('weight_hh', hiddenSize),
      bias('bias_ih'),
      bias('bias_hh'),
    ];
  },

  step(x, states, { weight_ih, weight_hh, bias_ih, bias_hh }) {
    const [batch] = x.shape;
    const [, hidden] = weight_hh.shape;
    const shape = [GATES, batch, hidden];
    const bias = (b: typeof bias_ih) => broadcast(b, shape, [0, 2]);
    const terms = [contract('bk,gjk->gbj', x, weight_ih), bias(bias_ih), bias(bias_hh)];
    if (states) terms.splice(1, 0, contract('bk,gjk->gbj', states[0], weight_hh));
    const gates = activate(addAll(terms), ['sigmoid', 'sigmoid', 'tanh', 'sigmoid']);
    const [i, f, g, o] = [0, 1, 2, 3].map(gate => select(gates, gate));
    const written = multiply(i, g);
    const c = states ? add(multiply(f, states[1]), written) : written;
    return [multiply(o, tanh(c)), c];
  },
};

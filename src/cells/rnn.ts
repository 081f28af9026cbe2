import type { LayerConfig } from '../config/index.js';
import { activate } from '../ops/activate.js';
import { addAll } from '../ops/index.js';
import { select } from '../ops/select.js';
import { type Cell, forEachRow, gatesOf, gateVector, gateWeight, inputWeight } from './cell.js';

type Settings = Extract<LayerConfig, { cell: 'rnn' }>;

/**
 * The basic recurrent cell, as torch.nn.RNN defines it, with f = tanh or relu:
 *
 *     h' = f(W_ih x + b_ih + W_hh h + b_hh)
 *
 * Elman (1990).
 */
export const rnn: Cell<Settings> = {
  module: 'rnn',

  states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],

  parameters: (inputSize, { hidden_size: H }) => [
    inputWeight(1, H, inputSize),
    gateWeight('weight_hh', 1, H, H),
    gateVector('bias_ih', 1, H),
    gateVector('bias_hh', 1, H),
  ],

  step(x, states, { weight_hh, bias_ih, bias_hh }, { nonlinearity }) {
    const ofState = states ? [gatesOf(states[0], weight_hh)] : [];
    const biases = [forEachRow(bias_ih, x.batch), forEachRow(bias_hh, x.batch)];
    return [select(activate(addAll([x.times('weight_ih'), ...ofState, ...biases]), [nonlinearity]), 0)];
  },
};

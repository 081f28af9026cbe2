import type { LayerConfig } from '../config/index.js';
import { sigmoid, tanh } from '../ops/activate.js';
import { add } from '../ops/add.js';
import { multiply } from '../ops/multiply.js';
import { affine } from '../ops/polynomial.js';
import { select } from '../ops/select.js';
import { type Cell, forEachRow, gatesOf, gateVector, gateWeight, inputWeight } from './cell.js';

type Settings = Extract<LayerConfig, { cell: 'gru' }>;

const GATES = 3;

/**
 * Gated recurrent unit, as torch.nn.GRU defines it (gate order r, z, n):
 *
 *     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
 *     z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)        h' = (1 - z) * n + z * h
 *
 * Cho et al. (2014), with the reset gate behind the product, as in cuDNN.
 */
export const gru: Cell<Settings> = {
  module: 'gru',

  states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],

  parameters: (inputSize, { hidden_size: H }) => [
    inputWeight(GATES, H, inputSize),
    gateWeight('weight_hh', GATES, H, H),
    gateVector('bias_ih', GATES, H),
    gateVector('bias_hh', GATES, H),
  ],

  step(x, states, { weight_hh, bias_ih, bias_hh }) {
    const ofInput = add(x.times('weight_ih'), forEachRow(bias_ih, x.batch));
    const bias = forEachRow(bias_hh, x.batch);
    const ofState = states ? add(gatesOf(states[0], weight_hh), bias) : bias;
    const gate = (i: number) => sigmoid(add(select(ofInput, i), select(ofState, i)));
    const [r, z] = [gate(0), gate(1)];
    const n = tanh(add(select(ofInput, 2), multiply(r, select(ofState, 2))));
    const written = multiply(affine(z, -1, 1), n);
    return [states ? add(written, multiply(z, states[0])) : written];
  },
};

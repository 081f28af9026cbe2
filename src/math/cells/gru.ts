import { described } from '../../util/schema.js';
import { contract } from '../ops/contract.js';
import { add, affine, multiply, sigmoid, tanh } from '../ops/elementwise.js';
import { select } from '../ops/stack.js';
import { type CellElsewhere, cell, gateBias, gateWeight, spreadBias } from './cell.js';

const GATES = 3;

/**
 * Gated recurrent unit, as torch.nn.GRU defines it (gate order r, z, n):
 *
 *     r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
 *     z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
 *     n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
 *     h' = (1 - z) * n + z * h
 *
 * Cho et al. (2014); r scales the product W_hn h rather than h, so that one product serves all
 * gates. x [B, F], h [B, H]. The products of x and of h are kept apart, `[3, B, H]` each, since r
 * scales part of the second only.
 */
export const gru = cell({
  cell: 'gru',
  ...described({ description: 'Gated recurrent units (Cho et al., 2014), with the gate order r, z, n.' }),
  gates: ['r', 'z', 'n'],
  keys: {},
  states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],

  parameters: (inputSize, { hidden_size }) => [
    { ...gateWeight('weight_ih', GATES, hidden_size, inputSize), readsInput: true },
    gateWeight('weight_hh', GATES, hidden_size, hidden_size),
    gateBias('bias_ih', GATES, hidden_size),
    gateBias('bias_hh', GATES, hidden_size),
  ],

  step(input, states, { weight_hh, bias_ih, bias_hh }) {
    const ofInput = add(input.times('weight_ih'), spreadBias(bias_ih, input.batch));
    const bias = spreadBias(bias_hh, input.batch);
    const ofState = states ? add(contract('bk,gjk->gbj', states[0], weight_hh), bias) : bias;
    const r = sigmoid(add(select(ofInput, 0), select(ofState, 0)));
    const z = sigmoid(add(select(ofInput, 1), select(ofState, 1)));
    const n = tanh(add(select(ofInput, 2), multiply(r, select(ofState, 2))));
    const written = multiply(affine(z, -1, 1), n);
    return [states ? add(written, multiply(z, states[0])) : written];
  },
});

export const gruElsewhere: CellElsewhere<object> = {
  pytorch: () => ({ module: 'GRU' }),
  // r scales the product, not h
  onnx: () => ({ operator: 'GRU', gates: [1, 0, 2], attributes: { linear_before_reset: 1 } }),
};

import { choice, described } from '../../util/schema.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { activate } from '../ops/elementwise.js';
import { addAll } from '../ops/index.js';
import { type CellElsewhere, cell } from './cell.js';

/**
 * Elman's recurrent network (1990), as torch.nn.RNN defines it, with tanh or relu as the
 * activation:
 *
 *     h' = tanh(W_ih x + b_ih + W_hh h + b_hh)
 *
 * x [B, F], h [B, H].
 */
export const rnn = cell({
  cell: 'rnn',
  ...described({ description: 'Simple recurrent layer, without gates (Elman, 1990).' }),
  gates: [],
  keys: {
    nonlinearity: choice(['tanh', 'relu'], {
      description: 'Function of the sum of both products.',
      default: 'tanh',
      examples: ['relu'],
      aliases: ['activation', 'non_linearity', 'act'],
    }),
  },
  states: ({ hidden_size }) => [{ name: 'h', size: hidden_size }],

  parameters(inputSize, { hidden_size }) {
    const plain = (name: string, ...shape: number[]) => ({ name, shape, graphShape: shape });
    return [
      { ...plain('weight_ih', hidden_size, inputSize), readsInput: true },
      plain('weight_hh', hidden_size, hidden_size),
      plain('bias_ih', hidden_size),
      plain('bias_hh', hidden_size),
    ];
  },

  step(input, states, { weight_hh, bias_ih, bias_hh }, { hidden_size, nonlinearity }) {
    const bias = (b: typeof bias_ih) => broadcast(b, [input.batch, hidden_size], [1]);
    const terms = [input.times('weight_ih'), bias(bias_ih), bias(bias_hh)];
    if (states) terms.splice(1, 0, contract('bk,jk->bj', states[0], weight_hh));
    return [activate(addAll(terms), [nonlinearity])];
  },
});

export const rnnElsewhere: CellElsewhere<{ readonly nonlinearity: 'tanh' | 'relu' }> = {
  pytorch: ({ nonlinearity }) => ({ module: 'RNN', arguments: { nonlinearity } }),
  onnx: ({ nonlinearity }) => ({
    operator: 'RNN',
    gates: [0],
    activation: nonlinearity === 'relu' ? 'Relu' : 'Tanh',
  }),
};

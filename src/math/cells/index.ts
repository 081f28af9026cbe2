import { type TypeOf, union } from '../../util/schema.js';
import { gru } from './gru.js';
import { lstm } from './lstm.js';
import { minGru, minLstm } from './minimal.js';
import { rnn } from './rnn.js';

export const cells = { lstm, gru, rnn, min_gru: minGru, min_lstm: minLstm };

export const layerConfig = union(
  'cell',
  Object.values(cells).map(({ settings }) => settings),
  {
    description: 'A recurrent layer, by cell.',
    examples: [{ cell: 'gru', hidden_size: 64, bidirectional: true }],
  },
);

export type LayerConfig = TypeOf<typeof layerConfig>;
export type CellName = LayerConfig['cell'];

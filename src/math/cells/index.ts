import { type TypeOf, union } from '../../util/schema.js';
import type { CellElsewhere } from './cell.js';
import { gru, gruElsewhere } from './gru.js';
import { lstm, lstmElsewhere } from './lstm.js';
import { minGru, minGruElsewhere, minLstm, minLstmElsewhere } from './minimal.js';
import { rnn, rnnElsewhere } from './rnn.js';

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

/** How other libraries compute them. Apart, so that exported modules leave it out. */
export const elsewhere: {
  readonly [C in CellName]: CellElsewhere<Extract<LayerConfig, { readonly cell: C }>>;
} = {
  lstm: lstmElsewhere,
  gru: gruElsewhere,
  rnn: rnnElsewhere,
  min_gru: minGruElsewhere,
  min_lstm: minLstmElsewhere,
};

export function elsewhereOf(settings: LayerConfig): CellElsewhere<LayerConfig> {
  return elsewhere[settings.cell] as CellElsewhere<LayerConfig>;
}

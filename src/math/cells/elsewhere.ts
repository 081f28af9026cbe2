/**
 * How other libraries compute layers of each cell. Apart from the cells themselves, which exported
 * modules contain.
 */
import type { CellElsewhere } from './cell.js';
import { gruElsewhere } from './gru.js';
import type { CellName, LayerConfig } from './index.js';
import { lstmElsewhere } from './lstm.js';
import { minGruElsewhere, minLstmElsewhere } from './minimal.js';
import { rnnElsewhere } from './rnn.js';

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

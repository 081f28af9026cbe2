/** Cells by their name in a config; typed against the config so that none is missing. */
import type { LayerConfig } from '../../config/index.js';
import type { Cell } from './cell.js';
import { gru } from './gru.js';
import { lstm } from './lstm.js';
import { minGru } from './min_gru.js';
import { minLstm } from './min_lstm.js';
import { rnn } from './rnn.js';

export type CellName = LayerConfig['cell'];

export const cells: { readonly [K in CellName]: Cell<Extract<LayerConfig, { cell: K }>> } = {
  gru,
  lstm,
  min_gru: minGru,
  min_lstm: minLstm,
  rnn,
};

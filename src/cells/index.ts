/** The cells by the name that a config gives them. */
import { gru } from './gru.js';
import { lstm } from './lstm.js';
import { minGru } from './min_gru.js';
import { rnn } from './rnn.js';

export const cells = { gru, lstm, min_gru: minGru, rnn };

export type CellName = keyof typeof cells;

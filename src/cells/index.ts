/** The cells by the name that a config gives them. */
import { gru } from './gru.js';
import { lstm } from './lstm.js';
import { rnn } from './rnn.js';

export const cells = { gru, lstm, rnn };

export type CellName = keyof typeof cells;

/** The cells by the name that a config gives them. */
import { gru } from './gru.js';
import { lstm } from './lstm.js';

export const cells = { gru, lstm };

export type CellName = keyof typeof cells;

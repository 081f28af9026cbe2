/** The cells by the name that a config gives them. */
import { lstm } from './lstm.js';

export const cells = { lstm };

export type CellName = keyof typeof cells;

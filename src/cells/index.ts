/** The cells by the name that a config gives them; typed against the config, so that none is forgotten. */
import type { Cell } from './cell.js';
import { lstm } from './lstm.js';

export type CellName = 'lstm';

export const cells: Readonly<Record<CellName, Cell>> = { lstm };

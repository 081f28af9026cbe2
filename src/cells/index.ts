/** The cells by the name that a config gives them. */
import type { Cell } from './cell.js';
import { lstm } from './lstm.js';

export const cells = { lstm } as const satisfies Record<string, Cell>;

export type CellName = keyof typeof cells;

/** What a model is, once config and data are known. */
import type { CellName } from '../cells/index.js';

export interface ModelSpec {
  readonly cell: CellName;
  /** F. */
  readonly inputSize: number;
  /** H. */
  readonly hiddenSize: number;
  readonly numLayers: number;
  /** C: classes, or target values. */
  readonly outputSize: number;
  /** Whether the head reads the last step or every step. */
  readonly head: 'last' | 'every';
}

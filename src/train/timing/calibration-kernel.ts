/**
 * Measures how fast this machine currently computes, other load included, with a matrix product of
 * fixed size: the gates of an LSTM of 128 units in batches of 100, [100, 256] x [256, 512], 26.2
 * MFLOP.
 */
import type { Backend } from '../../engine/backend-names.js';
import type { Executable } from '../../engine/executable.js';
import { Graph, type Program } from '../../math/graph/node.js';
import { contract } from '../../math/ops/contract.js';

const [ROWS, INNER, COLUMNS] = [100, 256, 512];

/**
 * Products per measurement: a few milliseconds, like a thread's part of a small step. The number is
 * fixed: a measurement of fixed duration would contain fewer products exactly when it is disturbed.
 */
const PRODUCTS: Readonly<Record<Backend, number>> = { webasm: 6, webgpu: 6, cpu: 1 };

export function calibrationProgram(): Program {
  const graph = new Graph();
  const product = contract('bk,kj->bj', graph.input('x', [ROWS, INNER]), graph.input('w', [INNER, COLUMNS]));
  return { graph, outputs: new Map([['product', product]]) };
}

export class CalibrationKernel {
  private readonly values = {
    x: new Float32Array(ROWS * INNER).fill(0.5),
    w: new Float32Array(INNER * COLUMNS).fill(0.25),
  };
  private isWarm = false;

  /** `executable` is the compiled `calibrationProgram`. */
  constructor(
    private readonly backend: Backend,
    private readonly executable: Pick<Executable, 'run'>,
  ) {}

  /** Milliseconds of one product, the mean of a few. */
  async measure(): Promise<number> {
    // the first calls include compilation
    if (!this.isWarm) await this.mean();
    this.isWarm = true;
    return this.mean();
  }

  private async mean(): Promise<number> {
    const products = PRODUCTS[this.backend];
    const began = performance.now();
    for (let i = 0; i < products; i++) await this.executable.run(this.values);
    return (performance.now() - began) / products;
  }
}

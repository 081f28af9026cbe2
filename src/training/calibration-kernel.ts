/**
 * A product of a fixed size through the engine: how fast this machine computes just now, whatever else runs on it. It has the size of the
 * gates of an LSTM of 128 units in batches of 100, [100, 256] x [256, 512], 26.2 MFLOP, copies in and out included.
 */
import type { Backend } from '../engine/backend.js';
import type { Executable, Value } from '../engine/executable.js';
import type { Engine } from '../engine/index.js';
import { Graph } from '../graph/node.js';
import { contract } from '../ops/contract.js';

const [ROWS, INNER, COLUMNS] = [100, 256, 512];

/**
 * Products of one measurement: some milliseconds, as long as a thread works on its part of a small step. Their number is fixed, since one
 * that ended with the time would be short exactly where it is disturbed.
 */
const PRODUCTS: Readonly<Record<Backend, number>> = { webasm: 6, webgpu: 6, cpu: 1 };

export class CalibrationKernel {
  private readonly values: Readonly<Record<string, Value>> = {
    x: new Float32Array(ROWS * INNER).fill(0.5),
    w: new Float32Array(INNER * COLUMNS).fill(0.25),
  };
  private compiled: Executable | undefined;

  constructor(private readonly engine: Engine) {}

  /** Milliseconds of one product, the mean of a few. */
  async measure(): Promise<number> {
    if (!this.compiled) {
      this.compiled = this.compile();
      // what the first ones show is how they are compiled
      await this.meanOf(this.compiled);
    }
    return this.meanOf(this.compiled);
  }

  private compile(): Executable {
    const graph = new Graph();
    const product = contract(
      'bk,kj->bj',
      graph.input('x', [ROWS, INNER]),
      graph.input('w', [INNER, COLUMNS]),
    );
    return this.engine.compile({ graph, outputs: new Map([['product', product]]) });
  }

  private async meanOf(executable: Executable): Promise<number> {
    const products = PRODUCTS[this.engine.backend];
    const began = performance.now();
    for (let i = 0; i < products; i++) await executable.run(this.values);
    return (performance.now() - began) / products;
  }
}

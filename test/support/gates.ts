import type { Baseline } from '../../src/run/baseline.js';
import { summarizeSeeds } from '../../src/run/baseline.js';

/** A baseline with the given values and made-up facts. */
export function baselineOf(metrics: Readonly<Record<string, Readonly<Record<string, number>>>>): Baseline {
  const entries = Object.entries(metrics).map(([name, bySeed]) => [name, summarizeSeeds(bySeed)]);
  return {
    version: 1,
    name: 'pinned',
    metrics: Object.fromEntries(entries),
    config_hash_by_seed: { 0: 'a'.repeat(64) },
    config: { 'model.hidden_size': 8 },
    datasets: [{ name: 'data.npz', sha256: 'b'.repeat(64), split: 'train' }],
    versions: { cellrun: '0.1.0' },
    backend: { name: 'cpu', executor: 'cpu', arithmetic: null, adapter: null, threads: [1] },
    git: [],
  };
}

/**
 * The dataset kinds, as far as they are known without reading data; `index.ts` reads them. To add
 * one: a folder here with its `facts.ts`, a line in both tables, a test.
 */

import { settingsOf } from '../util/schema.js';
import { idx, mnist, npy, npz } from './arrays/facts.js';
import { audio } from './audio/facts.js';
import type { DatasetFacts, DatasetKind } from './core/dataset.js';
import { trainingCount } from './core/held-out.js';
import { csv } from './csv/facts.js';
import { forecast } from './forecast/facts.js';
import { jsonl } from './jsonl/facts.js';
import { ofTableFormats } from './reading/facts.js';
import { synthetic } from './synthetic/facts.js';
import { text } from './text/facts.js';

const described = { mnist, idx, npz, npy, csv, jsonl, text, forecast, audio, synthetic };
const kinds = { ...described, ...ofTableFormats(csv) };

type Kinds = typeof kinds;

/** The config of each kind. */
export type ConfigOf = { readonly [K in keyof Kinds]: Parameters<Kinds[K]['facts']>[0] };

export type DatasetConfig = ConfigOf[keyof Kinds];

/** `dataset` of a config. */
export const datasetConfig = settingsOf('dataset', 'kind', described, {
  required: true,
  description: 'The dataset, by kind.',
  examples: [{ kind: 'mnist', sequence: 'rows' }],
  aliases: ['data'],
  effects: ['data'],
});

/** The seed of all random draws of the data; undefined if they follow the experiment's seed. */
export function ownSeed(config: DatasetConfig): number | undefined {
  return 'seed' in config && config.seed !== 'run' ? config.seed : undefined;
}

/** Facts about the data that the config alone determines. */
export function datasetFacts(config: DatasetConfig): DatasetFacts {
  const facts = kindOf(config).facts(config);
  const { trainCount: total } = facts;
  return total === undefined ? facts : { ...facts, trainCount: trainingCount(total, config) };
}

/** The table's entry for a config's kind; the table's type guarantees that they match. */
export function kindOf<C extends DatasetConfig>(config: C): DatasetKind<C> {
  return kinds[config.kind] as unknown as DatasetKind<C>;
}

/** Dataset kind `csv`: columns by name, rows of a group as one sequence. */
import { damagedError } from '../errors.js';
import { type RowList, rowLists } from './csv-order.js';
import { type CsvColumns, type CsvTable, readCsvTable } from './csv-table.js';
import { type ClassMapping, classMapping, csvLabelFacts, sequenceTargets } from './csv-targets.js';
import type { Dataset } from './dataset.js';
import type { DatasetContext, DatasetKind } from './kind.js';
import { MAX_ELEMENTS } from './limits.js';
import { type Packed, packedSplit } from './packed.js';
import { configError, Problems } from './problems.js';
import { holdOut, limited, range } from './selection.js';

export interface CsvConfig {
  readonly kind: 'csv';
  readonly path: string;
  /** The test split; else `test_fraction` of the sequences, drawn by the experiment's seed. */
  readonly test_path?: string;
  readonly test_fraction?: number;
  readonly features: readonly string[];
  readonly target: string;
  readonly target_kind: 'class' | 'value';
  /** Without it every row is a sequence of one step. */
  readonly sequence?: {
    readonly group: string;
    readonly order?: string;
    /** Each row labels its own step (classes only). Default: all rows of a group carry its one target. */
    readonly per_step?: boolean;
  };
  readonly limit?: number;
}

/** The rows of one split's sequences. */
interface Part {
  readonly table: CsvTable;
  readonly lists: readonly RowList[];
}

export const csv: DatasetKind<CsvConfig> = {
  open,
  facts: ({ target_kind, sequence }) => ({
    inputKind: 'number',
    targetKind: target_kind,
    perStep: sequence?.per_step ?? false,
  }),
  testDigests: 1,
};

/**
 * Class labels become classes in sorted order (numbers by value, else by code units) over all files; -100 is ignored.
 * @throws UserError exit 2 where a file or column is missing or the test split is not determined; exit 5 at the line
 * and column of a cell that is wrong.
 */
async function open(config: CsvConfig, { seed }: DatasetContext): Promise<Dataset> {
  checkOptions(config);
  const paths = config.test_path === undefined ? [config.path] : [config.path, config.test_path];
  const tables: CsvTable[] = [];
  for (const path of paths) tables.push(await readCsvTable(path, columnsOf(config)));
  const problems = new Problems();
  const parts = tables.map(table => ({ table, lists: rowLists(table, problems) }));
  problems.throwIfAny();
  const mapping = config.target_kind === 'class' ? classMapping(tables) : undefined;
  const { train, test } = splits(parts, config, seed);
  const steps = Math.max(longest(train), longest(test));
  const packed = [train, test].map(part => problems.attempt(() => pack(part, config, mapping, steps)));
  problems.throwIfAny();
  const [trainSplit, testSplit] = packed.map(sequences => {
    if (sequences === undefined) throw new Error('a missing part was reported');
    return packedSplit(sequences, steps);
  });
  return {
    input: { kind: 'number', size: config.features.length },
    sequenceLength: steps,
    train: trainSplit,
    test: testSplit,
    digests: tables.map(({ source }) => ({ name: source.name, sha256: source.sha256 })),
    classLabels: mapping?.labels,
    labels: mapping && csvLabelFacts(tables),
  };
}

function checkOptions(config: CsvConfig): void {
  if ((config.test_path === undefined) === (config.test_fraction === undefined)) {
    throw configError({
      code: 'data/test-split',
      keyPath: config.test_path === undefined ? ['dataset'] : ['dataset', 'test_fraction'],
      message:
        config.test_path === undefined
          ? 'the config does not say which sequences test'
          : 'dataset.test_path and dataset.test_fraction exclude each other',
      expected: 'either dataset.test_path or dataset.test_fraction',
    });
  }
  if (config.sequence?.per_step && config.target_kind === 'value') {
    throw configError({
      code: 'data/per-step-values',
      keyPath: ['dataset', 'sequence', 'per_step'],
      message: 'numeric targets are one per sequence',
      expected: 'dataset.target_kind: class where dataset.sequence.per_step is set',
    });
  }
}

function columnsOf({ features, target, target_kind, sequence }: CsvConfig): CsvColumns {
  const named = (name: string, ...path: (string | number)[]) => ({ name, keyPath: ['dataset', ...path] });
  return {
    features: features.map((name, i) => named(name, 'features', i)),
    target: named(target, 'target'),
    targetKind: target_kind,
    group: sequence && named(sequence.group, 'sequence', 'group'),
    order: sequence?.order === undefined ? undefined : named(sequence.order, 'sequence', 'order'),
  };
}

function splits(parts: readonly Part[], config: CsvConfig, seed: number): { train: Part; test: Part } {
  const [first, second] = parts;
  const count = first.lists.length;
  const chosen =
    second === undefined
      ? holdOut(count, config.test_fraction ?? 0, seed, config.path)
      : { train: range(count), test: range(second.lists.length) };
  return {
    train: pick(first, limited(chosen.train, config.limit)),
    test: pick(second ?? first, chosen.test),
  };
}

function pick({ table, lists }: Part, indices: Uint32Array): Part {
  return { table, lists: Array.from(indices, i => lists[i]) };
}

function longest({ lists }: Part): number {
  return lists.reduce((most, list) => Math.max(most, list.length), 0);
}

function pack(part: Part, config: CsvConfig, mapping: ClassMapping | undefined, steps: number): Packed {
  const { table, lists } = part;
  const perStep = config.sequence?.per_step ?? false;
  if (perStep && lists.length * steps > MAX_ELEMENTS) {
    throw damagedError({
      code: 'data/too-large',
      message: `one group has ${steps} rows; padding every sequence to that length takes too much memory`,
      file: table.source.name,
    });
  }
  const inputSize = config.features.length;
  const rows = lists.reduce((sum, list) => sum + list.length, 0);
  const features = new Float32Array(rows * inputSize);
  const starts = new Uint32Array(lists.length);
  let at = 0;
  lists.forEach((list, i) => {
    starts[i] = at;
    for (const row of list) {
      const from = row * inputSize;
      features.set(table.features.subarray(from, from + inputSize), at * inputSize);
      at++;
    }
  });
  return {
    features,
    inputSize,
    starts,
    lengths: Int32Array.from(lists, list => list.length),
    targets: sequenceTargets(table, lists, mapping, perStep ? steps : undefined),
  };
}

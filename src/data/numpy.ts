/** Dataset kinds of NumPy arrays: `npz`, one archive, and `npy`, a file for each array. */
import { damagedErrors } from '../util/errors.js';
import * as key from '../util/schema.js';
import { ARRAY_KIND, arrayDataset } from './array-dataset.js';
import { arraySequences } from './array-inputs.js';
import { featureName, sequenceLayout } from './array-sequences.js';
import { ArrayFiles } from './arrays.js';
import type { StepColumns } from './core/columns.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetKind,
  dataWidth,
  type NewSequencesOptions,
  staticWidth,
} from './core/dataset.js';
import { missing } from './core/feature-keys.js';
import { configError } from './core/problems.js';
import type { DataRecord } from './core/record.js';
import * as keys from './core/settings.js';
import { npyForm } from './formats/number-arrays.js';

const targetKind = key.choice(['sequence'], {
  description:
    'Set if the targets are sequences with lengths of their own, for the `ctc` loss or a decoder: y is [N,S] integer symbols from 0, -100 after the end. Default: the shape of y says what they are.',
  form: 'sequence, or no such key: y [N], [N,1] or [N,T] integers are classes, y of floats are values',
  examples: ['sequence'],
  aliases: ['target_type'],
});

const npzSettings = key.section(
  {
    kind: keys.kind('npz', 'A NumPy archive.'),
    path: keys.givenFile({
      description: 'Path of the archive.',
      examples: ['data/sequences.npz'],
      aliases: ['file'],
    }),
    target_kind: targetKind,
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    missing,
    normalize: keys.normalize,
    validation_arrays: key.boolean({
      description:
        'Whether to use the arrays x_validation, y_validation and lengths_validation as the validation split or ignore them. Required if the archive has them. Set this or `validation`, or neither.',
      examples: [true],
      ...keys.VALIDATION,
    }),
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    ...keys.stored,
  },
  {
    description:
      'A NumPy archive with the arrays x ([N,T,F] numbers or [N,T] integer symbols), y ([N], [N,1] or [N,T] integer classes, -100 = ignored; [N,C] or [N,T,C] float targets, NaN = ignored step; or with `target_kind: sequence` [N,S] integer symbols, -100 after the end), and optionally lengths [N], static [N,S] (features of each sequence, which the head reads), ids [N] (names of the sequences: strings or integers) and groups [N] (for `test.group` and `validation.group`). T may differ between splits. The test split is in x_test, y_test, …; with `validation_arrays`, the validation split is in x_validation, y_validation, …',
  },
);

export type NpzConfig = key.TypeOf<typeof npzSettings>;

const ofSplit = (array: string, split: string) =>
  keys.file({
    description: `The \`${array}\` of the ${split} split.`,
    examples: [`data/${array}_${split}.npy`],
  });

const npySettings = key.section(
  {
    kind: keys.kind('npy', 'NumPy arrays in separate files.'),
    x: keys.givenFile({
      description: 'The sequences: [N,T,F] numbers or [N,T] integer symbols.',
      examples: ['data/x.npy'],
    }),
    y: keys.givenFile({
      description:
        'The targets: [N], [N,1] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets, NaN = ignored step.',
      examples: ['data/y.npy'],
    }),
    lengths: keys.file({
      description: 'Number of steps of each sequence, [N]. Default: T for all sequences.',
      examples: ['data/lengths.npy'],
    }),
    static: keys.file({
      description: 'Features of each sequence, which the head reads: numbers [N,S].',
      examples: ['data/static.npy'],
    }),
    ids: keys.file({
      description: 'Names of the sequences: strings or integers [N].',
      examples: ['data/ids.npy'],
    }),
    groups: keys.file({
      description: 'Groups of the sequences, for `test.group` and `validation.group`: texts or integers [N].',
      examples: ['data/groups.npy'],
    }),
    x_validation: ofSplit('x', 'validation'),
    y_validation: ofSplit('y', 'validation'),
    lengths_validation: ofSplit('lengths', 'validation'),
    static_validation: ofSplit('static', 'validation'),
    ids_validation: ofSplit('ids', 'validation'),
    groups_validation: ofSplit('groups', 'validation'),
    x_test: ofSplit('x', 'test'),
    y_test: ofSplit('y', 'test'),
    lengths_test: ofSplit('lengths', 'test'),
    static_test: ofSplit('static', 'test'),
    ids_test: ofSplit('ids', 'test'),
    groups_test: ofSplit('groups', 'test'),
    target_kind: targetKind,
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    missing,
    normalize: keys.normalize,
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    ...keys.stored,
  },
  { description: 'The arrays of a NumPy archive, each in an .npy file, raw or gzip.' },
);

export type NpyConfig = key.TypeOf<typeof npySettings>;

const NUMPY_KIND = {
  ...ARRAY_KIND,
  facts: ({ target_kind }: Pick<NpzConfig, 'target_kind'>) =>
    target_kind ? { targetKind: target_kind } : {},
  newSequences: (_: unknown, data: DataRecord, options?: NewSequencesOptions) =>
    arraySequences(data, sequenceLayout, options),
  /** Only the first step needs the static features. */
  stepColumns(_: unknown, data: DataRecord): StepColumns | undefined {
    const [width, staticSize] = [dataWidth(data), staticWidth(data)];
    if (staticSize === 0) return undefined;
    const columns = Array.from({ length: width }, (_, i) => {
      return { name: featureName(i, width - staticSize), isStatic: i >= width - staticSize };
    });
    return { columns };
  },
  symbols: { how: 'integers [N, T] as x', orNumbers: 'numbers [N, T, F] as x' },
};

export const npz: DatasetKind<NpzConfig, typeof npzSettings> = {
  ...NUMPY_KIND,
  settings: npzSettings,
  open: openNpz,
};

export const npy: DatasetKind<NpyConfig, typeof npySettings> = {
  ...NUMPY_KIND,
  settings: npySettings,
  open: openNpy,
};

const namesOf = <S extends string>(suffix: S) =>
  ({
    y: `y${suffix}`,
    lengths: `lengths${suffix}`,
    statics: `static${suffix}`,
    ids: `ids${suffix}`,
    groups: `groups${suffix}`,
    x: `x${suffix}`,
  }) as const;
const [TRAIN, VALIDATED, TEST] = [namesOf(''), namesOf('_validation'), namesOf('_test')];

async function openNpz(config: NpzConfig, context: DatasetContext): Promise<Dataset> {
  const { path, validation_arrays } = config;
  const { files, archive } = await ArrayFiles.openArchive(path, config);
  const isGiven = (names: object) => Object.values(names).some(name => archive.has(name));
  const missing = [TRAIN, ...[VALIDATED, TEST].filter(isGiven)].flatMap(({ x, y }) =>
    [x, y].filter(name => !archive.has(name)).map(name => archive.missing(name, EXPECTED)),
  );
  if (missing.length > 0) throw damagedErrors(missing);
  checkValidationArrays(isGiven(VALIDATED), config);
  const names = [TRAIN, validation_arrays ? VALIDATED : undefined, TEST];
  return arrayDataset(files, names, config, { ...context, layoutOf: sequenceLayout });
}

const EXPECTED =
  'x ([N, T, F] or [N, T]) and y ([N], [N, T], [N, C] or [N, T, C]); x_test needs y_test, x_validation y_validation';

/**
 * The config alone must define whether there is a validation split, since defaults of other keys
 * depend on it.
 */
function checkValidationArrays(inFile: boolean, { path, validation_arrays }: NpzConfig): void {
  if (inFile && validation_arrays === undefined) {
    throw configError({
      code: 'data/validation-split',
      keyPath: ['dataset', 'path'],
      message: `${path} has x_validation, but the config does not say whether to use it`,
      expected: 'dataset.validation_arrays: true, or false to ignore it',
    });
  }
  if (!inFile && validation_arrays) {
    throw configError({
      code: 'data/validation-split',
      keyPath: ['dataset', 'validation_arrays'],
      message: `${path} has no x_validation`,
      expected: 'arrays x_validation and y_validation, or dataset.validation: { fraction: 0.1 }',
    });
  }
}

async function openNpy(config: NpyConfig, context: DatasetContext): Promise<Dataset> {
  const names = [TRAIN, VALIDATED, TEST];
  for (const { x, y, lengths, statics, ids, groups } of names) {
    const given = [y, lengths, statics, ids, groups, x].find(array => config[array] !== undefined);
    const missing = [x, y].find(array => config[array] === undefined);
    if (given === undefined || missing === undefined) continue;
    throw configError({
      code: 'data/npy-arrays',
      keyPath: ['dataset', given],
      message: `\`${given}\` needs \`${missing}\` as well`,
    });
  }
  const files = await ArrayFiles.open(config, names, npyForm);
  return arrayDataset(files, names, config, { ...context, layoutOf: sequenceLayout });
}

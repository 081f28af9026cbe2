/** Dataset kinds of NumPy arrays: `npz`, one archive, and `npy`, a file for each array. */

import { damagedErrors } from '../../util/errors.js';
import type { StepColumns } from '../core/columns.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  dataWidth,
  type NewSequencesOptions,
  staticWidth,
} from '../core/dataset.js';
import { configError } from '../core/problems.js';
import type { DataRecord } from '../core/record.js';
import { npyForm } from '../formats/number-arrays.js';
import { arrayDataset } from './dataset.js';
import type { NpyConfig, NpzConfig } from './facts.js';
import { ArrayFiles } from './files.js';
import { arraySequences } from './inputs.js';
import { featureName, sequenceLayout } from './sequences.js';

const READERS = {
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
};

export const npz: DatasetReaders<NpzConfig> = { ...READERS, open: openNpz };
export const npy: DatasetReaders<NpyConfig> = { ...READERS, open: openNpy };

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

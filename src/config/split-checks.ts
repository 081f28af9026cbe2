/** Rules of the keys that define the test and validation splits. */
import { type HeldOutConfig, isHeldOut, type TestPartConfig } from '../data/core/selection.js';
import { kindOf } from '../data/index.js';
import type { Diagnostic } from '../util/errors.js';
import { validationKeys } from './metrics.js';
import type { DatasetConfig } from './schema/experiment.js';
import type { Locator } from './yaml/tree.js';

export function* checkSplits(dataset: DatasetConfig, locator: Locator): Iterable<Diagnostic> {
  const { test_path, test_fraction, test } = dataset as Partial<TestPartConfig>;
  const validation: HeldOutConfig | undefined = dataset.validation;
  const given = Object.entries({
    test_path,
    test_fraction,
    test: test && isHeldOut(test) ? test : undefined,
  });
  const [first, second] = given.flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (second !== undefined) yield locator.atBoth(['dataset', second], 'config/two-test-splits', first);
  const { keys } = kindOf(dataset).settings;
  // arrays of a test split may be in the files
  if (('test_path' in keys || dataset.kind === 'forecast') && first === undefined && test === undefined) {
    const file = 'test_path' in keys ? '`test_path`: a second file, or ' : '';
    const expected = `${file}\`test_fraction\`, such as 0.2, or \`test\``;
    yield locator.atKey(['dataset'], 'config/no-test-split', 'the dataset has no test split', { expected });
  }
  const files = validationKeys(dataset);
  // of arrays, only the files tell whether there is a test split
  if (test) yield* checkHeldOut('test', test, test_path !== undefined || !('test_path' in keys), locator);
  if (validation) yield* checkHeldOut('validation', validation, files.length > 0, locator);
  if (validation && isHeldOut(validation) && files.length > 0)
    yield locator.atBoth(['dataset', 'validation'], 'config/two-validation-splits', files[0]);
  if (dataset.kind === 'idx' && files.length === 1) {
    const message = 'validation images and labels must both be set';
    yield locator.atKey(['dataset', files[0]], 'config/validation', message);
  }
}

/** @param hasFile true if the split may have a file of its own, whose groups are only checked */
function* checkHeldOut(
  split: 'test' | 'validation',
  config: HeldOutConfig,
  hasFile: boolean,
  locator: Locator,
): Iterable<Diagnostic> {
  const { group, column, is, select } = config;
  const path = ['dataset', split];
  const code = `config/${split}`;
  const [first, second] = (['fraction', 'count', 'is'] as const).filter(key => config[key] !== undefined);
  if (first === undefined && !(hasFile && group !== undefined)) {
    const expected = '`fraction`, such as 0.1, or `count`, such as 5000';
    yield locator.atKey(path, code, `the ${split} split has no size`, { expected });
  }
  if (second !== undefined) yield locator.atBoth([...path, second], code, first);
  if (is === undefined) {
    if (column === undefined) return;
    const expected = `\`is\`: the value of the sequences to hold out, such as \`is: ${split}\``;
    yield locator.atKey([...path, 'column'], code, '`column` needs a value', { expected });
    return;
  }
  if (column !== undefined && group !== undefined) yield locator.atBoth([...path, 'column'], code, 'group');
  if (column === undefined && group === undefined) {
    const expected = `\`column\`, such as \`{ column: split, is: ${split} }\`, or \`group\``;
    yield locator.atKey([...path, 'is'], code, '`is` needs a column', { expected });
  }
  if (select !== undefined) yield locator.atBoth([...path, 'select'], code, 'is');
}

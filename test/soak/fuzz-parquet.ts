/** Tables in Parquet files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DatasetConfig, isRejected, newSequences } from '../../src/data/index.js';
import type { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { asInput } from '../support/data-files.js';
import { mutateBytes, onceIn, pick } from '../support/mutations.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';
import { openSoundly } from './sound-dataset.js';

const FORMS = ['snappy', 'gzip', 'brotli', 'plain', 'arrow-delta', 'arrow-dictionary'];

export const parquetFiles: FuzzTarget = {
  name: 'parquet',
  open: folder => {
    const path = join(folder, 'data.parquet');
    const files = FORMS.map(form =>
      readFileSync(join(packageRoot, `test/fixtures/parquet/readings-${form}.parquet`)),
    );
    return random => {
      const bytes = pick(random, files);
      const isMutated = onceIn(random, 2);
      const damaged = isMutated ? mutateBytes(bytes, random, pick(random, files)) : Buffer.from(bytes);
      if (!isMutated || onceIn(random, 4)) putCount(damaged, random);
      // the magic decides who reads the file
      if (damaged.length >= 4) bytes.copy(damaged, 0, 0, 4);
      writeFileSync(path, damaged);
      const config: DatasetConfig = {
        kind: 'parquet',
        path,
        test_fraction: 0.3,
        features: onceIn(random, 2) ? ['a', 'b', 'c'] : ['c'],
        target: onceIn(random, 2) ? 'label' : 'score',
        target_kind: 'class',
        ...(!onceIn(random, 3) && { sequence: { group: 'recording', order: 'time', per_step: true } }),
      };
      return onceIn(random, 3) ? () => readToPredict(config, damaged) : () => openSoundly(config);
    };
  },
};

/** Puts a large number where a count may stand: of a run, a list, or the values of a page. */
function putCount(bytes: Buffer, random: RandomStream): void {
  const count = Buffer.from([pick(random, [0xfe, 0xff]), 0xff, 0xff, 0xff, pick(random, [0x07, 0x0f])]);
  if (bytes.length > count.length) bytes.set(count, random.integer(bytes.length - count.length));
}

async function readToPredict(
  config: DatasetConfig & { kind: 'csv' | 'parquet' },
  bytes: Buffer,
): Promise<void> {
  const size = config.features.length;
  const reader = newSequences(config, {
    input: { kind: 'number', size },
    sequence_length: 12,
    variable_length: false,
    output_size: 3,
  });
  const chunks = async function* () {
    yield bytes;
  };
  for await (const sequences of reader.read(asInput({ name: 'x', size: bytes.length, chunks: chunks() }))) {
    for (const one of sequences) {
      if (isRejected(one)) ensure(one.problems.length > 0, 'what is rejected has a reason');
      else ensure(one.values.length === size * one.length && one.values.every(Number.isFinite), 'sizes fit');
    }
  }
}

/** Random changes of recordings as by torchaudio, in training only; scaling of each recording. */

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { augmentation } from '../../src/data/audio/augment.js';
import type { AugmentConfig } from '../../src/data/audio/facts.js';
import { FeatureForm } from '../../src/data/audio/features.js';
import { KeptSamples } from '../../src/data/audio/recording.js';
import { Problems } from '../../src/data/core/problems.js';
import { type DatasetConfig, inputWidth } from '../../src/data/index.js';
import { packageRoot } from '../../src/util/root.js';
import { jsonLines } from '../support/cli.js';
import { complaints, open, sequence } from '../support/data-files.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

interface Fixture {
  readonly noise: readonly (readonly number[])[];
  readonly masks: readonly {
    readonly bands: number;
    readonly deltas: number;
    readonly config: AugmentConfig;
    readonly key: number;
    readonly features: readonly number[];
    readonly masked: readonly number[];
  }[];
  readonly samples: readonly {
    readonly config: Omit<AugmentConfig, 'noise'> & {
      readonly noise?: { readonly ratio: readonly [number, number] };
    };
    readonly key: number;
    readonly samples: readonly number[];
    readonly changed: readonly number[];
  }[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/audio/augment.json'), 'utf8'),
);
const LOG_MEL = {
  kind: 'log_mel',
  ...{ window: 25, hop: 10, bands: 12, min_frequency: 0, floor: 1e-10, deltas: 0 },
  scale: 'htk',
} as const;
const near = (got: ArrayLike<number>, want: readonly number[]) =>
  got.length === want.length && want.every((value, i) => Math.abs(value - got[i]) < 2e-6);
const nothing = () => ({ samples: undefined, problems: new Problems(), sources: [], memory: undefined });

t.test('masks are those of torchaudio', async t => {
  for (const { bands, deltas, config, key, features, masked } of fixture.masks) {
    const form = new FeatureForm({ ...LOG_MEL, bands, deltas }, 8000);
    const extraction = { form, channel: 'mix', scaling: undefined } as const;
    const augment = await augmentation(config, extraction, nothing());
    const given = Float32Array.from(features);
    t.ok(near(augment(given, 0, key), masked), `${JSON.stringify(config)}, ${key}`);
    t.same([...given], [...Float32Array.from(features)], 'the recording stays');
  }
});

t.test('samples are moved, louder and noisy as in torchaudio', async t => {
  const noise = work.folder();
  const scaled = (values: readonly number[]) => values.map(value => value / 32767);
  for (const [i, values] of fixture.noise.entries())
    writeFileSync(join(noise, `${i}.wav`), wav(scaled(values)));
  // frames that touch are the samples
  const form = new FeatureForm({ kind: 'raw', window: 1, hop: 1 }, 8000);
  for (const { config, key, samples, changed } of fixture.samples) {
    const kept = new KeptSamples();
    const keep = (...parts: readonly (readonly number[])[]) => {
      const pieces = parts.map(part => Float64Array.from(part));
      kept.keep('', { count: parts.flat().length, rate: form.rate, pieces }, form.rate);
    };
    keep([1, 2, 3]);
    keep(samples.slice(0, 7), samples.slice(7));
    const { noise: noisy, ...rest } = config;
    const own = { ...rest, ...(noisy && { noise: { path: noise, ratio: noisy.ratio } }) };
    const extraction = { form, channel: 'mix', scaling: undefined } as const;
    const augment = await augmentation(own, extraction, { ...nothing(), samples: kept });
    t.ok(near(augment(new Float32Array(), 1, key), changed), `${JSON.stringify(config)}, ${key}`);
  }
});

/** Tones of two speakers. */
function folder(): string {
  const path = work.folder();
  for (let i = 0; i < 24; i++) {
    const [label, hertz] = i % 2 === 0 ? ['low', 300] : ['high', 900];
    writeFileSync(join(path, `${label}_${'abc'[i % 3]}_${i}.wav`), wav(tone(hertz + 5 * i, 800 + 40 * i)));
  }
  return path;
}

const path = folder();
const config = (more: object = {}): DatasetConfig =>
  ({
    ...{ kind: 'audio', path, pattern: '{label}_{speaker}_{take}', target: 'label', target_kind: 'class' },
    ...{ features: LOG_MEL, test: { group: 'speaker', is: 'c' }, validation: { count: 4 } },
    ...more,
  }) as DatasetConfig;
const CHANGES = {
  ...{ shift: 20, gain: 6, noise: { path: folder(), ratio: [0, 10] } },
  ...{ time_masks: { count: 2, width: 8, fraction: 1 }, frequency_masks: { count: 1, width: 6 } },
  warp: 0.1,
};

t.test('only a training step changes recordings, each in its own way', async t => {
  const [plain, augmented] = [await open(config()), await open(config({ augment: CHANGES }))];
  for (const split of ['train', 'validation', 'test'] as const) {
    const [before, after] = [plain[split], augmented[split]];
    for (let i = 0; i < (before?.count ?? 0); i++)
      t.same(after && sequence(augmented, after, i), before && sequence(plain, before, i), `${split} ${i}`);
  }
  const { train, sequenceLength } = augmented;
  const width = inputWidth(augmented.input);
  const read = (index: number, draw: number) => {
    const out = new Float32Array(sequenceLength * width);
    train.read(index, out, 0, width, draw);
    return out.join();
  };
  const key = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(fc.nat(train.count - 1), key, key, fc.nat(train.count - 1), (index, a, b, other) => {
      const first = read(index, a);
      read(other, b);
      return read(index, a) === first && (a === b) === (read(index, b) === first);
    }),
  );
});

t.test('samples of more recordings and noise than `memory` are read from files', async t => {
  const [recordings, noise] = [folder(), folder()];
  const augment = { ...CHANGES, noise: { path: noise, ratio: [0, 10] } };
  const opened = (memory: number | undefined) => open(config({ path: recordings, augment, memory }));
  const [inMemory, onDisk] = [await opened(undefined), await opened(0)];
  const changed = ({ input, sequenceLength, train }: typeof onDisk, index: number) => {
    const width = inputWidth(input);
    const out = new Float32Array(sequenceLength * width);
    train.read(index, out, 0, width, 7 * index);
    return [...out];
  };
  for (let i = 0; i < onDisk.train.count; i++) t.same(changed(onDisk, i), changed(inMemory, i), `${i}`);
  const filesIn = (path: string) =>
    readdirSync(join(path, '.cellrun'))
      .filter(name => name !== '.gitignore')
      .map(name => join(path, '.cellrun', name));
  t.equal(filesIn(recordings).length, 2, 'features and samples');
  const [kept] = filesIn(noise);
  t.ok(statSync(kept).size > 24 * 4 * 800, 'all samples of the noise');
  const whole = readFileSync(kept);
  for (const damage of [whole.subarray(0, 5000), Buffer.alloc(whole.length, 7), undefined]) {
    const unread = await opened(0);
    if (damage) {
      writeFileSync(kept, damage);
      t.throws(() => changed(unread, 0), 'what is read is on the disk');
    } else {
      rmSync(kept);
      t.same(changed(unread, 0), changed(inMemory, 0), 'the file stays open');
    }
    const again = await opened(0);
    for (let i = 0; i < again.train.count; i++) t.same(changed(again, i), changed(inMemory, i));
    t.same(readFileSync(kept), whole);
  }
});

t.test('settings that do not fit are refused', async t => {
  const masks = { augment: { frequency_masks: { count: 1, width: 3 }, warp: 0.1 } };
  t.same(
    await complaints(2, () => open(config({ ...masks, features: { kind: 'raw', window: 4, hop: 4 } }))),
    [
      'data/augment | features of kind raw have no bands | expected `features.kind: log_mel`, or no `warp`',
      'data/augment | features of kind raw have no bands | expected `features.kind: log_mel`, or no `frequency_masks`',
    ],
  );
  const missing = { augment: { noise: { path: join(path, 'nowhere'), ratio: [0, 5] } } };
  t.match(await complaints(5, () => open(config(missing))), [/nowhere/]);
});

t.test('each recording can be scaled over its own frames', async t => {
  const [plain, scaled] = [
    await open(config()),
    await open(config({ normalize: 'min_max', normalize_per: 'recording' })),
  ];
  for (const split of ['train', 'validation', 'test'] as const) {
    const [before, after] = [plain[split], scaled[split]];
    for (let i = 0; before && after && i < before.count; i++) {
      const length = before.lengths?.[i] ?? plain.sequenceLength;
      const given = sequence(plain, before, i).slice(0, length);
      const bounds = given[0]
        .map((_, f) => given.map(row => row[f]))
        .map(all => [Math.min(...all), Math.max(...all)]);
      const want = given.map(row =>
        row.map((value, f) => (value - bounds[f][0]) / (bounds[f][1] - bounds[f][0] || 1)),
      );
      t.ok(near(sequence(scaled, after, i).slice(0, length).flat(), want.flat()), `${split} ${i}`);
    }
  }
});

t.test('a run predicts as it evaluates, whatever changed in training', async t => {
  const run = await work.train({
    dataset: config({ normalize: 'standard', normalize_per: 'recording', augment: CHANGES }),
    model: { cell: 'gru', hidden_size: 4, head: { from: 'mean' } },
    optimizer: { kind: 'adam', learning_rate: 0.05 },
    training: { num_epochs: 2, batch_size: 4 },
  });
  const { datasets } = JSON.parse(readFileSync(join(run.directory, 'manifest.json'), 'utf8'));
  const files = datasets.map(({ files }: { readonly files?: number }) => files);
  t.same(files, [16, 24, 8], 'one entry for the recordings, the noise and those held out');
  const lines = ({ stdout }: { readonly stdout: string }) => jsonLines(stdout);
  const evaluated = lines(await work.cellrun('predict', run.directory, '--split', 'test'));
  const inputs = evaluated.flatMap(({ id }) => ['--input', join(path, id)]);
  const predicted = lines(await work.cellrun('predict', run.directory, ...inputs));
  const probabilities = (list: readonly { readonly probabilities: unknown }[]) =>
    list.map(one => one.probabilities);
  t.equal(evaluated.length, 8);
  t.same(probabilities(predicted), probabilities(evaluated), 'equal to the bit');
});

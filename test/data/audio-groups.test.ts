/** Features scaled over the recordings of each speaker, as by NumPy. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { DatasetConfig } from '../../src/data/index.js';
import { packageRoot } from '../../src/util/root.js';
import { complaints, open, sequence } from '../support/data-files.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const METHODS = ['standard', 'min_max'] as const;
type Fixture = Readonly<Record<(typeof METHODS)[number], Readonly<Record<string, number[][]>>>> & {
  readonly window: number;
  readonly samples: Readonly<Record<string, number[]>>;
};
const fixture: Fixture = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/audio/speakers.json'), 'utf8'),
);

const config = (path: string, more: object = {}): DatasetConfig =>
  ({
    ...{ kind: 'audio', path, target: 'label', target_kind: 'class' },
    ...{ pattern: '{label}_{speaker}_{take}_{split}', test: { column: 'split', is: 'test' } },
    ...{ normalize: 'standard', normalize_per: 'speaker' },
    ...{ features: { kind: 'raw', window: fixture.window, hop: fixture.window }, ...more },
  }) as DatasetConfig;

/** Recordings of three speakers, of whom one is in no training split. */
function voices(): string {
  const names = ['low', 'high'].flatMap(label => ['anna', 'kim', 'theo'].map(speaker => [label, speaker]));
  const files = names.flatMap(([label, speaker], i) =>
    [0, 1, 2].map(take => {
      const split = speaker === 'theo' ? 'test' : 'train';
      const samples = tone((label === 'low' ? 300 : 900) + 7 * i, 400 + 80 * take);
      return [`${label}_${speaker}_${take}_${split}.wav`, wav(samples.map(one => one / (1 + i)))] as const;
    }),
  );
  return work.files(Object.fromEntries(files));
}

for (const normalize of METHODS) {
  t.test(`${normalize} over the recordings of each speaker, whatever their split`, async t => {
    const files = Object.entries(fixture.samples).map(
      ([name, samples]) =>
        [
          `${name}.wav`,
          wav(
            samples.map(sample => sample / 32767),
            { rate: 1000 },
          ),
        ] as const,
    );
    const data = await open(config(work.files(Object.fromEntries(files)), { normalize }));
    const seen = [data.train, data.test].flatMap(split =>
      Array.from({ length: split.count }, (_, i) => {
        const name = `${split.id?.(i)}`.replace('.wav', '');
        const want = fixture[normalize][name];
        const got = sequence(data, split, i).slice(0, want.length);
        t.ok(
          got.flat().every((value, at) => Math.abs(value - want.flat()[at]) < 1e-5),
          name,
        );
        return name;
      }),
    );
    t.same(seen.sort(), Object.keys(fixture.samples).sort());
  });
}

t.test('a run predicts a new speaker as it evaluates them', async t => {
  const path = voices();
  const run = await work.train({
    dataset: config(path, { features: { kind: 'log_mel', bands: 8 }, augment: { gain: 6 } }),
    model: { cell: 'gru', hidden_size: 4 },
    optimizer: { kind: 'adam', learning_rate: 0.05 },
    training: { num_epochs: 2, batch_size: 4 },
  });
  const lines = async (...args: string[]) => {
    const { stdout, stderr } = await work.cellrun('predict', run.directory, ...args);
    const texts = stdout.trim() === '' ? [] : stdout.trim().split('\n');
    return { stderr, all: texts.map(text => JSON.parse(text)) };
  };
  const probabilities = (all: readonly { readonly probabilities: unknown }[]) =>
    all.map(one => one.probabilities);
  const evaluated = await lines('--split', 'test');
  t.equal(evaluated.all.length, 6);
  const whole = await lines('--input', join(path, '*_theo_*.wav'));
  t.same(probabilities(whole.all), probabilities(evaluated.all), 'equal to the bit');
  t.equal(whole.stderr, '');
  const { metrics } = run.summary;
  const tested = await work.cellrun(
    'evaluate',
    run.directory,
    '--input',
    join(path, '*_theo_*.wav'),
    '--json',
  );
  t.same(JSON.parse(tested.stdout).metrics.input, metrics.test);

  const others = work.files({
    'a_new_0_x.wav': wav(tone(300, 400)),
    'unnamed.wav': wav(tone(300, 400)),
    'a_new_1_x.wav': Buffer.from('no recording'),
  });
  const skipped = await lines('--input', others, '--on-error', 'skip');
  t.equal(skipped.all.length, 1);
  t.match(skipped.stderr, /a_new_0_x\.wav: warning: no other recording of the input has speaker "new"/);
  t.match(skipped.stderr, /unnamed\.wav: warning: the name of the file does not match the pattern/);
});

t.test('a column that recordings lack', async t => {
  const path = voices();
  t.same(await complaints(2, () => open(config(path, { normalize_per: 'speeker' }))), [
    'data/audio-field | the pattern has no field "speeker" | expected one of label, speaker, take, split',
  ]);
  const table = join(path, 'list.csv');
  writeFileSync(
    table,
    'file,label,speaker,split\nlow_anna_0_train.wav,low,anna,train\nhigh_anna_0_train.wav,high,,test\n',
  );
  const listed = config(table, { path_column: 'file', pattern: undefined });
  t.same(await complaints(5, () => open(listed)), [
    'data/audio-group 3 | the recording has no speaker, and those of each speaker are scaled together',
  ]);
});

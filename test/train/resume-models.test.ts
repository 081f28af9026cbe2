/**
 * Interruptions, `verify` and saved models with dropout, both directions, embeddings, carried
 * states, batches by length and recordings that change at random.
 */
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { RandomStream } from '../../src/util/random.js';
import { compareRuns } from '../../src/verify/resume.js';
import { floats, integers, jsonLines, npz, onlyIn, readLog } from '../support/cli.js';
import { relativeError } from '../support/goldens.js';
import { resume, stopAt, train } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const STEPS = 6;
const FEATURES = 2;
const SYMBOLS = 5;

const random = RandomStream.of(1, 'test/resume-models');
const uniform = (length: number) => Array.from({ length }, () => 2 * random.uniform() - 1);
const draw = (length: number, below: number) => Array.from({ length }, () => random.integer(below));
const lengths = (count: number) => draw(count, STEPS).map(length => length + 1);

/** `count` sequences of symbols with different lengths, and a class each. */
function symbols(count: number, suffix = '') {
  return {
    [`x${suffix}`]: integers([count, STEPS], draw(count * STEPS, SYMBOLS)),
    [`y${suffix}`]: integers([count], draw(count, 3)),
    [`lengths${suffix}`]: integers([count], lengths(count)),
  };
}

/** `count` sequences of numbers with a class for each step. */
function numbers(count: number, suffix = '') {
  return {
    [`x${suffix}`]: floats([count, STEPS, FEATURES], uniform(count * STEPS * FEATURES)),
    [`y${suffix}`]: integers([count, STEPS], draw(count * STEPS, 3)),
  };
}

/** Four batches per epoch, the last one partial; each has two shards. */
const training = { num_epochs: 2, batch_size: 12, eval_batch_size: 12, log_every: 1 };
const TOTAL_STEPS = 8;
const common = {
  optimizer: { kind: 'adam', learning_rate: 0.02 },
  checkpoint: { every: { steps: 2 }, keep: { last: 100, best: 1 }, metric: 'test.accuracy' },
};

const bucketed = {
  ...common,
  name: 'bucketed',
  dataset: { kind: 'npz', path: work.file('symbols.npz', npz({ ...symbols(43), ...symbols(17, '_test') })) },
  model: {
    layers: [
      { cell: 'lstm', hidden_size: 4, projection_size: 3, bidirectional: true },
      { cell: 'gru', hidden_size: 3 },
    ],
    dropout: 0.3,
    embedding: { size: 3 },
    head: { from: 'mean', hidden_sizes: [4], activation: 'tanh', dropout: 0.2 },
  },
  training: { ...training, bucket_by_length: true },
};

const testSize = 17;
const testNumbers = numbers(testSize, '_test');
const carried = {
  ...common,
  name: 'carried',
  dataset: { kind: 'npz', path: work.file('numbers.npz', npz({ ...numbers(43), ...testNumbers })) },
  model: {
    layers: [
      { cell: 'lstm', hidden_size: 4, layer_norm: true },
      { cell: 'rnn', hidden_size: 3 },
    ],
    dropout: 0.3,
    head: { from: 'every' },
  },
  training: { ...training, shuffle: false, carry_state: true },
};

/** Tones of different lengths. */
function recordings(count: number): string {
  const folder = work.folder();
  for (let i = 0; i < count; i++)
    writeFileSync(join(folder, `${i % 3}_${i}.wav`), wav(tone(200 + 100 * (i % 3), 80 + 16 * (i % 5))));
  return folder;
}

const augmented = {
  ...common,
  name: 'augmented',
  dataset: {
    kind: 'audio',
    path: recordings(43),
    test_path: recordings(17),
    pattern: '{label}_{number}',
    target: 'label',
    target_kind: 'class',
    features: { kind: 'log_mel', window: 4, hop: 2, bands: 4 },
    normalize: 'standard',
    normalize_per: 'recording',
    augment: {
      shift: 2,
      noise: { path: recordings(2), ratio: [0, 20] },
      gain: 6,
      time_masks: { count: 1, width: 3 },
      frequency_masks: { count: 1, width: 2 },
    },
  },
  model: { cell: 'gru', hidden_size: 4, head: { from: 'mean' } },
  training: { ...training, bucket_by_length: true },
};

for (const config of [bucketed, carried, augmented]) {
  const { name } = config;
  t.test(
    `${name}: a run that crashed, resumed with two threads and stopped again ends byte-identical`,
    async t => {
      const output = work.folder();
      const crashes = new Map<number, string>();
      const straight = await train(work, config, {
        output,
        observer: {
          step: ({ step }) => {
            const copy = join(work.folder(), 'copy');
            cpSync(onlyIn(output, name), copy, { recursive: true });
            // a crashed process would not be alive
            rmSync(join(copy, 'run.lock'));
            crashes.set(step, copy);
          },
        },
      });
      t.equal(crashes.size, TOTAL_STEPS);
      t.equal(readdirSync(join(straight.summary.directory, 'checkpoints')).length, TOTAL_STEPS / 2 + 1);
      const crash = crashes.get(3) ?? '';
      const { signal, observer } = stopAt(5);
      t.match(await resume(crash, { threads: 2, signal }, observer), { summary: { status: 'interrupted' } });
      t.equal((await resume(crash)).summary.status, 'completed');
      t.same(compareRuns(straight.summary.directory, crash), []);
      const starts = readLog(crash).filter(({ event }) => event === 'run.resume');
      t.match(starts, [{ step: 2 }, { step: 5 }], 'in the middle of both epochs');
    },
  );
}

const checkOf = async (t: Test, what: string, config: object, ...flags: string[]) => {
  const output = ['--json', '--output', work.folder()];
  const { code, stdout, stderr } = await work.cellrun(
    'verify',
    what,
    work.config(config),
    ...output,
    ...flags,
  );
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /warning/);
  t.match(JSON.parse(stdout), { holds: true });
};

t.test('verify gradients and backends hold with embedding, dropout, directions and lengths', async t => {
  await checkOf(t, 'gradients', bucketed, '--rows', '3', '--backend', 'webasm');
  await checkOf(t, 'backends', bucketed, '--steps', '4', '--backends', 'webasm,cpu');
});

interface Prediction {
  readonly predicted: readonly number[];
  readonly probability: readonly number[];
  readonly label: readonly number[];
}

async function predictions(t: Test, run: string): Promise<Prediction[]> {
  const { code, stdout, stderr } = await work.cellrun('predict', run);
  t.equal(code, 0, stderr);
  return jsonLines(stdout);
}

t.test('evaluate and predict carry states like the run', async t => {
  const run = await work.train(carried);
  const evaluated = await work.cellrun('evaluate', run.directory, '--json');
  t.match(JSON.parse(evaluated.stdout), { metrics: { test: run.summary.metrics.test } });
  const found = await predictions(t, run.directory);
  const hits = found.flatMap(({ predicted, label }) => predicted.map((value, i) => value === label[i]));
  t.equal(hits.filter(Boolean).length / hits.length, run.summary.metrics.test.accuracy);

  // row b of the second batch continues the sequence of row b of the first
  const second = testSize - training.batch_size;
  const size = STEPS * FEATURES;
  const inputs = Array.from(testNumbers.x_test.values, Number);
  const row = (i: number) => inputs.slice(i * size, (i + 1) * size);
  const x = floats(
    [second, 2 * STEPS, FEATURES],
    Array.from({ length: second }, (_, b) => [...row(b), ...row(training.batch_size + b)]).flat(),
  );
  const y = integers([second, 2 * STEPS], draw(second * 2 * STEPS, 3));
  const whole = await work.train({
    ...carried,
    dataset: { kind: 'npz', path: work.file('joined.npz', npz({ x, y, x_test: x, y_test: y })) },
    model: { ...carried.model, init_from: join(run.directory, run.summary.checkpoints.last ?? '') },
    optimizer: { kind: 'sgd', learning_rate: 1e-30 },
    training: { num_epochs: 1, batch_size: second },
  });
  const joined = await predictions(t, whole.directory);
  for (const [b, { probability }] of joined.entries()) {
    const expected = [...found[b].probability, ...found[training.batch_size + b].probability];
    t.ok(relativeError(probability, expected) < 1e-6, `row ${b}`);
  }
});

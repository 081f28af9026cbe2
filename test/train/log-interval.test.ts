/** The default logging interval of a run, and what a resume does with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { defaultLogEvery } from '../../src/train/plan.js';
import { readLog } from '../support/cli.js';
import { randomDataset } from '../support/runs.js';
import { work } from '../support/work.js';

/** Ten steps per epoch, 400 in total. */
const config = {
  dataset: {
    kind: 'npz',
    path: work.file('data.npz', randomDataset('test/log', { train: 20, test: 4, seed: 1 })),
  },
  model: { cell: 'rnn', hidden_size: 2, num_layers: 1, head: { from: 'last' } },
  optimizer: { kind: 'sgd', learning_rate: 0.01 },
  training: { num_epochs: 40, batch_size: 2 },
};
const file = work.config(config);

const steps = (directory: string) =>
  readLog(directory).flatMap(({ event, step }) => (event === 'train.step' ? [step] : []));
const warnings = (directory: string) =>
  readLog(directory).flatMap(({ event, code }) => (event === 'warning' ? [code] : []));
const manifest = (directory: string) => JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));

/** The directory of a run that paused after the first epoch. */
async function begun(...flags: string[]): Promise<string> {
  const directory = join(work.folder(), 'run');
  const command = ['run', file, '--directory', directory, '--pause-after-epoch', '1', ...WEBASM];
  const { code, stderr } = await work.cellrun(...command, ...flags);
  t.equal(code, 130, stderr);
  return directory;
}

const WEBASM = ['--backend', 'webasm', '--threads', '1'];
/** Numbers from `from` to `to`. */
const every = (by: number, from: number, to: number) =>
  Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, i) => from + i * by);

t.test('the interval is a round number that logs a few hundred steps', async t => {
  const given = [1, 40, 399, 400, 999, 1000, 1200, 2000, 60_000, 1e6, 1e9];
  t.same(given.map(defaultLogEvery), [1, 1, 1, 2, 2, 5, 5, 10, 200, 5000, 5e6]);
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 2 ** 40 }), total => {
      const interval = defaultLogEvery(total);
      return /^[125]0*$/.test(String(interval)) && total / interval >= 200 && total / interval <= 500;
    }),
  );
});

t.test('a run derives the interval from its planned length, and keeps it when resumed', async t => {
  t.notOk('log_every' in loadExperiment(file).experiment.training);
  const directory = await begun();
  t.equal(manifest(directory).log_every, 2);
  t.same(steps(directory), [1, 2, 4, 6, 8, 10]);
  // a new run of 30 steps would log every step
  const more = (...flags: string[]) => work.cellrun('resume', directory, '--threads', '1', ...flags);
  t.match(await more('--set', 'training.max_steps=30', '--pause-after-epoch', '2'), { code: 130 });
  t.same(steps(directory), [1, ...every(2, 2, 20)]);
  t.match(await more('--set', 'training.log_every=3'), { code: 0 });
  t.same(steps(directory), [1, ...every(2, 2, 20), 21, 24, 27, 30]);
  t.match(manifest(directory).changes.at(-1), { key: 'training.log_every', from: null, to: 3 });
  t.match(await more('--set', 'training.max_steps=34'), { code: 0 });
  t.same(warnings(directory), [], 'no record is missing');
});

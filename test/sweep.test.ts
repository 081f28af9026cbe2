import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadExperiment } from '../src/config/index.js';
import { RandomStream } from '../src/random.js';
import { readJournal } from '../src/sweep/journal.js';
import type { SweepPlan } from '../src/sweep/plan.js';
import { isDecision, type JournalRecord } from '../src/sweep/records.js';
import { randomDataset } from './support/small-run.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const SWEEP = join(HERE, 'support', 'sweep-process.js');
const PROGRAM = join(HERE, '..', 'src', 'cli', 'main.js');

const PLAN: SweepPlan = {
  name: 'small',
  seed: 3,
  seeds: [0],
  space: {
    parameters: [
      {
        keys: ['optimizer.learning_rate'],
        name: 'optimizer.learning_rate',
        distribution: { kind: 'log_uniform', low: 1e-3, high: 1e-1 },
      },
      {
        keys: ['model.hidden_size'],
        name: 'model.hidden_size',
        distribution: { kind: 'choice', values: [4, 8] },
      },
    ],
    exclude: [],
  },
  method: { kind: 'tpe', n_startup_trials: 3, n_ei_candidates: 24 },
  pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
  objective: { metric: 'test.loss', goal: 'minimize' },
  budget: { trials: 6, seconds: null, target: null },
  epochs: 4,
  parallel: 2,
  trial_timeout: 60,
  retries: 1,
  on_trial_error: 'continue',
  bases: [{ name: 'base.yaml', file: 'base.yaml' }],
};

t.test('a sweep killed at random moments ends as one that was never killed', async t => {
  const { file } = newSweep(t.testdir(), PLAN);
  const straight = await sweep(file);
  t.match(straight.out, /^completed/m, straight.err);
  const expected = decisions(straight.directory);
  t.equal(expected.filter(record => record.event === 'trial.chosen').length, 6);
  t.match(expected.at(-1), { event: 'sweep.decided', reason: 'trials', best: { value: Number } });
  checkEpochs(t, straight.directory);

  const random = RandomStream.of(7, 'test/kill');
  let killed = await sweep(file, 1500 + random.integer(1500));
  let kills = 1;
  for (; !/^completed/m.test(killed.out); kills++) {
    killed = await sweep(killed.directory, kills > 4 ? undefined : 800 + random.integer(2500));
  }
  t.comment(`killed ${kills - 1} times`);
  t.ok(kills > 2, 'was killed at least twice');
  t.same(decisions(killed.directory), expected);
  checkEpochs(t, killed.directory);
  for (const run of readdirSync(join(straight.directory, 'trials'))) {
    for (const name of checkpointsOf(join(straight.directory, 'trials', run)))
      t.ok(
        readFileSync(join(straight.directory, 'trials', run, 'checkpoints', name)).equals(
          readFileSync(join(killed.directory, 'trials', run, 'checkpoints', name)),
        ),
        `${run}/${name} is the same to the byte`,
      );
  }
});

t.test('a trial that cannot run is one failed trial, and is told with its reason', async t => {
  const parameters = [
    {
      keys: ['optimizer.learning_rate'],
      name: 'optimizer.learning_rate',
      distribution: { kind: 'choice' as const, values: [0.01, -1] },
    },
  ];
  const plan: SweepPlan = {
    ...PLAN,
    space: { parameters, exclude: [] },
    method: { kind: 'grid' },
    pruner: { kind: 'none' },
    epochs: 4,
    budget: { ...PLAN.budget, trials: null },
  };
  const { out, err, directory } = await sweep(newSweep(t.testdir(), plan).file);
  t.match(out, /^completed/m);
  t.match(err, /trial 1, seed 0: it ended with exit code 2/);
  t.match(decisions(directory).at(-1), { event: 'sweep.decided', reason: 'exhausted', best: { trial: 0 } });
});

t.test(
  'a run that pauses after epochs ends as one that does not, in the directory that is named',
  async t => {
    const { folder } = newSweep(t.testdir(), PLAN);
    const at = (name: string) => join(folder, name);
    const run = (...words: string[]) => program(['run', at('base.yaml'), '--backend', 'cpu', '-q', ...words]);
    t.equal((await run('--directory', at('straight'))).code, 0);
    for (const epochs of [1, 1, 3]) {
      const paused = await run('--directory', at('paused'), '--pause-after-epoch', String(epochs));
      t.equal(paused.code, 130);
      t.match(JSON.parse(readFileSync(join(at('paused'), 'summary.json'), 'utf8')), {
        epochs,
        status: 'interrupted',
      });
    }
    t.equal((await program(['resume', at('paused'), '--pause-after-epoch', '3', '-q'])).code, 130);
    t.equal(
      (await program(['resume', at('paused'), '--pause-after-epoch', '4', '-q'])).code,
      0,
      'the last epoch is the end',
    );
    t.same(checkpointsOf(at('paused')), checkpointsOf(at('straight')));
    for (const name of checkpointsOf(at('straight')))
      t.ok(
        readFileSync(join(at('paused'), 'checkpoints', name)).equals(
          readFileSync(join(at('straight'), 'checkpoints', name)),
        ),
        name,
      );

    const other = await run('--directory', at('straight'), '--set', 'seed=1');
    t.equal(other.code, 2);
    t.match(other.err, /the run in this directory was started with another config/);
    const full = await run('--directory', folder);
    t.equal(full.code, 2);
    t.match(full.err, /this folder holds something else/);
    mkdirSync(at('left'));
    writeFileSync(join(at('left'), 'config.yaml'), 'version: 1');
    writeFileSync(join(at('left'), 'run.lock'), '{"pid":4000000,"host":"gone","started":null}');
    t.match(
      (await run('--directory', at('left'))).err,
      /another process/,
      'a lock of another machine counts',
    );
    rmSync(join(at('left'), 'run.lock'));
    t.equal(
      (await run('--directory', at('left'))).code,
      0,
      'a process that was killed at its start left nothing that matters',
    );
  },
);

function newSweep(folder: string, plan: SweepPlan): { file: string; folder: string } {
  const data = join(folder, 'data.npz');
  writeFileSync(data, randomDataset('test/sweep', { train: 60, test: 20, seed: 1 }));
  const base = join(folder, 'base.yaml');
  writeFileSync(
    base,
    JSON.stringify({
      version: 1,
      name: 'small',
      dataset: { kind: 'npz', path: data },
      model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
      loss: { kind: 'cross_entropy' },
      optimizer: { kind: 'adam', learning_rate: 0.01 },
      training: { num_epochs: plan.epochs, batch_size: 10 },
    }),
  );
  const bases = [{ name: 'base.yaml', file: base, yaml: loadExperiment(base).resolvedYaml }];
  const file = join(folder, 'new.json');
  writeFileSync(file, JSON.stringify({ plan, bases, givenYaml: null, output: join(folder, 'out') }));
  return { file, folder };
}

function program(args: readonly string[]): Promise<{ code: number | null; err: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', text => (err += text));
  return new Promise(resolve => child.on('close', code => resolve({ code, err })));
}

interface Ended {
  readonly out: string;
  readonly err: string;
  readonly directory: string;
}

/** Killed after `killAfter` milliseconds. */
function sweep(what: string, killAfter?: number): Promise<Ended> {
  const child = spawn(process.execPath, [SWEEP, what, PROGRAM], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', text => (out += text));
  child.stderr.setEncoding('utf8').on('data', text => (err += text));
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise(resolve => {
    child.on('close', () => {
      clearTimeout(timer);
      const directory = what.endsWith('.json') ? out.split('\n')[0] : what;
      resolve({ out, err, directory });
    });
  });
}

function decisions(directory: string): JournalRecord[] {
  return readJournal(join(directory, 'journal.jsonl')).records.filter(isDecision);
}

/** No epoch of a run is trained twice: each is logged once. */
function checkEpochs(
  t: { same(found: unknown, wanted: unknown, what: string): boolean },
  directory: string,
): void {
  for (const run of readdirSync(join(directory, 'trials'))) {
    const lines = readFileSync(join(directory, 'trials', run, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const epochs = lines
      .map(line => JSON.parse(line) as { event: string; epoch: number })
      .filter(({ event }) => event === 'train.epoch')
      .map(({ epoch }) => epoch);
    t.same(
      epochs,
      epochs.map((_, at) => at + 1),
      `the epochs of ${run}`,
    );
  }
}

function checkpointsOf(run: string): string[] {
  return readdirSync(join(run, 'checkpoints')).filter(name => name.endsWith('.safetensors'));
}

/**
 * Sweeps as a whole, with real processes: the long form of the kills is `npm run soak -- --parts
 * sweeps`.
 */

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { lockRun } from '../../src/run/lock.js';
import type { Summary } from '../../src/run/summary.js';
import type { SweepDirectory } from '../../src/sweep/directory.js';
import { LocalLauncher } from '../../src/sweep/launchers/local.js';
import { runSweep, type SweepObserver, type SweepResult } from '../../src/sweep/run.js';
import { finishedSegment } from '../../src/sweep/segment.js';
import { type AtOperation, holdAfter, PROGRAM, signalled } from '../soak/moments.js';
import {
  countEpochs,
  killableSweep,
  killSweep,
  recordsOf,
  type SweepMoment,
  sweepUnder,
  writeSweep,
} from '../soak/sweep-kills.js';
import { readLog, Workplace } from '../support/cli.js';
import { comesTrue, holderOf, isStopped } from '../support/programs.js';
import { planOf } from '../support/schedules.js';
import { screens } from '../support/screen.js';
import { sweepComplaints } from '../support/sweep-files.js';
import { sweepOptions } from '../support/sweeps.js';

// a slow machine is no failure
t.setTimeout(900_000);

const work = new Workplace();
t.teardown(() => work.remove());

t.test('a killed sweep ends like one that was never killed', async t => {
  const folder = work.folder();
  const sweep = await killableSweep(folder, 3, 4);
  const records = recordsOf(sweep.straight);
  t.equal(records.filter(({ event }) => event === 'trial.chosen').length, 3);
  const decided = records.find(({ event }) => event === 'sweep.decided');
  t.match(decided, { reason: 'trials', best: { value: Number } });
  t.same(sweepComplaints(sweep.straight), []);

  await t.test('at one moment of each kind, one after another', async t => {
    /** After a trial was started, and before the journal knows of it. */
    const unrecorded: SweepMoment = {
      kind: 'operation',
      only: 'writeSync journal.jsonl segment.start',
      at: 1,
    };
    const moments: readonly SweepMoment[] = [
      unrecorded,
      { kind: 'end', victims: 'the sweep and its trials' },
      unrecorded,
      { kind: 'end', victims: 'the sweep alone' },
      // in the start-up, which writes the lock first
      { kind: 'operation', at: 4, torn: true },
    ];
    const report = await killSweep(sweep, join(folder, 'killed'), kills => moments[kills]);
    t.same(report.failures, []);
    t.equal(report.kills, moments.length);
    t.equal(report.epochs?.trained, countEpochs(sweep.straight, sweep.straight).trained);
  });
});

t.test('a trial that cannot run fails with its reason', async t => {
  const warnings: string[] = [];
  const { end, directory } = await conducted(work.folder(), [0.01, -1], {
    warning: text => warnings.push(text),
  });
  t.equal(end, 'completed');
  t.match(warnings, [/^trial 1, seed 0: exit code 2: /]);
  t.match(
    recordsOf(directory.path).find(({ event }) => event === 'sweep.decided'),
    {
      reason: 'exhausted',
      best: { trial: 0 },
    },
  );
  t.same(sweepComplaints(directory.path), []);
});

t.test('a trial waits for an unknown process that holds its run', async t => {
  const folder = work.folder();
  let release: (() => void) | undefined;
  const begun: boolean[] = [];
  const { directory } = await conducted(
    folder,
    [0.01],
    {
      recorded: ({ event }) => {
        if (event === 'segment.start') begun.push(release === undefined);
      },
    },
    made => {
      const run = made.runPath({ trial: 0, seed: 0 });
      mkdirSync(run);
      const unlock = lockRun(join(run, 'run.lock'));
      release = () => {
        release = undefined;
        unlock();
      };
      setTimeout(() => release?.(), 300);
    },
  );
  t.same(begun, [true], 'it began once, when the lock was gone');
  t.match(
    recordsOf(directory.path).find(({ event }) => event === 'sweep.decided'),
    { best: { trial: 0 } },
  );
});

t.test('a run stopped during an evaluation has no result yet', async t => {
  const folder = work.folder();
  writeSweep(folder, 1);
  const directory = join(folder, 'run');
  const run = ['run', join(folder, 'base.yaml'), '--backend', 'webasm', '--directory', directory];
  const paused = [...run, '--set', 'training.eval_batch_size=1', '--pause-after-epoch', '2'];
  const afterTraining: AtOperation = {
    kind: 'operation',
    after: '"event":"train.epoch","epoch":2,',
    at: 0,
  };
  const segment = { trial: 0, seed: 0, from: 0, to: 2 };
  const result = () => finishedSegment(segment, directory, { metric: 'test.loss', goal: 'minimize' });
  const evaluated = () => readLog(directory).filter(({ event }) => event === 'eval');

  const { outcome } = await signalled(paused, { output: '', directory }, afterTraining, 'SIGINT');
  t.equal(outcome.code, 130, outcome.stderr);
  const summary = JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8')) as Summary;
  t.match(summary, { status: 'interrupted', epochs: 2, metrics: { test: { loss: Number } } });
  t.equal(evaluated().length, 1, 'what it says of the test split is from the epoch before');
  t.equal(result(), undefined);
  t.equal((await work.cellrun(...paused)).code, 130);
  t.equal(evaluated().length, 2);
  t.match(result(), { status: 'done', value: evaluated()[1].loss });
});

t.test('a trial stops if its sweep ended before it starts', async t => {
  const folder = work.folder();
  writeSweep(folder, 1);
  const [node, ...first] = PROGRAM;
  const endless = [
    'run',
    join(folder, 'base.yaml'),
    '--set',
    'training.num_epochs=1000000',
    '--backend',
    'webasm',
  ];
  const child = spawn(node, [...first, ...endless, '--directory', join(folder, 'run'), '-q'], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  child.disconnect();
  t.equal(await new Promise(resolve => child.on('exit', resolve)), 130);
});

/** Begins each redraw of a table. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what terminals are sent
const CURSOR_UP = /\u001b\[\d+A/g;
/** Of util-linux; it gives its command a terminal. */
const SCRIPT = 'script';
const hasScript = /util-linux/.test(spawnSync(SCRIPT, ['--version'], { encoding: 'utf8' }).stdout ?? '');

t.test(
  'on a terminal there is one table, which is redrawn in its place',
  { skip: hasScript ? false : 'there is no script of util-linux' },
  async t => {
    const folder = work.folder();
    const file = writeSweep(folder, 2, { method: 'random', pruner: 'none' });
    // trials wait after an epoch, so that the sweep does not end before its table is drawn again
    const env = {
      PATH: process.env.PATH,
      TERM: 'xterm',
      NODE_OPTIONS: `--import=${holdAfter('"event":"train.epoch"')}`,
    };
    for (const columns of [70, 40]) {
      const output = work.folder();
      const flags = ['--set', 'training.num_epochs=2', '--backend', 'webasm', '--output', output];
      const command = [...PROGRAM, 'sweep', file, ...flags].map(word => `'${word}'`).join(' ');
      const child = spawn(
        SCRIPT,
        ['-qec', `stty cols ${columns} rows 20 && ${command} >/dev/null`, '/dev/null'],
        { env, stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', text => {
        stdout += text;
      });
      let status: number | null | undefined;
      child.on('close', code => {
        status = code;
      });
      await comesTrue(() => {
        const trials = join(sweepUnder(output) ?? output, 'trials');
        const held = existsSync(trials) ? readdirSync(trials).map(run => holderOf(join(trials, run))) : [];
        const isDrawn = (stdout.match(CURSOR_UP)?.length ?? 0) >= 2;
        for (const pid of isDrawn ? held : [])
          if (pid !== undefined && isStopped(pid)) process.kill(pid, 'SIGCONT');
        return status !== undefined;
      });
      t.equal(status, 0, stdout);
      const [path, ...shown] = screens(stdout, columns).map(text => text.split(/\n(?=killed )/));
      t.equal(path[0].replaceAll('\n', '').startsWith(output), true, path[0]);
      const tables = shown.flatMap(([, ...found]) => [found]);
      t.ok(tables.length > 1, `drawn ${tables.length} times`);
      for (const [table, more] of tables.slice(0, -1)) {
        t.match(table, /^killed {2}trial \d\/2 {2}\d epochs? {2}\d:\d\d(?: {2}best|\n|$)/);
        t.notOk(more, 'one at a time');
        t.ok(
          table.split('\n').every(line => line.length < columns),
          table,
        );
      }
      t.same(tables.at(-1), [], 'it is gone at the end');
    }
  },
);

t.test(
  'a run that pauses after epochs ends as one that does not, in the directory that is named',
  async t => {
    const folder = work.folder();
    writeSweep(folder, 1);
    const at = (name: string) => join(folder, name);
    const run = (...words: string[]) =>
      work.cellrun(
        'run',
        at('base.yaml'),
        '--set',
        'training.num_epochs=4',
        '--backend',
        'webasm',
        '-q',
        ...words,
      );
    t.equal((await run('--directory', at('straight'))).code, 0);
    for (const epochs of [1, 1, 3]) {
      const paused = await run('--directory', at('paused'), '--pause-after-epoch', String(epochs));
      t.equal(paused.code, 130);
      t.match(JSON.parse(readFileSync(join(at('paused'), 'summary.json'), 'utf8')), {
        epochs,
        status: 'interrupted',
      });
    }
    t.equal((await work.cellrun('resume', at('paused'), '--pause-after-epoch', '3', '-q')).code, 130);
    t.equal(
      (await work.cellrun('resume', at('paused'), '--pause-after-epoch', '4', '-q')).code,
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
  },
);

/** A sweep over learning rates that nobody has checked. */
function conducted(
  folder: string,
  values: readonly number[],
  observer: Partial<SweepObserver>,
  opened: (directory: SweepDirectory) => void = () => {},
): Promise<SweepResult> {
  writeSweep(folder, values.length);
  const file = join(folder, 'base.yaml');
  const name = 'optimizer.learning_rate';
  const yaml = loadExperiment(file).resolvedYaml;
  const sha256 = createHash('sha256').update(yaml).digest('hex');
  const plan = planOf({
    name: 'small',
    space: { parameters: [{ keys: [name], name, distribution: { kind: 'choice', values } }], exclude: [] },
    method: { kind: 'grid' },
    pruner: { kind: 'none' },
    epochs: 2,
    parallel: 2,
    bases: [{ name: 'base.yaml', file, sha256 }],
  });
  const bases = [{ name: 'base.yaml', yaml }];
  return runSweep(
    { plan, bases, givenYaml: null, output: join(folder, 'out') },
    sweepOptions(new LocalLauncher(), { warning: () => {}, ...observer }),
    opened,
  );
}

function checkpointsOf(run: string): string[] {
  return readdirSync(join(run, 'checkpoints')).filter(name => name.endsWith('.safetensors'));
}

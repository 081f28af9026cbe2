/**
 * Sweeps as a whole, with real processes: the long form of the kills is `npm run soak -- --parts
 * sweeps`.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { lockRun } from '../../src/run/lock.js';
import { SweepDirectory } from '../../src/sweep/directory.js';
import { localLauncher } from '../../src/sweep/launchers/local.js';
import { runSweep, type SweepOptions, type SweepResult } from '../../src/sweep/run.js';
import { PROGRAM } from '../soak/moments.js';
import {
  countEpochs,
  killableSweep,
  killSweep,
  recordsOf,
  type SweepMoment,
  writeSweep,
} from '../soak/sweep-kills.js';
import { planOf } from '../support/schedules.js';
import { sweepComplaints } from '../support/sweep-files.js';
import { sweepOptions } from '../support/sweeps.js';
import { work } from '../support/work.js';

// a slow machine is no failure
t.setTimeout(900_000);

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
  observer: Partial<SweepOptions['observer']>,
  opened: (directory: SweepDirectory) => void = () => {},
): Promise<SweepResult> {
  writeSweep(folder, values.length);
  const file = join(folder, 'base.yaml');
  const name = 'optimizer.learning_rate';
  const { resolvedYaml: yaml, experiment } = loadExperiment(file);
  const sha256 = createHash('sha256').update(yaml).digest('hex');
  const plan = planOf({
    name: 'small',
    space: { parameters: [{ keys: [name], name, distribution: { kind: 'choice', values } }], exclude: [] },
    method: { kind: 'grid' },
    pruner: { kind: 'none' },
    epochs: experiment.training.num_epochs,
    parallel: 2,
    bases: [{ name: 'base.yaml', file, sha256 }],
  });
  const bases = [{ name: 'base.yaml', yaml }];
  const directory = SweepDirectory.create({ plan, bases, givenYaml: null }, join(folder, 'out'));
  opened(directory);
  return runSweep(directory, sweepOptions(localLauncher, { warning: () => {}, ...observer }));
}

function checkpointsOf(run: string): string[] {
  return readdirSync(join(run, 'checkpoints')).filter(name => name.endsWith('.safetensors'));
}

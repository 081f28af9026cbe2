/**
 * The rows that only the whole program shows: a run from start to end, its start, its memory, what
 * a sweep adds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Summary } from '../../src/run/summary.js';
import { packageRoot } from '../../src/util/root.js';
import { peersFolder } from './contenders.js';
import { type Finished, loggedSteps, mnistFolder, runProgram } from './programs.js';
import type { Figure } from './results.js';
import { ratioOf, spreadOf } from './results.js';
import { measureParallel, measureStatus, measureSuggestion, measureTrial } from './sweeps.js';

const launcher = join(packageRoot, 'run');
const CONFIG = 'configs/mnist-lstm.yaml';
/** A whole run takes a minute or two and averages over 1,200 steps by itself. */
const WHOLE_ROUNDS = 3;
const EPOCHS = 2;
/** A run of one step misses its gate. */
const DONE_OR_GATE = [0, 3];

export interface WholeOptions {
  readonly threads: number;
  readonly rounds: number;
  /** Undefined: the PyTorch program is not run. */
  readonly python: string | undefined;
  readonly wanted: (id: string) => boolean;
  readonly note: (text: string) => void;
}

/** Runs `./run` on the reference config in a folder of its own, which is gone afterwards. */
export async function runReference<R>(
  settings: readonly string[],
  threads: number,
  use: (finished: Finished, output: string) => R,
  watch?: (pid: number) => void,
): Promise<R> {
  const output = mkdtempSync(join(tmpdir(), 'cellrun-bench-'));
  try {
    const set = settings.flatMap(setting => ['--set', setting]);
    const args = ['run', CONFIG, ...set, '--threads', `${threads}`, '--output', output, '--json', '--quiet'];
    return use(await runProgram(launcher, args, { allowed: DONE_OR_GATE, ...(watch && { watch }) }), output);
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

export async function measureWhole(options: WholeOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  // what is missing or out of date is built now, not in a measurement
  await runProgram(launcher, ['--help']);
  if (options.wanted('whole/start')) figures.push(await measureStart(options));
  if (options.wanted('whole/run') || options.wanted('whole/peak-rss'))
    figures.push(...(await measureRuns(options)));
  if (options.wanted('whole/status')) figures.push(await measureStatus(options.rounds));
  if (options.wanted('whole/suggestion')) figures.push(measureSuggestion(options.rounds));
  if (options.wanted('whole/trial')) figures.push(await measureTrial(options));
  if (options.wanted('whole/parallel-trials') && options.threads > 1)
    figures.push(await measureParallel(options));
  return figures;
}

/**
 * From starting the launcher to the first `train.step` in the log; both are times of day of the
 * same machine.
 */
async function measureStart({ threads, rounds }: WholeOptions): Promise<Figure> {
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    seconds.push(
      await runReference(
        ['training.max_steps=1'],
        threads,
        ({ started }, output) => (loggedSteps(output)[0].time - started) / 1000,
      ),
    );
  }
  return { id: 'whole/start', what: './run to first training step done', unit: 's', ours: spreadOf(seconds) };
}

async function measureRuns({ threads, python, wanted, note }: WholeOptions): Promise<Figure[]> {
  const loader = python === undefined ? undefined : await torchLoader(python);
  if (python !== undefined && loader === undefined)
    note('whole/run: PyTorch is not there, so nothing is compared');
  if (loader === 0)
    note('whole/run: torchvision is not there; the PyTorch program gathers its batches from memory');
  const ours: number[] = [];
  const theirs: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < WHOLE_ROUNDS; round++) {
    await runReference([], threads, ({ seconds, stdout }) => {
      ours.push(seconds);
      memory.push((JSON.parse(stdout) as Summary).peak_rss_mb);
    });
    if (python === undefined || loader === undefined) continue;
    const args = ['--epochs', `${EPOCHS}`, '--threads', `${threads}`, '--loader', `${loader}`];
    const program = [join(peersFolder, 'torch_mnist.py'), mnistFolder(), ...args];
    theirs.push((await runProgram(python, program)).seconds);
  }
  const name = loader === 1 ? 'PyTorch with its data loader' : 'PyTorch, batches from memory';
  const run: Figure = {
    id: 'whole/run',
    what: `./run ${CONFIG}`,
    unit: 's',
    ours: spreadOf(ours),
    ...(theirs.length > 0 && { other: { name, value: spreadOf(theirs) }, ratio: ratioOf(ours, theirs) }),
  };
  const peak: Figure = {
    id: 'whole/peak-rss',
    what: 'peak RSS of that run',
    unit: 'MB',
    ours: spreadOf(memory),
  };
  return [run, peak].filter(({ id }) => wanted(id));
}

/**
 * 1 with torchvision, whose data loader the original program used; 0 with PyTorch alone; undefined
 * without it.
 */
async function torchLoader(python: string): Promise<0 | 1 | undefined> {
  const imports = (name: string) =>
    runProgram(python, ['-c', `import ${name}`]).then(
      () => true,
      () => false,
    );
  if (!(await imports('torch'))) return undefined;
  return (await imports('torchvision')) ? 1 : 0;
}

/**
 * The invariants of docs/internals/invariants.md, held by random sequences: a run and a sweep are
 * started, resumed, stopped, killed and reviewed, while disks fill up, files are lost
 * or exchanged and other processes, in namespaces of their own as well, want the same directory.
 * After each command the files must say nothing that is not so.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs, {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { reviewRuns } from '../../src/judge/judging/review.js';
import { loadCheckpoint } from '../../src/run/checkpoints.js';
import { isLocked } from '../../src/run/lock.js';
import type { Summary } from '../../src/run/summary.js';
import { readJournal } from '../../src/sweep/journal.js';
import type { RunResult } from '../../src/train/recorder.js';
import { UserError } from '../../src/util/errors.js';
import { RandomStream } from '../../src/util/random.js';
import type { Workplace } from '../support/cli.js';
import { randomDataset, resume, stopAt, train } from '../support/runs.js';
import { resumeInProcess, sweepInProcess } from '../support/sweeps.js';
import type { Figures } from './figures.js';

const HOLDER = fileURLToPath(new URL('../support/lock-holder.js', import.meta.url));
const NAMESPACES = ['unshare', '-r', '--user', '--pid', '--fork', '--kill-child', '--mount-proc', '--uts'];
const EPOCHS = 3;
/** Two an epoch. */
const STEPS = 2 * EPOCHS;

/** Another process that takes locks and writes at command. */
class Second {
  private readonly child: ChildProcess;
  private readonly waiting: ((line: string) => void)[] = [];

  constructor(prefix: readonly string[]) {
    const [command, ...args] = [...prefix, process.execPath, HOLDER];
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n').slice(0, -1)) this.waiting.shift()?.(line);
    });
  }

  /** Says `ok`, or why not. */
  ask(...words: string[]): Promise<string> {
    const answer = new Promise<string>(resolve => this.waiting.push(resolve));
    this.child.stdin?.write(`${JSON.stringify(words)}\n`);
    return answer;
  }

  async must(what: string, ...words: string[]): Promise<void> {
    must((await this.ask(...words)) === 'ok', what);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}

/** What all sequences share: trained once, compared with and never changed. */
export interface World {
  readonly work: Workplace;
  readonly config: object;
  /** The run that nothing happened to. */
  readonly straight: RunResult;
  /** One of another seed and learning rate. */
  readonly foreign: RunResult;
  readonly sweepFile: string;
  /** Rows of the sweep that nothing happened to. */
  readonly sweepRows: string;
  /** By whether they are in namespaces of their own; where those are not permitted, none is. */
  readonly seconds: readonly Second[];
  end(): void;
}

/** 16 training sequences and 8 for the test. */
const DATASETS = {
  arrays: (work: Workplace) => ({
    kind: 'npz',
    path: work.file('data.npz', randomDataset('invariants', { train: 16, test: 8, seed: 1 })),
  }),
  /** With missing hours and values, words, and facts of the sequences; the test split is drawn. */
  table: (work: Workplace) => ({
    kind: 'csv',
    path: work.file('data.csv', tableOf(24)),
    features: ['speed', { column: 'place', encode: 'one_hot' }],
    static_features: ['age'],
    target: 'label',
    target_kind: 'class',
    missing: { fill: 'forward', indicator: true, elapsed: true },
    normalize: 'standard',
    sequence: { group: 'recording', order: 'time', resample: { every: '1h', by: 'mean' } },
    test: { fraction: 1 / 3 },
  }),
};

export const DATASET_NAMES = Object.keys(DATASETS) as readonly (keyof typeof DATASETS)[];

function tableOf(sequences: number): string {
  const random = RandomStream.of(1, 'test/invariants');
  const rows = Array.from({ length: sequences }, (_, i) => {
    const hours = Array.from({ length: 6 }, (_, hour) => hour).filter(
      hour => hour === 0 || random.uniform() < 0.7,
    );
    return hours.map(hour => {
      const speed = random.uniform() < 0.2 ? '' : ((i % 3) + random.uniform()).toFixed(3);
      const place = random.uniform() < 0.1 ? '' : ['town', 'road'][random.integer(2)];
      return `${i},2026-01-01T0${hour}:10:00Z,${speed},${place},${20 + i},${'abc'[i % 3]}\n`;
    });
  });
  return `recording,time,speed,place,age,label\n${rows.flat().join('')}`;
}

export async function createWorld(
  work: Workplace,
  name: (typeof DATASET_NAMES)[number] = 'arrays',
): Promise<World> {
  const config = {
    version: 1,
    name: 'held',
    dataset: DATASETS[name](work),
    model: { cell: 'rnn', hidden_size: 3, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.02 },
    training: { num_epochs: EPOCHS, batch_size: 8, log_every: 1 },
    checkpoint: { every: { steps: 1 }, keep: { last: 2, best: 1 }, metric: 'test.accuracy' },
  };
  const straight = await train(work, config);
  const foreign = await train(work, { ...config, seed: 5, optimizer: { kind: 'adam', learning_rate: 0.1 } });
  const folder = work.folder();
  writeFileSync(join(folder, 'base.yaml'), JSON.stringify({ ...config, name: 'base' }));
  const sweepFile = join(folder, 'sweep.yaml');
  const sweep = {
    version: 1,
    name: 'held',
    seed: 1,
    base: 'base.yaml',
    parameters: { 'optimizer.learning_rate': [0.01, 0.05] },
    method: { kind: 'grid' },
    objective: { metric: 'test.loss', goal: 'minimize' },
    repeat_best: 1,
  };
  writeFileSync(sweepFile, JSON.stringify(sweep));
  const sweepRows = rowsOf(await sweepInProcess(work, sweepFile, work.folder()));
  const [unshare, ...rest] = NAMESPACES;
  const isPermitted = spawnSync(unshare, [...rest, 'true']).status === 0;
  const seconds = [new Second([]), ...(isPermitted ? [new Second(NAMESPACES)] : [])];
  return {
    work,
    config,
    straight,
    foreign,
    sweepFile,
    sweepRows,
    seconds,
    end: () => {
      for (const second of seconds) second.end();
    },
  };
}

/** Of each trial: its point and its values, without places and times. */
function rowsOf(sweep: string): string {
  const ends = readJournal(join(sweep, 'journal.jsonl')).records.flatMap(record =>
    record.event === 'segment.end'
      ? [`${record.trial} ${record.seed} ${record.to} ${record.status} ${record.value}`]
      : [],
  );
  return [...new Set(ends)].sort().join('\n');
}

/** What the sequence knows of its run. */
interface Model {
  begun: boolean;
  /** Whether something was lost or exchanged, of which a refusal may tell. */
  isDamaged: boolean;
}

/** The run and the sweep of one sequence. */
class Real {
  directory: string;
  sweep: string | undefined;

  constructor(readonly world: World) {
    this.directory = join(world.work.folder(), 'run');
  }

  get lock(): string {
    return join(this.directory, 'run.lock');
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  second(index: number): Second {
    const { seconds } = this.world;
    return seconds[index] ?? seconds[0];
  }

  mustBeTrue(metrics: unknown, what: string): void {
    must(JSON.stringify(metrics) === JSON.stringify(this.world.straight.summary.metrics), what);
  }

  /** Of every file but locks, by name. */
  content(): string {
    if (!existsSync(this.directory)) return '';
    const names = readdirSync(this.directory, { recursive: true, encoding: 'utf8' });
    return names
      .filter(name => !name.includes('.lock') && statSync(this.path(name)).isFile())
      .sort()
      .map(name => `${name} ${readFileSync(this.path(name)).toString('base64')}`)
      .join('\n');
  }
}

type Command = fc.AsyncCommand<Model, Real>;

/** Begins the run, or goes on with it, until `stop`; what is refused changes nothing. */
async function goOn(
  model: Model,
  real: Real,
  stop = Number.POSITIVE_INFINITY,
  during: (step: number) => void = () => {},
): Promise<RunResult | UserError> {
  const { signal, observer } = stopAt(stop);
  const step: NonNullable<typeof observer.step> = made => {
    observer.step?.(made);
    during(made.step);
  };
  const honest = (result: RunResult): RunResult => {
    const { status, metrics } = result.summary;
    if (status === 'completed') real.mustBeTrue(metrics, 'a run ends with other metrics than it has');
    return result;
  };
  try {
    if (model.begun) return honest(await resume(real.directory, { signal }, { step }));
    const result = await train(real.world.work, real.world.config, {
      directory: real.directory,
      signal,
      observer: { step },
    });
    model.begun = true;
    return honest(result);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  } finally {
    model.begun ||= existsSync(real.path('manifest.json'));
  }
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Nothing that the files say is not so. */
function holdInvariants(model: Model, real: Real): void {
  const { straight } = real.world;
  must(!isLocked(real.lock), 'a lock tells of a process that works here no more');
  if (!existsSync(real.path('manifest.json'))) return;
  const { run_id } = JSON.parse(readFileSync(real.path('manifest.json'), 'utf8'));
  const summary = summaryOf(real);
  if (!model.isDamaged && summary?.run_id === run_id && summary?.status === 'completed')
    real.mustBeTrue(summary.metrics, 'a run is complete with other metrics than it has');
  if (!model.isDamaged) {
    const lines = logOf(real);
    for (const [i, { seq }] of lines.entries()) must(seq === i, `record ${i} of the log has number ${seq}`);
    for (const name of checkpointsOf(real)) loadCheckpoint(real.path(`checkpoints/${name}`));
  }
  const { review } = reviewRuns([real.directory], { gates: [] });
  const [run] = review.runs;
  if (run?.completed.verdict !== 'passed') return;
  real.mustBeTrue(run.metrics, 'a review passes a run with other metrics than it has');
  for (const name of checkpointsOf(real)) {
    const its = join(straight.summary.directory, 'checkpoints', name);
    if (existsSync(its))
      must(
        readFileSync(its).equals(readFileSync(real.path(`checkpoints/${name}`))),
        `a review passes a run with another ${name}`,
      );
  }
}

const checkpointsOf = (real: Real): string[] =>
  existsSync(real.path('checkpoints'))
    ? readdirSync(real.path('checkpoints')).filter(name => /^step-.*\.safetensors$/.test(name))
    : [];

function summaryOf(real: Real): Summary | undefined {
  try {
    return JSON.parse(readFileSync(real.path('summary.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function logOf(real: Real): { readonly seq?: number }[] {
  if (!existsSync(real.path('log.jsonl'))) return [];
  const lines = readFileSync(real.path('log.jsonl'), 'utf8').split('\n');
  // a killed process may leave a part of its last line
  return lines.slice(0, -1).map(line => JSON.parse(line));
}

type Run = (model: Model, real: Real) => Promise<void> | void;

function command(name: string, run: Run, check: (model: Model) => boolean = () => true): Command {
  return {
    check,
    run: async (model, real) => {
      await run(model, real);
      holdInvariants(model, real);
    },
    toString: () => name,
  };
}

function afterwards(name: string, run: Run): Command {
  return command(name, run, model => model.begun);
}

/** Of a run that has begun; what it damages may be refused. */
function damaging(name: string, run: (real: Real) => boolean): Command {
  return afterwards(name, (model, real) => {
    if (run(real)) model.isDamaged = true;
  });
}

/** A refusal is in order if something was damaged; whatever else is wrong must not be called so. */
function expectDone(model: Model, outcome: RunResult | UserError, status: 'completed' | 'any'): void {
  if (outcome instanceof UserError) {
    must(model.isDamaged, `refused though nothing is wrong: ${outcome.message}`);
    must([2, 5].includes(outcome.exitCode), `exit ${outcome.exitCode}: ${outcome.message}`);
    return;
  }
  if (status === 'completed')
    must(outcome.summary.status === 'completed', `it ended ${outcome.summary.status}`);
}

const toStep = (step: number): Command =>
  command(`train until step ${step}`, async (model, real) =>
    expectDone(model, await goOn(model, real, step), 'any'),
  );

const toEnd = (): Command =>
  command('train to the end', async (model, real) => expectDone(model, await goOn(model, real), 'completed'));

/** As SIGKILL leaves it: all that was written by then, the lock included. */
const kill = (step: number): Command =>
  command(`kill after step ${step}`, async (model, real) => {
    const left = `${real.directory}-left`;
    await goOn(model, real, undefined, made => {
      if (made === step) cpSync(real.directory, left, { recursive: true });
    });
    if (!existsSync(left)) return;
    rmSync(real.directory, { recursive: true });
    renameSync(left, real.directory);
  });

/** Every write in the directory fails from the `writes`-th on. */
const fullDisk = (writes: number): Command =>
  command(`no room after ${writes} writes`, async (model, real) => {
    const original = fs.writeSync;
    let left = writes;
    const failing = (file: number, ...rest: unknown[]): number => {
      if (file > 2 && left-- <= 0)
        throw Object.assign(new Error('no room'), { code: 'ENOSPC', syscall: 'write' });
      return (original as (...args: unknown[]) => number)(file, ...rest);
    };
    fs.writeSync = failing as typeof fs.writeSync;
    syncBuiltinESMExports();
    try {
      const outcome = await goOn(model, real);
      if (outcome instanceof UserError)
        must(outcome.exitCode === 1 || model.isDamaged, `exit ${outcome.exitCode}: ${outcome.message}`);
    } finally {
      fs.writeSync = original;
      syncBuiltinESMExports();
    }
    // what says that the run had begun may not have been written either: then it begins again
    if (!existsSync(real.path('manifest.json'))) model.begun = false;
  });

const FILES = [
  'log.jsonl',
  'summary.json',
  'evaluation.json',
  'checkpoints/index.json',
  'checkpoint',
] as const;
type File = (typeof FILES)[number];

/** Does something to the file of that name, or to the newest checkpoint. */
const damage = (what: string, name: File, act: (path: string, real: Real) => unknown): Command =>
  damaging(`${what} ${name}`, real => {
    const last = checkpointsOf(real).sort().at(-1);
    const path = name === 'checkpoint' ? last && real.path(`checkpoints/${last}`) : real.path(name);
    if (path === undefined || !existsSync(path)) return false;
    return act(path, real) !== false;
  });

const lose = (name: File): Command => damage('lose', name, path => rmSync(path));

const cut = (name: File): Command =>
  damage('cut to its half', name, path => truncateSync(path, Math.floor(statSync(path).size / 2)));

/** For the file of that name of a run with another seed. */
const swap = (name: File): Command =>
  damage('exchange', name, (path, real) => {
    const its = join(real.world.foreign.summary.directory, relative(real.directory, path));
    if (!existsSync(its)) return false;
    cpSync(its, path);
    return true;
  });

const swapAll = (): Command =>
  damaging('exchange all checkpoints', real => {
    if (checkpointsOf(real).length === 0) return false;
    const its = join(real.world.foreign.summary.directory, 'checkpoints');
    rmSync(real.path('checkpoints'), { recursive: true });
    cpSync(its, real.path('checkpoints'), { recursive: true });
    return true;
  });

/** Summary and log say better numbers, alike. */
const forge = (): Command =>
  damaging('edit summary and log alike', real => {
    const loss = summaryOf(real)?.metrics.test.loss;
    if (loss === undefined) return false;
    for (const path of ['summary.json', 'log.jsonl'].map(name => real.path(name)))
      if (existsSync(path))
        writeFileSync(path, readFileSync(path, 'utf8').replaceAll(String(loss), '0.0123'));
    return true;
  });

/** While another process has the lock, perhaps stopped: nobody gets in, and nothing changes. */
const secondWriter = (index: number, isStopped: boolean): Command =>
  afterwards(`a second writer, number ${index}${isStopped ? ', stopped' : ''}`, async (model, real) => {
    const second = real.second(index);
    await second.must('a free run is not to be had', 'lock', real.lock);
    if (isStopped) second.signal('SIGSTOP');
    const before = real.content();
    const outcome = await goOn(model, real);
    must(outcome instanceof UserError && outcome.exitCode === 2, 'two processes work on one run');
    must(real.content() === before, 'a process that was refused the run has changed it');
    if (isStopped) second.signal('SIGCONT');
    await second.must('the lock cannot be released', 'release');
  });

/** Another process takes the lock away at `step`: from then on the first writes nothing. */
const takeOver = (index: number, step: number): Command =>
  command(`the lock is taken over after step ${step}`, async (model, real) => {
    const second = real.second(index);
    let before: string | undefined;
    const outcome = await goOn(model, real, undefined, made => {
      if (made !== step) return;
      rmSync(real.lock);
      writeFileSync(real.lock, JSON.stringify({ pid: 1, host: 'another' }));
      before = real.content();
    });
    if (before === undefined) return;
    must(outcome instanceof UserError, 'a process that has lost its lock goes on');
    must(real.content() === before, 'a process that has lost its lock has written');
    rmSync(real.lock);
    await second.must('a free run is not to be had', 'lock', real.lock);
    await second.must('the lock cannot be released', 'release');
  });

const move = (): Command =>
  afterwards('rename the directory', (_, real) => {
    const to = join(real.world.work.folder(), 'renamed');
    renameSync(real.directory, to);
    real.directory = to;
  });

/** What a kill leaves of the sweep's last line. */
const sweepOn = (isTorn: boolean): Command =>
  command(`a sweep${isTorn ? ' with a torn journal' : ''}`, async (_, real) => {
    const { work, sweepFile, sweepRows } = real.world;
    real.sweep ??= await sweepInProcess(work, sweepFile, work.folder());
    must(rowsOf(real.sweep) === sweepRows, 'a sweep has other results');
    const journal = join(real.sweep, 'journal.jsonl');
    if (isTorn) {
      const lines = readFileSync(journal, 'utf8').split('\n');
      const at = lines.findLastIndex(line => line.includes('"segment.end"'));
      const torn = lines[at].slice(0, lines[at].length / 2);
      writeFileSync(journal, [...lines.slice(0, at), torn].join('\n'));
    }
    await resumeInProcess(work, real.sweep, { warning: () => {} });
    must(rowsOf(real.sweep) === sweepRows, 'a sweep that was gone on with has other results');
  });

const step = fc.integer({ min: 1, max: STEPS });
const file = fc.constantFrom(...FILES);
const who = fc.constantFrom(0, 1);

/** One of each kind; what costs a sweep or a process is rarer. */
const commands = fc.commands(
  [
    step.map(toStep),
    fc.constant(toEnd()),
    step.map(kill),
    fc.integer({ min: 0, max: 60 }).map(fullDisk),
    file.map(lose),
    file.map(cut),
    file.map(swap),
    fc.constant(swapAll()),
    fc.constant(forge()),
    fc.tuple(who, fc.boolean()).map(([index, isStopped]) => secondWriter(index, isStopped)),
    fc.tuple(who, step).map(([index, at]) => takeOver(index, at)),
    fc.constant(move()),
    fc.boolean().map(sweepOn),
  ],
  { maxCommands: 12 },
);

/** Draws `count` sequences by `seed`. */
export async function trySequences(world: World, count: number, seed: number): Promise<Figures> {
  let carriedOut = 0;
  const property = fc.asyncProperty(commands, async sequence => {
    const real = new Real(world);
    const folder = dirname(real.directory);
    await fc.asyncModelRun(() => ({ model: { begun: false, isDamaged: false }, real }), sequence);
    carriedOut += String(sequence).split(',').length;
    rmSync(folder, { recursive: true, force: true });
  });
  const options = { numRuns: count, seed, endOnFailure: true };
  const { failed, counterexample, errorInstance, counterexamplePath } = await fc.check(property, options);
  const { stack } = errorInstance instanceof Error ? errorInstance : { stack: `${errorInstance}` };
  const why = stack?.split('\n').slice(0, 3).join(' ');
  const told = `seed ${seed}, path ${counterexamplePath}: ${counterexample}: ${why}`;
  const failures = failed ? [told] : [];
  return { what: `seed ${seed}`, cases: count, failures, note: `${carriedOut} commands` };
}

/**
 * SIGKILL at random moments of a sweep: it is resumed, killed again, and compared at its end with
 * one that never was.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJournal } from '../../src/sweep/journal.js';
import { decisionsOf, type JournalRecord } from '../../src/sweep/schedule/records.js';
import { RandomStream } from '../../src/util/random.js';
import { cameTo, compareRuns, type Outcome, runUnder, startRun } from '../../src/verify/resume.js';
import { comesTrue, isStopped } from '../support/programs.js';
import { randomDataset } from '../support/runs.js';
import { sweepComplaints } from '../support/sweep-files.js';
import type { Extent, Figures } from './figures.js';
import { type AtOperation, momentInWords, PROGRAM, programFor } from './moments.js';

/** Whom a kill ends: the process that decides, or all that belong to the sweep at one moment. */
type Victims = 'the sweep alone' | 'the sweep and its trials';

export type SweepMoment =
  /** Milliseconds after the journal has so many more records of ends, or after the start. */
  | { readonly kind: 'ends'; readonly more: number; readonly delay: number; readonly victims: Victims }
  /** Right after the process has recorded the end of a segment: it waits there. */
  | { readonly kind: 'end'; readonly victims: Victims }
  /** Of the sweep's own process, which alone is ended. */
  | AtOperation;

/** The one sweep below an output root; undefined before it has a plan. */
function sweepUnder(output: string): string | undefined {
  const found = runUnder(join(output, 'sweeps'));
  return found !== undefined && existsSync(join(found, 'plan.json')) ? found : undefined;
}

export function recordsOf(directory: string): readonly JournalRecord[] {
  return readJournal(join(directory, 'journal.jsonl')).records;
}

/** Segments that have ended. */
function endsOf(directory: string | undefined): number {
  const records = directory === undefined ? [] : recordsOf(directory);
  return records.filter(({ event }) => event === 'segment.end').length;
}

/** The directory of a sweep that came to its end. Throws if it did not. */
function directoryOf({ code, stdout, stderr }: Outcome): string {
  const { status, directory } = code === 0 ? JSON.parse(stdout) : { status: `exit code ${code}: ${stderr}` };
  if (status !== 'completed') throw new Error(`the sweep ended: ${status}`);
  return directory;
}

/** Starts the program and kills it at `moment`; waits for its end, not for that of its trials. */
async function killedSweep(
  args: readonly string[],
  directory: () => string | undefined,
  moment: SweepMoment,
): Promise<Outcome> {
  const before = endsOf(directory());
  const program =
    moment.kind === 'end'
      ? programFor({ kind: 'operation', after: '"event":"segment.end"', at: 0 }, 'SIGSTOP')
      : programFor(moment, 'SIGKILL');
  const running = startRun(program, args);
  const { child, ended } = running;
  if (moment.kind === 'operation') return ended;
  if (moment.kind === 'end') await cameTo(running, () => isStopped(Number(child.pid)));
  else {
    const isReached = () => moment.more === 0 || endsOf(directory()) >= before + moment.more;
    if (await cameTo(running, isReached)) await Promise.race([sleep(moment.delay), ended]);
  }
  if (moment.victims === 'the sweep and its trials') await killWithTrials(child);
  else child.kill('SIGKILL');
  return ended;
}

/** All at one moment, as far as any of them can tell: nobody sees another one end. */
async function killWithTrials(sweep: ChildProcess): Promise<void> {
  // false if it has ended
  if (!sweep.kill('SIGSTOP')) return;
  // on a busy machine a process goes on for a while before the signal reaches it
  await comesTrue(() => /^[TZ]/.test(processes().find(({ pid }) => pid === sweep.pid)?.state ?? 'Z'));
  // each trial leads a group of its own
  for (const { pid, parent } of processes()) if (parent === sweep.pid) endGroup(pid);
  sweep.kill('SIGKILL');
}

/** `state` as ps(1) writes it. */
function processes() {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,state='], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .map(([pid, parent, state]) => ({ pid: Number(pid), parent: Number(parent), state }));
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // it has just ended, or is not the leader of a group yet
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function inWords(moment: SweepMoment): string {
  if (moment.kind === 'operation') return `the sweep alone at ${momentInWords(moment)}`;
  if (moment.kind === 'end') return `${moment.victims} at the end of a segment`;
  return `${moment.victims} ${moment.delay.toFixed(1)} ms after ${moment.more} more ends`;
}

export interface KillableSweep {
  /** Of a new sweep, up to `--output`. */
  readonly args: readonly string[];
  /** The directory of the sweep that was never killed. */
  readonly straight: string;
}

/** Conducts it in `folder`, never killed; those to be killed go to folders beside it. */
export async function killableSweep(folder: string, trials: number, epochs = 8): Promise<KillableSweep> {
  mkdirSync(folder, { recursive: true });
  return killable(folder, writeSweep(folder, trials), epochs);
}

async function killable(folder: string, file: string, epochs = 8): Promise<KillableSweep> {
  const set = ['--set', `training.num_epochs=${epochs}`];
  const args = ['sweep', file, ...set, '--backend', 'webasm', '--threads', '2'];
  // as far from the data as those that are killed: checkpoints have the way there in the hash of
  // their config
  const output = join(folder, 'straight', 'output');
  return { args, straight: directoryOf(await startRun(PROGRAM, [...args, '--output', output]).ended) };
}

/** Writes the sweep's file, its base config and its data; gives the path of the file. */
export function writeSweep(folder: string, trials: number, more: object = {}): string {
  const data = join(folder, 'data.npz');
  writeFileSync(data, randomDataset('soak/sweeps', { train: 200, test: 40, seed: 1 }));
  const base = {
    version: 1,
    name: 'killed',
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    // every step is told, so that one that is made twice can be seen
    training: { num_epochs: 8, batch_size: 10, log_every: 1 },
  };
  return writeFiles(folder, base, trials, more);
}

/** A cross-validation: one trial of these folds. */
function writeFolds(folder: string, count: number): string {
  const data = join(folder, 'data.csv');
  const random = RandomStream.of(1, 'soak/folds');
  const rows = Array.from({ length: 240 * 4 }, (_, i) => {
    const id = Math.floor(i / 4);
    return `${id},${i % 4},${((id % 3) + random.normal()).toFixed(3)},${id % 3}`;
  });
  writeFileSync(data, ['id,step,x,class', ...rows].join('\n'));
  const base = {
    version: 1,
    name: 'killed',
    dataset: {
      ...{ kind: 'csv', path: data, features: ['x'], target: 'class', target_kind: 'class' },
      ...{ sequence: { group: 'id', order: 'step' }, validation: { fraction: 0.2 } },
    },
    model: { cell: 'lstm', hidden_size: 4 },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    training: { num_epochs: 8, batch_size: 10, log_every: 1 },
    checkpoint: { final: 'last' },
    folds: { count },
  };
  const more = { parameters: {}, method: { kind: 'grid' }, pruner: undefined, budget: undefined };
  return writeFiles(folder, base, 1, more);
}

function writeFiles(folder: string, base: object, trials: number, more: object): string {
  writeFileSync(join(folder, 'base.yaml'), JSON.stringify(base));
  const sweep = {
    version: 1,
    name: 'killed',
    seed: 3,
    base: 'base.yaml',
    parameters: {
      'optimizer.learning_rate': { kind: 'log_uniform', low: 0.001, high: 0.1 },
      'model.hidden_size': [4, 8],
    },
    method: { kind: 'tpe', n_startup_trials: Math.ceil(trials / 3) },
    objective: { metric: 'test.loss', goal: 'minimize' },
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    budget: { trials },
    parallel: 2,
    ...more,
  };
  const file = join(folder, 'sweep.yaml');
  writeFileSync(file, JSON.stringify(sweep));
  return file;
}

export interface EpochCount {
  /** In the logs, all runs together. */
  readonly trained: number;
  /** Trained in vain: the kill came before any checkpoint had them. */
  readonly cutOff: number;
  /** Epochs that are missing or told twice, and steps made again although a checkpoint had them. */
  readonly wrong: readonly string[];
}

/** Where a decision differs, all else follows from it. */
function sweepDifferences(straight: string, killed: string): string[] {
  const both = [straight, killed];
  const [then, now] = both.map(sweep => decisionsOf(recordsOf(sweep)).map(one => JSON.stringify(one)));
  const at = then.findIndex((decision, i) => decision !== now[i]);
  if (at >= 0) return [`decision ${at + 1} is ${now[at] ?? 'missing'}, not ${then[at]}`];
  if (now.length > then.length) return [`decision ${now[then.length]} is one too many`];
  const [trials, killedTrials] = both.map(sweep => readdirSync(join(sweep, 'trials')).sort());
  if (trials.join() !== killedTrials.join()) return [`trials are ${killedTrials}, not ${trials}`];
  // without its head, which names the sweep
  const best = both.map(sweep => readFileSync(join(sweep, 'best.yaml'), 'utf8').replace(/^#.*\n/gm, ''));
  const expected = readdirSync(straight);
  const [predictions, again] = both.map(sweep => {
    const file = join(sweep, 'predictions.jsonl');
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  });
  const left = readdirSync(killed).filter(name => !expected.includes(name));
  return [
    ...(best[0] === best[1] ? [] : ['best.yaml is another']),
    ...(predictions === again ? [] : ['predictions.jsonl is another']),
    ...left.map(name => `${name} is left over`),
    ...sweepComplaints(killed),
    ...trials.flatMap(run =>
      compareRuns(join(straight, 'trials', run), join(killed, 'trials', run)).map(
        ({ file, what }) => `${run}/${file} ${what}`,
      ),
    ),
  ];
}

interface Event {
  readonly event: string;
  readonly epoch?: number;
  readonly step?: number;
}

/**
 * By `log.jsonl` and the `log.replaced-N.jsonl` beside it, which has what was written after the
 * checkpoint that the run went on from.
 */
export function countEpochs(straight: string, killed: string): EpochCount {
  let [trained, cutOff] = [0, 0];
  const wrong: string[] = [];
  for (const name of readdirSync(join(killed, 'trials'))) {
    const run = join(killed, 'trials', name);
    const [then, now] = [join(straight, 'trials', name), run].map(one =>
      numbersOf(eventsOf(join(one, 'log.jsonl')), 'train.epoch', 'epoch'),
    );
    trained += now.length;
    if (now.join() !== then.join()) wrong.push(`${name} has the epochs ${now}, not ${then}`);
    for (const file of readdirSync(run).filter(one => /^log\.replaced-\d+\.jsonl$/.test(one))) {
      const events = eventsOf(join(run, file));
      const steps = numbersOf(events, 'train.step', 'step');
      // the record alone is told again after a stop within the evaluation
      cutOff += numbersOf(events, 'train.epoch', 'step').filter(step => steps.includes(step)).length;
      const saved = Math.max(...numbersOf(events, 'checkpoint.saved', 'step'));
      wrong.push(...steps.filter(step => step <= saved).map(step => `${name} made step ${step} again`));
    }
  }
  return { trained, cutOff, wrong };
}

function numbersOf(events: readonly Event[], event: string, key: 'step' | 'epoch'): number[] {
  return events.flatMap(one => (one.event === event ? [Number(one[key])] : []));
}

/** Without a torn last line. */
function eventsOf(log: string): Event[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n');
  return lines.slice(0, -1).map(line => JSON.parse(line) as Event);
}

/** Differences that are told; of more, nobody reads the rest. */
const MAX_TOLD = 5;

/**
 * Kills a sweep in `folder`, which is made, until `next` gives no moment or it comes to its end.
 * `next` is told the kills so far and the segments that are still to be trained.
 */
export async function killSweep(
  { args, straight }: KillableSweep,
  folder: string,
  next: (kills: number, segments: number) => SweepMoment | undefined,
): Promise<{ readonly kills: number; readonly epochs?: EpochCount; readonly failures: readonly string[] }> {
  mkdirSync(folder);
  const history: string[] = [];
  const told = (found: readonly string[]) =>
    found.length === 0 ? [] : [`${found.slice(0, MAX_TOLD).join('; ')}; killed ${history.join('; ')}`];
  const all = endsOf(straight);
  let directory: string | undefined;
  try {
    for (let begun = 0; ; begun++) {
      const output = join(folder, `output-${begun}`);
      const found = () => directory ?? sweepUnder(output);
      const command = directory
        ? ['sweep', 'resume', directory, '--backend', 'webasm', '--threads', '2']
        : [...args, '--output', output];
      const moment = next(history.length, all - endsOf(directory));
      const outcome = moment
        ? await killedSweep(command, found, moment)
        : await startRun(PROGRAM, command).ended;
      if (moment && outcome.signal === 'SIGKILL') {
        history.push(inWords(moment));
        directory = found();
        continue;
      }
      const end = directoryOf(outcome);
      const epochs = countEpochs(straight, end);
      const failures = told([...sweepDifferences(straight, end), ...epochs.wrong]);
      return { kills: history.length, epochs, failures };
    }
  } catch (error) {
    return { kills: history.length, failures: told([`needs repair: ${error}`]) };
  }
}

/** What a process takes from its start until trials train, on a busy machine. */
const START_MS = 2500;
/** About a segment of a trial. */
const SEGMENT_MS = 900;

function drawSweepKill(random: RandomStream, kills: number, segments: number): SweepMoment {
  const victims = random.uniform() < 0.6 ? 'the sweep and its trials' : 'the sweep alone';
  const draw = random.integer(9);
  if (draw < 2) return { kind: 'ends', more: 0, delay: random.uniform() * START_MS, victims };
  if (draw < 6) {
    // as far ahead as leaves something for every other kill
    const more = Math.floor((random.uniform() * 2 * segments) / kills);
    return { kind: 'ends', more, delay: random.uniform() * SEGMENT_MS, victims };
  }
  // the process of a trial has been started, and the journal does not know of it
  if (draw < 7)
    return { kind: 'operation', only: 'writeSync journal.jsonl segment.start', at: 1 + random.integer(2) };
  // the lock, the journal's records and their flushing, the results at the end
  return { kind: 'operation', at: 1 + random.integer(24), ...(random.uniform() < 0.5 && { torn: true }) };
}

const [TRIALS, FOLDS] = [24, 12];

/** Of a sweep that chooses and prunes trials, or of a cross-validation. */
export async function manySweepKills(
  folder: string,
  { seed, cases }: Extent,
  of: 'trials' | 'folds',
): Promise<Figures> {
  mkdirSync(folder, { recursive: true });
  const sweep = await (of === 'trials'
    ? killableSweep(folder, TRIALS)
    : killable(folder, writeFolds(folder, FOLDS)));
  const failures: string[] = [];
  let kills = 0;
  for (let sweeps = 0; kills < cases && failures.length === 0; sweeps++) {
    const random = RandomStream.of(seed, `soak/${of}/${sweeps}`);
    const path = join(folder, `killed-${sweeps}`);
    const most = cases - kills;
    const report = await killSweep(sweep, path, (done, segments) =>
      done < most ? drawSweepKill(random, most - done, segments) : undefined,
    );
    rmSync(path, { recursive: true });
    kills += report.kills;
    failures.push(...report.failures);
    // without a kill there is nothing to see, and there never will be
    if (report.kills === 0) failures.push('a sweep came to its end before it was killed');
  }
  return { what: `${of} killed at random moments`, cases: kills, failures };
}

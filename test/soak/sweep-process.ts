/**
 * A sweep as a process with processes of its own: started, looked at, killed with or without them.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJournal } from '../../src/sweep/journal.js';
import { decisionsOf, type JournalRecord } from '../../src/sweep/schedule/records.js';
import { compareRuns } from '../../src/verify/compare-runs.js';
import { cameTo, type Outcome, type Program, runUnder, startRun } from '../../src/verify/resume.js';
import { comesTrue, isStopped } from '../support/programs.js';
import { randomDataset } from '../support/runs.js';
import { sweepComplaints } from '../support/sweep-files.js';
import { type AtOperation, momentInWords, PROGRAM, programFor } from './moments.js';

/** Whom a kill ends: the process that decides, or all that belong to the sweep at one moment. */
export type Victims = 'the sweep alone' | 'the sweep and its trials';

export type SweepMoment =
  /** Milliseconds after the process was started. */
  | { readonly kind: 'clock'; readonly delay: number; readonly victims: Victims }
  /** Milliseconds after the journal has so many more records of ends. */
  | { readonly kind: 'ends'; readonly more: number; readonly delay: number; readonly victims: Victims }
  /** Right after the process has recorded the end of a segment: it waits there. */
  | { readonly kind: 'end'; readonly victims: Victims }
  /** Of the sweep's own process, which alone is ended. */
  | AtOperation;

/** What the journal of a sweep says. */
export interface SweepStanding {
  readonly records: number;
  /** Segments that have ended. */
  readonly ended: number;
  /** Segments that were begun and have not ended. */
  readonly underWay: number;
}

export interface SweepEnd {
  readonly status: string;
  readonly directory: string;
}

/** The one sweep below an output root; undefined before it has a plan. */
export function sweepUnder(output: string): string | undefined {
  const found = runUnder(join(output, 'sweeps'));
  return found !== undefined && existsSync(join(found, 'plan.json')) ? found : undefined;
}

export function recordsOf(directory: string): readonly JournalRecord[] {
  return readJournal(join(directory, 'journal.jsonl')).records;
}

export function sweepStanding(directory: string | undefined): SweepStanding {
  const records = directory === undefined ? [] : recordsOf(directory);
  const begun = new Set<string>();
  const ended = new Set<string>();
  for (const record of records) {
    if (record.event !== 'segment.start' && record.event !== 'segment.end') continue;
    (record.event === 'segment.start' ? begun : ended).add(`${record.trial}/${record.seed}/${record.to}`);
  }
  const underWay = [...begun].filter(segment => !ended.has(segment)).length;
  return { records: records.length, ended: ended.size, underWay };
}

/** Runs the program to its end. */
export function sweepOutcome(program: Program, args: readonly string[]): Promise<Outcome> {
  return startRun(program, args).ended;
}

/** The summary that a sweep printed. Throws where it did not come to its end. */
export function endOfSweep({ code, stdout, stderr }: Outcome): SweepEnd {
  if (code !== 0) throw new Error(`the sweep ended with exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as SweepEnd;
}

/**
 * Starts the program and kills it at `moment`; waits for its end, not for that of trials which live
 * on.
 */
export async function killedSweep(
  args: readonly string[],
  directory: () => string | undefined,
  moment: SweepMoment,
): Promise<Outcome> {
  const before = sweepStanding(directory());
  const running = startRun(programOf(moment), args);
  const { child, ended } = running;
  if (moment.kind === 'operation') return ended;
  if (moment.kind === 'end') await cameTo(running, () => isStopped(Number(child.pid)));
  else {
    const isReached = () =>
      moment.kind === 'clock' || sweepStanding(directory()).ended >= before.ended + moment.more;
    if (await cameTo(running, isReached)) await Promise.race([sleep(moment.delay), ended]);
  }
  if (moment.victims === 'the sweep and its trials') await killWithTrials(child);
  else child.kill('SIGKILL');
  return ended;
}

function programOf(moment: SweepMoment): Program {
  if (moment.kind !== 'end') return programFor(moment, 'SIGKILL');
  return programFor({ kind: 'operation', after: '"event":"segment.end"', at: 0 }, 'SIGSTOP');
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

interface ProcessState {
  readonly pid: number;
  readonly parent: number;
  /** `T` if it is stopped, `Z` if it has ended, as ps(1) writes it. */
  readonly state: string;
}

function processes(): ProcessState[] {
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

/** In words, for a failure to be found again. */
export function sweepMomentInWords(moment: SweepMoment): string {
  if (moment.kind === 'operation') return `the sweep alone at ${momentInWords(moment)}`;
  if (moment.kind === 'end') return `${moment.victims} at the end of a segment`;
  const delay = `${moment.delay.toFixed(1)} ms after`;
  return `${moment.victims} ${delay} ${moment.kind === 'clock' ? 'the start' : `${moment.more} more ends`}`;
}

export interface KillableSweep {
  readonly trials: number;
  /** Arguments of a new sweep, up to `--output`. */
  readonly args: readonly string[];
  /** The directory of the sweep that was never killed. */
  readonly straight: string;
  /** Segments that it trained. */
  readonly segments: number;
}

/**
 * Conducts it in `folder`, never killed; those to be killed go to folders beside it. Throws where
 * it does not come to its end.
 */
export async function killableSweep(folder: string, trials: number, epochs = 8): Promise<KillableSweep> {
  mkdirSync(folder, { recursive: true });
  const set = ['--set', `training.num_epochs=${epochs}`];
  const args = ['sweep', writeSweep(folder, trials), ...set, '--backend', 'webasm', '--threads', '2'];
  // as far from the data as those that are killed: checkpoints have the way there in the hash of
  // their config
  const output = join(folder, 'straight', 'output');
  const outcome = await sweepOutcome(PROGRAM, [...args, '--output', output]);
  const straight = endOfSweep(outcome).directory;
  return { trials, args, straight, segments: sweepStanding(straight).ended };
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
  /**
   * Runs and their epochs that are missing or told twice, and steps that were made again although a
   * checkpoint had them.
   */
  readonly wrong: readonly string[];
}

/** Where a decision differs, all else follows from it. */
export function sweepDifferences(straight: string, killed: string): string[] {
  const decided = decisionDifferences(straight, killed);
  if (decided.length > 0) return decided;
  const trials = [straight, killed].map(sweep => readdirSync(join(sweep, 'trials')).sort());
  if (trials[0].join() !== trials[1].join())
    return [`trials are ${trials[1].join(' ')}, not ${trials[0].join(' ')}`];
  return [
    ...fileDifferences(straight, killed),
    ...sweepComplaints(killed),
    ...trials[0].flatMap(run => {
      const [then, now] = [straight, killed].map(sweep => join(sweep, 'trials', run));
      return compareRuns(then, now).map(({ file, what }) => `${run}/${file} ${what}`);
    }),
  ];
}

/** The winner is the last decision. */
function decisionDifferences(straight: string, killed: string): string[] {
  const [then, now] = [straight, killed].map(sweep =>
    decisionsOf(recordsOf(sweep)).map(decision => JSON.stringify(decision)),
  );
  const at = then.findIndex((decision, i) => decision !== now[i]);
  if (at >= 0) return [`decision ${at + 1} is ${now[at] ?? 'missing'}, not ${then[at]}`];
  return now.length > then.length ? [`decision ${now[then.length]} is one too many`] : [];
}

/** `best.yaml` without its head, which names the sweep; and files that are left over. */
function fileDifferences(straight: string, killed: string): string[] {
  const [then, now] = [straight, killed].map(sweep =>
    readFileSync(join(sweep, 'best.yaml'), 'utf8').replace(/^#.*\n/gm, ''),
  );
  const expected = readdirSync(straight);
  const left = readdirSync(killed).filter(name => !expected.includes(name));
  return [...(then === now ? [] : ['best.yaml is another']), ...left.map(name => `${name} is left over`)];
}

/**
 * By `log.jsonl` and the `log.replaced-N.jsonl` beside it, which has what was written after the
 * checkpoint that the run went on from.
 */
export function countEpochs(straight: string, killed: string): EpochCount {
  const counts = readdirSync(join(killed, 'trials')).map(run => {
    const [then, now] = [straight, killed].map(sweep => epochsOf(join(sweep, 'trials', run, 'log.jsonl')));
    const wrong =
      now.join() === then.join() ? [] : [`${run} has the epochs ${now.join(' ')}, not ${then.join(' ')}`];
    const replaced = replacedLogs(join(killed, 'trials', run)).map(eventsOf);
    return {
      trained: now.length,
      cutOff: sum(replaced.map(cutOff)),
      wrong: [...wrong, ...replaced.flatMap(again).map(step => `${run} made step ${step} again`)],
    };
  });
  return {
    trained: sum(counts.map(({ trained }) => trained)),
    cutOff: sum(counts.map(({ cutOff }) => cutOff)),
    wrong: counts.flatMap(({ wrong }) => wrong),
  };
}

interface Event {
  readonly event: string;
  readonly epoch?: number;
  readonly step?: number;
}

/**
 * Epochs whose last step is gone with them; the record alone is told again after a stop within the
 * evaluation.
 */
function cutOff(events: readonly Event[]): number {
  const steps = new Set(stepsOf(events));
  return events.filter(({ event, step }) => event === 'train.epoch' && steps.has(Number(step))).length;
}

/** Steps that a checkpoint had, and that were nevertheless thrown away. */
function again(events: readonly Event[]): number[] {
  const saved = events.flatMap(({ event, step }) => (event === 'checkpoint.saved' ? [Number(step)] : []));
  return stepsOf(events).filter(step => step <= Math.max(...saved));
}

function stepsOf(events: readonly Event[]): number[] {
  return events.flatMap(({ event, step }) => (event === 'train.step' ? [Number(step)] : []));
}

function epochsOf(log: string): number[] {
  return eventsOf(log).flatMap(({ event, epoch }) => (event === 'train.epoch' ? [Number(epoch)] : []));
}

function replacedLogs(run: string): string[] {
  return readdirSync(run)
    .filter(name => /^log\.replaced-\d+\.jsonl$/.test(name))
    .map(name => join(run, name));
}

/** Without a torn last line. */
function eventsOf(log: string): Event[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n');
  return lines.slice(0, -1).map(line => JSON.parse(line) as Event);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * A sweep as a process with processes of its own: started, looked at, killed with or without them.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJournal } from '../../src/sweep/journal.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';
import { cameTo, type Outcome, type Program, runUnder, startRun } from '../../src/verify/resume.js';
import { isStopped } from '../support/at-rest.js';
import { comesTrue } from '../support/waiting.js';
import { type AtOperation, momentInWords, programFor } from './moments.js';

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

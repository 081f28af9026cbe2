/**
 * Many runs that are stopped and go on, a few at a time; each part of the soak that is made of such
 * runs, as lines of its table.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Finish, type Killable, killable, VARIANTS } from './killable.js';
import { afterStep, killAgainAndAgain, killOnce, MAX_KILLS, seamsAtEnd } from './kills.js';
import type { AtOperation } from './moments.js';
import type { Figures } from './parts.js';
import { PHASES, type Phase, type SignalReport, stopAndGoOn } from './signals.js';

export interface Extent {
  readonly seed: number;
  /** Kills, steps or signals. */
  readonly count: number;
  /** Processes at a time. */
  readonly jobs: number;
  /** How a run comes to its end once it was stopped. */
  readonly finish: Finish;
}

/** Kills `count` times, over as many runs as that takes. */
export async function manyKills(folder: string, { seed, count, jobs, finish }: Extent): Promise<Figures> {
  const names = Object.keys(VARIANTS);
  const straight = new Map<string, Promise<Killable>>();
  const hits = new Tally();
  const failures: string[] = [];
  let [left, runs, anew] = [count, 0, 0];
  await inTurn(jobs, async number => {
    if (left === 0) return false;
    const name = names[number % names.length];
    if (!straight.has(name)) straight.set(name, killable(join(folder, `straight-${straight.size}`), name));
    const most = Math.min(MAX_KILLS, Math.ceil(left / jobs));
    left -= most;
    const run = (await straight.get(name)) as Killable;
    const report = await inFolder(folder, number, path =>
      killAgainAndAgain(run, path, { seed, number, most, finish }),
    );
    left += most - report.kills;
    runs += 1;
    anew += report.anew;
    for (const [what, times] of report.hits) hits.add(what, times);
    failures.push(
      ...report.differences.map(what => `different: ${what}`),
      ...report.lost.map(what => `lost: ${what}`),
      ...report.repairs.map(what => `needs repair: ${what}`),
    );
    return true;
  });
  const note = `${runs} runs, ${anew} begun anew; ${hits.words}`;
  return { what: 'at random moments', cases: count - left, failed: failures.length, failures, note };
}

/** Kills a run of `count` steps after each of them. */
export async function killsAtEveryStep(folder: string, { count, jobs, finish }: Extent): Promise<Figures> {
  const length = { num_epochs: Math.ceil(count / 12), max_steps: count };
  const names = Object.keys(VARIANTS).slice(0, 2);
  const straight = await Promise.all(
    names.map((name, i) => killable(join(folder, `straight-${i}`), name, length)),
  );
  const cases = Array.from({ length: count }, (_, i) => ({
    run: straight[i % straight.length],
    moment: afterStep(i + 1),
  }));
  return killEach('after each step', folder, cases, { jobs, finish });
}

/** Kills runs of each kind at every seam of their end. */
export async function killsAtSeams(
  folder: string,
  { jobs, finish }: Pick<Extent, 'jobs' | 'finish'>,
): Promise<Figures> {
  const straight = await allKillable(folder);
  const cases = straight.flatMap(run => seamsAtEnd(run).map(moment => ({ run, moment })));
  return killEach('at the seams of the end', folder, cases, { jobs, finish });
}

interface SingleKill {
  readonly run: Killable;
  readonly moment: AtOperation;
}

async function killEach(
  what: string,
  folder: string,
  cases: readonly SingleKill[],
  { jobs, finish }: Pick<Extent, 'jobs' | 'finish'>,
): Promise<Figures> {
  const failures: string[] = [];
  await inTurn(jobs, async number => {
    if (number >= cases.length) return false;
    const { run, moment } = cases[number];
    const found = await inFolder(folder, number, path => killOnce(run, path, moment, finish));
    if (found !== undefined) failures.push(found);
    return true;
  });
  const failed = failures.length;
  const note = `${cases.length - failed} of ${cases.length} identical`;
  return { what, cases: cases.length, failed, failures, note };
}

function allKillable(folder: string): Promise<Killable[]> {
  return Promise.all(Object.keys(VARIANTS).map((name, i) => killable(join(folder, `straight-${i}`), name)));
}

/** Sends `count` signals, each phase in its turn; one line for each phase. */
export async function manySignals(folder: string, { seed, count, jobs, finish }: Extent): Promise<Figures[]> {
  const [name] = Object.keys(VARIANTS);
  const run: Killable = await killable(join(folder, 'straight'), name);
  const reports: SignalReport[] = [];
  await inTurn(jobs, async number => {
    if (number >= count) return false;
    const report = await inFolder(folder, number, path => stopAndGoOn(run, path, { seed, number, finish }));
    reports.push(report);
    return true;
  });
  return PHASES.map(phase =>
    signalFigures(
      phase,
      reports.filter(report => report.phase === phase),
    ),
  );
}

function signalFigures(phase: Phase, reports: readonly SignalReport[]): Figures {
  const outcomes = new Tally();
  for (const { outcome } of reports) outcomes.add(outcome);
  return {
    what: phase,
    cases: reports.length,
    failed: reports.filter(({ failures }) => failures.length > 0).length,
    failures: reports.flatMap(({ failures }) => failures),
    note: outcomes.words,
  };
}

/** Calls `action` with 0, 1, 2 ... until it gives false, so many at a time. */
async function inTurn(jobs: number, action: (number: number) => Promise<boolean>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (await action(next++));
  };
  await Promise.all(Array.from({ length: jobs }, work));
}

/** A folder of its own, gone afterwards. */
async function inFolder<T>(folder: string, number: number, action: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, `run-${number}`);
  mkdirSync(path);
  try {
    return await action(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Counts of what happened, as a note: the most frequent first. */
export class Tally {
  private readonly counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }

  get words(): string {
    const byCount = [...this.counts].sort(([, a], [, b]) => b - a);
    return byCount.map(([what, count]) => `${count} ${what}`).join(', ');
  }
}

/**
 * Whether a sweep that was killed ended as one that never was: decisions, winner, every run's
 * bytes, and each epoch trained once.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decisionsOf } from '../../src/sweep/schedule/records.js';
import { compareRuns } from '../../src/verify/compare-runs.js';
import { sweepComplaints } from '../support/sweep-files.js';
import { recordsOf } from './sweep-process.js';

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

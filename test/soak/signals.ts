/**
 * SIGINT and SIGTERM in each phase of a run: what it leaves is closed and whole, and goes on to the
 * same end.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TEMPORARY_PREFIX } from '../../src/run/files.js';
import type { Summary } from '../../src/run/summary.js';
import { EXIT } from '../../src/util/errors.js';
import { RandomStream } from '../../src/util/random.js';
import { isDone, type Outcome, runUnder } from '../../src/verify/resume.js';
import { readLog } from '../support/cli.js';
import type { Finish, Killable } from './killable.js';
import { afterStep } from './kills.js';
import { differences, hasBegun, lostCheckpoints, NOTHING, standing } from './left-behind.js';
import { type LastRecord, type Moment, momentInWords, signalled } from './moments.js';

export interface SignalReport {
  readonly phase: Phase;
  /** What came of it, in a few words. */
  readonly outcome: string;
  readonly failures: readonly string[];
}

/** Each third case sends a second signal so many milliseconds at most after the first. */
const SECOND_MS = 40;

interface Case {
  readonly number: number;
  readonly phase: Phase;
  readonly signal: 'SIGINT' | 'SIGTERM';
  /** When the second signal comes; undefined without one. */
  readonly second: number | undefined;
}

/**
 * Sends the signal of case `number` to a run that writes under `output`, looks at what is left, and
 * resumes it to its end.
 */
export async function stopAndGoOn(
  run: Killable,
  output: string,
  { seed, number, finish }: { readonly seed: number; readonly number: number; readonly finish: Finish },
): Promise<SignalReport> {
  const random = RandomStream.of(seed, `soak/signals/${number}`);
  const one: Case = {
    number,
    phase: PHASES[number % PHASES.length],
    signal: random.integer(2) === 0 ? 'SIGINT' : 'SIGTERM',
    second: number % 3 === 2 ? random.uniform() * SECOND_MS : undefined,
  };
  const directory = one.phase === "resume's start" ? await stopped(run, output, random) : undefined;
  const before = directory && snapshot(directory);
  const moment = drawSignal(one.phase, random, run.straight.steps);
  const args = directory === undefined ? [...run.args, '--output', output] : ['resume', directory];
  const { outcome, at } = await signalled(args, { output, directory }, moment, one.signal, one.second);
  const left = directory ?? runUnder(output);
  const verdict = judge(one, outcome, left, before);
  const failures = [...verdict.failures, ...(await goingOn(run, left, finish))];
  const told = (what: string) =>
    `case ${number} (${one.phase}, ${one.signal}${one.second === undefined ? '' : ' twice'}, ${at ?? momentInWords(moment)}): ${what}`;
  return { phase: one.phase, outcome: verdict.outcome, failures: failures.map(told) };
}

/** A run that was killed after a step of its first epochs. */
async function stopped(run: Killable, output: string, random: RandomStream): Promise<string> {
  const step = 1 + random.integer(40);
  const args = [...run.args, '--output', output];
  await signalled(args, { output, directory: undefined }, afterStep(step), 'SIGKILL');
  return runUnder(output) ?? '';
}

type Verdict = Omit<SignalReport, 'phase'>;

function judge(
  one: Case,
  outcome: Outcome,
  directory: string | undefined,
  before: string | undefined,
): Verdict {
  const isHeard = outcome.stderr.includes(`${one.signal}: stopping after the current step`);
  if (!isHeard) return unheard(outcome, directory, before);
  if (outcome.code === EXIT.interrupted && outcome.stdout !== '') return closed(outcome, directory);
  if (isDone(outcome)) return { outcome: 'done before it could stop', failures: whole(directory) };
  if (one.second === undefined) return { outcome: 'failed', failures: [ending(outcome)] };
  // the second signal ends the process at once, before anything is printed; or it comes when all is
  // done and nobody listens any more
  if (outcome.code === EXIT.interrupted) return { outcome: 'stopped at once', failures: whole(directory) };
  const failures = outcome.signal === one.signal && isClosed(directory) ? [] : [ending(outcome)];
  return { outcome: 'closed, and ended by the second signal', failures: [...failures, ...whole(directory)] };
}

function ending({ code, signal, stderr }: Outcome): string {
  return `ended with ${code ?? signal}: ${stderr}`;
}

/**
 * While the program loads a signal ends it, by Node or by `early-signals.ts`, and after it has said
 * its result nobody listens; nothing may have been begun, or all be done.
 */
function unheard(outcome: Outcome, directory: string | undefined, before: string | undefined): Verdict {
  const isSame = directory === undefined ? before === undefined : snapshot(directory) === before;
  const isStopped = outcome.signal !== null || outcome.code === EXIT.interrupted;
  if (isSame && isStopped) return { outcome: 'ended before it began', failures: [] };
  if (isClosed(directory)) return { outcome: 'came after the end', failures: whole(directory) };
  return { outcome: 'failed', failures: [`was not heard, and ${ending(outcome)}`] };
}

function isClosed(directory: string | undefined): boolean {
  return directory !== undefined && standing(directory).records.at(-1)?.event === 'run.end';
}

/** A run that was asked to stop and did. */
function closed({ stdout, stderr }: Outcome, directory: string | undefined): Verdict {
  const failures = whole(directory);
  if (directory === undefined) return { outcome: 'failed', failures: ['there is no run'] };
  const summary = JSON.parse(stdout) as Summary;
  const { event, status, exit_code, steps } = readLog(directory).at(-1) ?? { event: 'nothing' };
  if (event !== 'run.end' || status !== 'interrupted' || exit_code !== EXIT.interrupted)
    failures.push(`the last record is ${event}, status ${status}`);
  const { newest, temporary } = standing(directory);
  if (newest !== steps || summary.steps !== steps)
    failures.push(`the newest checkpoint is of step ${newest}, the last record's ${steps}, ${summary.steps}`);
  if (temporary.run || temporary.checkpoints) failures.push('temporary files are left');
  if (existsSync(join(directory, 'run.lock'))) failures.push('the lock is left');
  if (!stderr.includes('Resume with: ')) failures.push(`no word on how to go on: ${stderr}`);
  return { outcome: steps === 0 ? 'stopped before the first step' : 'stopped with a checkpoint', failures };
}

/** Checkpoints and the lines of the log. */
function whole(directory: string | undefined): string[] {
  if (directory === undefined) return [];
  const failures = lostCheckpoints(directory, NOTHING);
  if (standing(directory).tornLine) failures.push('the last line of the log is torn');
  return failures;
}

async function goingOn(run: Killable, directory: string | undefined, finish: Finish): Promise<string[]> {
  if (directory === undefined || !hasBegun(directory)) return [];
  try {
    await finish(['resume', directory]);
  } catch (error) {
    return [String(error)];
  }
  return differences(run.straight.directory, directory);
}

/** Every file of a run directory and what is in it; temporary names and locks left out. */
function snapshot(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return names
    .filter(name => /\.\w+$/.test(name) && !name.includes(TEMPORARY_PREFIX) && !name.startsWith('run.lock'))
    .map(name => `${name} ${readFileSync(join(directory, name), 'base64')}`)
    .join('\n');
}

export const PHASES = [
  'start',
  'compiling',
  'steps',
  'saves',
  'evaluation',
  'epoch end',
  "resume's start",
  'closing',
] as const;
export type Phase = (typeof PHASES)[number];

/** Until the program has read its data, on an idle machine or a busy one. */
const START_MS = 500;
/** Between the first record and the first step. */
const COMPILE_MS = 300;
const STEP_MS = 4;
const EVALUATION_MS = 10;

/** The run has `steps` steps and saves at each fifth. */
export function drawSignal(phase: Phase, random: RandomStream, steps: number): Moment {
  const within = (ms: number): number => random.uniform() * ms;
  const upTo = (most: number): number => 1 + random.integer(most);
  const afterRecord = (record: string, isReached: (last: LastRecord) => boolean, ms: number): Moment => ({
    kind: 'log',
    record,
    isReached,
    delay: within(ms),
  });
  switch (phase) {
    case 'start':
      // half by the clock, half while the run directory is made, before which the data are read
      return random.uniform() < 0.5
        ? { kind: 'clock', delay: within(START_MS) }
        : { kind: 'operation', at: upTo(40) };
    case 'compiling':
      return afterRecord('the first record', ({ event }) => event !== '', COMPILE_MS);
    case 'steps': {
      const step = upTo(steps - 1);
      return afterRecord(`step ${step}`, last => last.step >= step, STEP_MS);
    }
    case 'saves': {
      const step = 5 * upTo(Math.floor((steps - 1) / 5));
      return { kind: 'operation', after: `"event":"train.step".*"step":${step},`, at: upTo(20) };
    }
    case 'evaluation':
      return afterRecord('the end of an epoch', ({ event }) => event === 'train.epoch', EVALUATION_MS);
    case 'epoch end':
      return {
        kind: 'operation',
        after: `"event":"train.epoch","epoch":${upTo(7)},`,
        at: random.integer(20),
      };
    case "resume's start":
      // about half by the clock, the rest while the log is cut and opened
      return random.uniform() < 0.5
        ? { kind: 'clock', delay: within(2 * START_MS) }
        : { kind: 'operation', at: upTo(40) };
    case 'closing':
      return { kind: 'operation', after: `"event":"eval".*"step":${steps},`, at: random.integer(45) };
  }
}

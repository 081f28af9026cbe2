/** Moments at which a signal reaches a run: by the clock, its log, or an operation on files. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cameTo, type Outcome, type Program, runUnder, startRun } from '../../src/verify/resume.js';
import { main } from '../support/in-process.js';

/** The program as users start it. */
export const PROGRAM: Program = [process.execPath, main];

export type Moment =
  /** Milliseconds after the process was started. */
  | { readonly kind: 'clock'; readonly delay: number }
  /** Milliseconds after `isReached` first held of the log's last record. */
  | {
      readonly kind: 'log';
      /** The record in words. */
      readonly record: string;
      readonly isReached: (last: LastRecord) => boolean;
      readonly delay: number;
    }
  | AtOperation;

/** Before an operation on files, such as `renameSync index.json`. */
export interface AtOperation {
  readonly kind: 'operation';
  /** Its number from 1; 0 is right after what `after` says. */
  readonly at: number;
  /** Operations count once something that this regular expression matches was written. */
  readonly after?: string;
  /** Only operations that this regular expression matches count. */
  readonly only?: string;
  /** Whether a write is to be done to its half. */
  readonly torn?: boolean;
}

export interface LastRecord {
  readonly event: string;
  /** -1 where it has none. */
  readonly step: number;
  readonly seq: number;
}

export interface Sent {
  readonly outcome: Outcome;
  /** `SIGKILL at renameSync log.jsonl`, if the moment was an operation. */
  readonly at: string | undefined;
}

/** Starts the program, sends it `signal` at `moment`, and again `then` ms later; awaits its end. */
export async function signalled(
  args: readonly string[],
  where: { readonly output: string; readonly directory: string | undefined },
  moment: Moment,
  signal: NodeJS.Signals,
  then?: number,
): Promise<Sent> {
  const running = startRun(programFor(moment, signal), args);
  const { child, ended } = running;
  if (moment.kind === 'log') {
    const last = () => lastRecord(where.directory ?? runUnder(where.output));
    await cameTo(running, () => moment.isReached(last()));
  }
  if (moment.kind === 'operation') {
    if (then !== undefined) await Promise.race([said(child.stderr, `${signal} at `), ended]);
  } else {
    await Promise.race([sleep(moment.delay), ended]);
    child.kill(signal);
  }
  if (then !== undefined) {
    await Promise.race([sleep(then), ended]);
    child.kill(signal);
  }
  const outcome = await ended;
  return { outcome, at: /^SIG\w+ at .*$/m.exec(outcome.stderr)?.[0] };
}

function said(stream: NodeJS.ReadableStream | null, text: string): Promise<void> {
  let all = '';
  return new Promise(resolve => {
    stream?.on('data', part => {
      all += part;
      if (all.includes(text)) resolve();
    });
  });
}

/** The program that sends itself `signal` at an operation; as it is for any other moment. */
export function programFor(
  moment: AtOperation | { readonly kind: 'clock' | 'log' | 'ends' },
  signal: NodeJS.Signals,
): Program {
  if (moment.kind !== 'operation') return PROGRAM;
  return [process.execPath, '--import', preloadFor(moment, signal), main];
}

/** A module for `node --import` with which a program sends itself `signal` at an operation. */
export function preloadFor(
  { at, after, only, torn }: Omit<AtOperation, 'kind'>,
  signal: NodeJS.Signals,
): string {
  const preload = new URL('./signal-at-operation.js', import.meta.url);
  preload.searchParams.set('signal', signal);
  preload.searchParams.set('at', String(at));
  if (after !== undefined) preload.searchParams.set('after', after);
  if (only !== undefined) preload.searchParams.set('only', only);
  if (torn) preload.searchParams.set('torn', '');
  return preload.href;
}

/** The same with which it stops itself once it has written what `after` matches, until SIGCONT. */
export function holdAfter(after: string): string {
  return preloadFor({ at: 0, after }, 'SIGSTOP');
}

/** In words, for a failure to be found again. */
export function momentInWords(moment: Moment): string {
  if (moment.kind === 'clock') return `${moment.delay.toFixed(1)} ms after the start`;
  if (moment.kind === 'log') return `${moment.delay.toFixed(1)} ms after ${moment.record}`;
  const { at, after, only, torn } = moment;
  return `operation ${at}${only === undefined ? '' : ` of ${only}`}${after === undefined ? '' : ` after ${after}`}${torn ? ', torn' : ''}`;
}

const NO_RECORD: LastRecord = { event: '', step: -1, seq: -1 };
/** More than a record has. */
const TAIL_BYTES = 2048;

/** The last whole record of a run's log. */
function lastRecord(run: string | undefined): LastRecord {
  const path = join(run ?? '', 'log.jsonl');
  if (run === undefined || !existsSync(path)) return NO_RECORD;
  const tail = Buffer.alloc(TAIL_BYTES);
  const file = openSync(path, 'r');
  const read = readSync(file, tail, 0, TAIL_BYTES, Math.max(0, fstatSync(file).size - TAIL_BYTES));
  closeSync(file);
  const text = tail.toString('utf8', 0, read);
  const line = text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) ?? '';
  const [, seq, event] = /"seq":(\d+),"event":"([\w.]+)"/.exec(line) ?? [];
  if (event === undefined) return NO_RECORD;
  return { event, seq: Number(seq), step: Number(/"step":(\d+)/.exec(line)?.[1] ?? -1) };
}

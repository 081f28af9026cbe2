/**
 * The log of a run that goes on: what was written after the checkpoint moves to a file beside it,
 * since it will be written again. So the log stays one series with contiguous numbers, and nothing
 * that was ever written is lost.
 */
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { writeAtomic } from '../files/atomic.js';
import { withFile } from '../files/opened-file.js';
import { isAbsent } from '../files/unreadable.js';
import type { EventName } from './events.js';
import { parseEvent } from './parse.js';

/** Where a run goes on. */
export interface LogPoint {
  /** Optimizer steps done. */
  readonly step: number;
  /** Whether the epoch's record and the evaluation after that step are still to come. */
  readonly evaluationIsDue: boolean;
  /**
   * With a validation split the test split is read at the end of a run, hence again if it resumes.
   */
  readonly hasValidation?: boolean;
}

/** What the log must have had when the checkpoint of a point was written. */
export interface ExpectedRecords {
  /** Epochs that were done and evaluated. */
  readonly epochs: number;
  /** Steps that are a multiple of all of these were logged, and the first one. */
  readonly loggedEvery: readonly number[];
}

export interface CutLog {
  /** The number of the next event. */
  readonly seq: number;
  /** Names of the events that stay. */
  readonly kept: ReadonlySet<EventName>;
  /**
   * Whether the checkpoint of the point's step is among them; one from before its evaluation is not
   * the one that has the metrics.
   */
  readonly saved: boolean;
  /**
   * Whether lines from before the point are gone or were moved: someone else has been at the file.
   */
  readonly lostHistory: boolean;
  /** Lines that were moved, a torn one included. */
  readonly replaced: number;
  /** Name of the file that has them now; null where there are none. */
  readonly replacedFile: string | null;
}

/**
 * Cuts the log at `path`, which may be absent, after what belongs to `point`; what it has lost is
 * looked for where it is known what is `expected`.
 * @throws UserError (exit 1) if the system refuses to write
 * @throws UserError (exit 2) or 5 where it cannot be read
 */
export function cutLog(path: string, point: LogPoint, expected?: ExpectedRecords): CutLog {
  const lines = wholeLines(readLog(path));
  const events = lines.map(parsedEvent);
  const found = events.findIndex((event, seq) => !staysAt(event, seq, point));
  const end = found < 0 ? lines.length : found;
  const staying = events.slice(0, end).filter(event => event !== undefined);
  const stay = {
    seq: end,
    kept: new Set(staying.map(({ event }) => event)),
    saved: isSaved(staying, point.step),
    lostHistory:
      point.step > 0 &&
      (end === 0 ||
        events.slice(end).some(event => isBefore(event, point)) ||
        (expected !== undefined && lacksRecords(staying, point.step, expected))),
  };
  if (end === lines.length) return { ...stay, replaced: 0, replacedFile: null };
  const replacedFile = freeName(path);
  writeAtomic(join(dirname(path), replacedFile), lines.slice(end));
  writeAtomic(path, lines.slice(0, end));
  return { ...stay, replaced: lines.length - end, replacedFile };
}

/**
 * A log that cannot be got at is not taken for one that is empty: what it says would be said again.
 */
function readLog(path: string): Buffer {
  if (isAbsent(path)) return Buffer.alloc(0);
  return withFile(path, file => file.read(0, file.bytes), { follow: false });
}

/** With their line ends; the last one has none where the process was killed while writing it. */
function wholeLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end + 1;
    lines.push(bytes.subarray(from, to));
    from = to;
  }
  return lines;
}

/** What readers of a log rely on; the rest of a record is as somebody may have edited it. */
export interface LoggedEvent {
  readonly event: EventName;
  readonly seq: number;
  readonly step?: number;
  readonly [field: string]: unknown;
}

/**
 * The events of the log at `path`, which may be absent; lines that are none are left out. Throws
 * exit 2 or 5 where it cannot be read.
 */
export function readEvents(path: string): LoggedEvent[] {
  return wholeLines(readLog(path))
    .map(parsedEvent)
    .filter(event => event !== undefined);
}

/**
 * SHA-256 (hex) of the first `records` lines of the log at `path`, which may be absent. Throws as
 * `readEvents` does.
 */
export function logDigest(path: string, records: number): string {
  const hash = createHash('sha256');
  for (const line of wholeLines(readLog(path)).slice(0, records)) hash.update(line);
  return hash.digest('hex');
}

/** Undefined where the line is torn, or no event. */
function parsedEvent(line: Buffer): LoggedEvent | undefined {
  if (line.at(-1) !== 0x0a) return undefined;
  const parsed = parseEvent(line.toString('utf8'));
  return typeof parsed === 'string' ? undefined : (parsed as LoggedEvent);
}

/** What ends a run is said again at its real end; `run.resume` stays, for it is what happened. */
const ENDING: ReadonlySet<EventName> = new Set<EventName>(['gate', 'run.end']);
/** What an evaluation that is due adds. */
const EVALUATION: ReadonlySet<EventName> = new Set<EventName>([
  'train.epoch',
  'eval.trained',
  'eval',
  'early_stop',
]);

function staysAt(
  event: LoggedEvent | undefined,
  seq: number,
  { step, evaluationIsDue, hasValidation = false }: LogPoint,
): boolean {
  if (event === undefined || event.seq !== seq || ENDING.has(event.event)) return false;
  // what is odd about a run is told again where it begins again
  if (event.event === 'warning' && step === 0) return false;
  if (event.event === 'run.resume' || event.step === undefined) return true;
  if (hasValidation && isEvaluation(event) && event.split === 'test') return false;
  return event.step < step || (event.step === step && !(evaluationIsDue && EVALUATION.has(event.event)));
}

const isEvaluation = ({ event }: LoggedEvent): boolean => event === 'eval' || event === 'eval.trained';

/** The code of the warning that is logged where records are lost. */
export const LOG_LOST = 'log/lost';

/**
 * Whether the log lacks what was flushed to it before the checkpoint. That is not counted in the
 * checkpoint: how often steps are logged may change without changing a byte of it, and resumes have
 * records of their own. It follows from the point. What an earlier warning told of is not told
 * again.
 */
function lacksRecords(
  events: readonly LoggedEvent[],
  step: number,
  { epochs, loggedEvery }: ExpectedRecords,
): boolean {
  const told = events.findLastIndex(({ event, code }) => event === 'warning' && code === LOG_LOST);
  const resumed = events.slice(0, told + 1).findLast(({ event }) => event === 'run.resume');
  const since = events.slice(told + 1);
  const [firstStep, firstEpoch] =
    told < 0
      ? [1, 1]
      : [
          (resumed?.step ?? 0) + 1,
          Number(
            since.find(({ event, epoch }) => event !== 'checkpoint.saved' && epoch)?.epoch ?? epochs + 1,
          ),
        ];
  const has = (name: EventName, field: 'step' | 'epoch') =>
    new Set(since.flatMap(event => (event.event === name ? [event[field]] : [])));
  const [steps, means, evaluations] = [
    has('train.step', 'step'),
    has('train.epoch', 'epoch'),
    has('eval', 'epoch'),
  ];
  for (let at = firstStep; at <= step; at++)
    if ((at === 1 || loggedEvery.every(every => at % every === 0)) && !steps.has(at)) return true;
  for (let epoch = firstEpoch; epoch <= epochs; epoch++)
    if (!means.has(epoch) || !evaluations.has(epoch)) return true;
  return false;
}

function isSaved(events: readonly LoggedEvent[], at: number): boolean {
  const last = events.findLast(
    ({ event, step }) => step === at && (event === 'eval' || event === 'checkpoint.saved'),
  );
  return last?.event === 'checkpoint.saved';
}

function isBefore(event: LoggedEvent | undefined, { step }: LogPoint): boolean {
  return event?.step !== undefined && event.event !== 'run.resume' && event.step < step;
}

function freeName(path: string): string {
  const name = basename(path, '.jsonl');
  for (let number = 1; ; number++) {
    const candidate = `${name}.replaced-${number}.jsonl`;
    // a link that leads nowhere is not free either
    if (isAbsent(join(dirname(path), candidate))) return candidate;
  }
}

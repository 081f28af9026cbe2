/** Reads `log.jsonl`, which may be damaged or edited, and cuts it when a run resumes. */
import { basename, dirname, join } from 'node:path';
import type { EventName } from './events.js';
import { isAbsent, type OpenedFile, withFile, writeAtomic } from './files.js';
import { type JsonObject, unspellNumbers } from './json.js';
import { eachLine, type LinesEnd } from './lines.js';
import type { BySplit, SplitMetrics } from './summary.js';

/**
 * An event of a log. Other fields are scalars but not checked; other versions may have written
 * them.
 */
export interface LogRecord {
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * Parses a line, without its line end. Returns a message if it is not an event. Events are flat:
 * converting a nested field to text would overflow the stack if it is nested deeply.
 */
export function parseEvent(text: string): LogRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.trim() === '' ? 'the line is empty' : 'this is not JSON';
  }
  if (!isObject(value) || Array.isArray(value)) return 'this is not a JSON object';
  if (!('event' in value) || typeof value.event !== 'string') return 'this has no `event`';
  const nested = Object.entries(value).find(([, field]) => isObject(field));
  if (nested !== undefined) return `\`${nested[0].slice(0, 60)}\` is a list or an object`;
  return value as LogRecord;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/* Finds the metrics among the fields of an event, in logs of any version. */

/** Numeric fields of `train.epoch` and `eval` that are not metrics. */
const OTHERS: ReadonlySet<string> = new Set([
  'v',
  'seq',
  'epoch',
  'step',
  'samples',
  'restored_step',
  'duration_s',
]);

/**
 * Names of the metrics in a `train.epoch` or an `eval`: numbers, and nulls with a `_nonfinite`
 * field.
 */
export function metricsIn(event: { readonly [field: string]: unknown }): string[] {
  return Object.keys(event).filter(
    key => !OTHERS.has(key) && (typeof event[key] === 'number' || `${key}_nonfinite` in event),
  );
}

/** Converts metrics from a file to numbers, including those that are not finite. */
export function unspellMetrics({ train, validation, test }: BySplit<object>): BySplit<SplitMetrics> {
  const unspell = (metrics: object) => unspellNumbers(metrics as JsonObject);
  return {
    train: unspell(train),
    ...(validation && { validation: unspell(validation) }),
    test: unspell(test),
  };
}

/*
 * The log of a run that resumes: records after the checkpoint are moved to another file in the same
 * folder, because they will be written again. So the log stays one series with contiguous numbers,
 * and no record is lost.
 */

export interface LogPoint {
  /** Completed optimizer steps. */
  readonly step: number;
  /** True if the epoch's record and the evaluation after that step are still due. */
  readonly evaluationIsDue: boolean;
  /**
   * With a validation split, the test split is evaluated at the end of a run, hence again after a
   * resume.
   */
  readonly hasValidation?: boolean;
}

/** Records that were in the log when the checkpoint was written. */
export interface ExpectedRecords {
  readonly epochs: number;
  /** The first step was logged, and each step that is a multiple of all of these. */
  readonly loggedEvery: readonly number[];
}

export interface CutLog {
  /** Sequence number of the next event. */
  readonly seq: number;
  readonly kept: ReadonlySet<EventName>;
  /**
   * True if they include the saving of the step's checkpoint, after its evaluation: an earlier one
   * has no metrics.
   */
  readonly saved: boolean;
  /**
   * True if lines from before the point are missing or were moved, so the file was modified by
   * others.
   */
  readonly lostHistory: boolean;
  readonly replaced: number;
  /** Name of the file that contains them; null if there are none. */
  readonly replacedFile: string | null;
}

/**
 * Cuts the log at `path` after the records up to `point`; creates an absent one. Checks for lost
 * records if `expected` is given.
 */
export function cutLog(path: string, point: LogPoint, expected?: ExpectedRecords): CutLog {
  const lines = wholeLines(bytesOf(path));
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
  if (isAbsent(path)) writeAtomic(path, []);
  if (end === lines.length) return { ...stay, replaced: 0, replacedFile: null };
  const replacedFile = freeName(path);
  writeAtomic(join(dirname(path), replacedFile), lines.slice(end));
  writeAtomic(path, lines.slice(0, end));
  return { ...stay, replaced: lines.length - end, replacedFile };
}

/** An unreadable log is not treated as empty, or its records would be written again. */
function bytesOf(path: string): Buffer {
  if (isAbsent(path)) return Buffer.alloc(0);
  return withFile(path, file => file.read(0, file.bytes), { follow: false });
}

/** Lines with their line ends; the last has none if the process was killed while writing it. */
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

/** The fields that readers of a log rely on; the rest of a record may have been edited. */
export interface LoggedEvent {
  readonly event: EventName;
  readonly seq: number;
  readonly step?: number;
  readonly [field: string]: unknown;
}

/** The events of the log at `path`, which may be absent; without invalid lines. */
export function readEvents(path: string): LoggedEvent[] {
  const events: LoggedEvent[] = [];
  if (!isAbsent(path))
    readLog(
      path,
      record => events.push(record as LoggedEvent),
      () => {},
    );
  return events;
}

function parsedEvent(line: Buffer): LoggedEvent | undefined {
  if (line.at(-1) !== 0x0a) return undefined;
  const parsed = parseEvent(line.toString('utf8'));
  return typeof parsed === 'string' ? undefined : (parsed as LoggedEvent);
}

/**
 * Events that are logged again at the end of the resumed run. `run.resume` stays: it is history.
 */
const ENDING: ReadonlySet<EventName> = new Set<EventName>(['gate', 'run.end']);
/** Events of an evaluation that is still due. */
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
  // a run that starts over logs its warnings again
  if (event.event === 'warning' && step === 0) return false;
  if (event.event === 'run.resume' || event.step === undefined) return true;
  if (hasValidation && isEvaluation(event) && event.split === 'test') return false;
  return event.step < step || (event.step === step && !(evaluationIsDue && EVALUATION.has(event.event)));
}

const isEvaluation = ({ event }: LoggedEvent): boolean => event === 'eval' || event === 'eval.trained';

/** Code of the warning about lost records. */
export const LOG_LOST = 'log/lost';

/**
 * True if the log lacks records that were flushed before the checkpoint. The checkpoint stores no
 * count of them: the logging interval does not affect its bytes, and resumes add records of their
 * own. So the expected records are derived from the step. Losses that an earlier warning reported
 * are not reported again.
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
    // a broken link is not free either
    if (isAbsent(join(dirname(path), candidate))) return candidate;
  }
}

export interface DamagedLine {
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

/** Longer than any event. */
const TAIL_BYTES = 1 << 16;

/**
 * The record in the last line of the log at `path`; undefined if there is no log, or the line is
 * incomplete or no event.
 */
export function lastRecord(path: string): LogRecord | undefined {
  if (isAbsent(path)) return undefined;
  const read = (file: OpenedFile) => file.read(Math.max(0, file.bytes - TAIL_BYTES), TAIL_BYTES);
  const tail = withFile(path, read, { maxBytes: Number.POSITIVE_INFINITY, follow: false }).toString('utf8');
  const [line, rest] = tail.split('\n').slice(-2);
  const parsed = rest === '' ? parseEvent(line) : 'incomplete';
  return typeof parsed === 'string' ? undefined : parsed;
}

/**
 * Calls `visit` for each event of the log at `path`, in order, `damaged` for each complete line
 * that is not an event, and before them `raw` for every line (undefined if longer than 4 MiB).
 */
export function readLog(
  path: string,
  visit: (record: LogRecord, line: number) => void,
  damaged: (line: DamagedLine) => void,
  raw: (text: string | undefined) => void = () => {},
): LinesEnd {
  return eachLine(path, (text, line) => {
    raw(text);
    const parsed = text === undefined ? TOO_LONG : parseEvent(text);
    if (typeof parsed === 'string') damaged({ line, message: parsed });
    else visit(parsed, line);
  });
}

/** Message about a line of more than 4 MiB, whose content is not kept. */
export const TOO_LONG = 'the line is longer than an event can be';

/** Reads `log.jsonl`, which may be damaged or edited, and cuts it when a run resumes. */
import { basename, dirname, join } from '../host/index.js';
import type { EventName } from './events.js';
import { isAbsent, readBytes, withFile, writeAtomic } from './files.js';
import { type JsonObject, unspellNumbers } from './json.js';
import { eachLine } from './lines.js';
import type { BySplit, SplitMetrics } from './summary.js';

/** An event of a log. Its fields are scalars; that they are those of the event is not checked. */
export interface LogRecord {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface LoggedEvent extends LogRecord {
  readonly event: EventName;
  readonly seq: number;
  readonly step?: number;
}

/**
 * Parses a line, without its line end; undefined for a line of more than 4 MiB. Returns a message
 * if it is not an event. Events are flat: converting a nested field to text would overflow the
 * stack if it is nested deeply.
 */
export function parseEvent(text: string | undefined): LogRecord | string {
  if (text === undefined) return 'the line is too long for an event';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.trim() === '' ? 'the line is empty' : 'this is not JSON';
  }
  if (!isObject(value) || !('event' in value) || typeof value.event !== 'string')
    return 'this is not a JSON object with an `event`';
  const nested = Object.entries(value).find(([, field]) => isObject(field));
  if (nested !== undefined) return `\`${nested[0].slice(0, 60)}\` is a list or an object`;
  return value as LogRecord;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Numeric fields of `train.epoch` and `eval` that are not metrics. */
const OTHERS: ReadonlySet<string> = new Set('v seq epoch step samples restored_step duration_s'.split(' '));

/** Names of the metrics in a `train.epoch` or an `eval`, including those that are not finite. */
export function metricsIn(event: { readonly [field: string]: unknown }): string[] {
  return Object.keys(event).filter(
    key => !OTHERS.has(key) && (typeof event[key] === 'number' || `${key}_nonfinite` in event),
  );
}

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
  readonly step: number;
  /** True if the epoch's record and the evaluation after that step are still due. */
  readonly evaluationIsDue: boolean;
  readonly hasValidation?: boolean;
}

/** Cuts the log at `path` after the records up to `point`; creates an absent one. */
export function cutLog(path: string, point: LogPoint) {
  // an unreadable log is not treated as empty, or its records would be written again
  const lines = isAbsent(path) ? [] : wholeLines(readBytes(path));
  const events = lines.map(parsedEvent);
  const found = events.findIndex((event, seq) => !staysAt(event, seq, point));
  const end = found < 0 ? lines.length : found;
  const staying = events.slice(0, end).filter(event => event !== undefined);
  const isBefore = (event: LoggedEvent | undefined) =>
    event?.step !== undefined && event.event !== 'run.resume' && event.step < point.step;
  const stay = {
    seq: end,
    kept: new Set(staying.map(({ event }) => event)),
    /** True if they have the saving of the step's checkpoint after its evaluation. */
    saved: isSaved(staying, point.step),
    /** True if lines from before the point are missing or were moved: others changed the file. */
    lostHistory: point.step > 0 && (end === 0 || events.slice(end).some(isBefore)),
  };
  if (isAbsent(path)) writeAtomic(path, []);
  if (end === lines.length) return { ...stay, replaced: 0, replacedFile: null };
  const replacedFile = freeName(path);
  writeAtomic(join(dirname(path), replacedFile), lines.slice(end));
  writeAtomic(path, lines.slice(0, end));
  return { ...stay, replaced: lines.length - end, replacedFile };
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

function parsedEvent(line: Buffer): LoggedEvent | undefined {
  const parsed = line.at(-1) === 0x0a ? parseEvent(line.toString('utf8')) : 'torn';
  return typeof parsed === 'string' ? undefined : (parsed as LoggedEvent);
}

/** Events that are logged again at the end of the resumed run. */
const ENDING: ReadonlySet<EventName> = new Set(['gate', 'run.end'] as const);
/** Events of an evaluation that is still due. */
const EVALUATION: ReadonlySet<EventName> = new Set([
  'train.epoch',
  'eval.trained',
  'eval',
  'early_stop',
] as const);

function staysAt(
  event: LoggedEvent | undefined,
  seq: number,
  { step, evaluationIsDue, hasValidation = false }: LogPoint,
): boolean {
  if (event === undefined || event.seq !== seq || ENDING.has(event.event)) return false;
  // a run that starts over logs its warnings again
  if (event.event === 'warning' && step === 0) return false;
  // `run.resume` is history
  if (event.event === 'run.resume' || event.step === undefined) return true;
  const isEvaluation = event.event === 'eval' || event.event === 'eval.trained';
  const isOfEnd = event.restored_step !== undefined || (hasValidation && event.split === 'test');
  if (isEvaluation && isOfEnd) return false;
  return event.step < step || (event.step === step && !(evaluationIsDue && EVALUATION.has(event.event)));
}

function isSaved(events: readonly LoggedEvent[], at: number): boolean {
  const last = events.findLast(
    ({ event, step }) => step === at && (event === 'eval' || event === 'checkpoint.saved'),
  );
  return last?.event === 'checkpoint.saved';
}

function freeName(path: string): string {
  for (let number = 1; ; number++) {
    const candidate = `${basename(path, '.jsonl')}.replaced-${number}.jsonl`;
    // a broken link is not free either
    if (isAbsent(join(dirname(path), candidate))) return candidate;
  }
}

/** The events of the log at `path`, which may be absent; without invalid lines. */
export function readEvents(path: string): LoggedEvent[] {
  const events: LoggedEvent[] = [];
  if (!isAbsent(path)) readLog(path, record => void events.push(record as LoggedEvent));
  return events;
}

export interface DamagedLine {
  readonly line: number;
  readonly message: string;
}

/** Some hundred events, including any recent evaluation. */
const TAIL_BYTES = 1 << 16;

/** The last lines of the log at `path`. The first may be cut; the last is empty if none is. */
function lastLines(path: string): string[] {
  if (isAbsent(path)) return [];
  const open = { maxBytes: Number.POSITIVE_INFINITY, follow: false };
  const tail = withFile(path, file => file.read(Math.max(0, file.bytes - TAIL_BYTES), TAIL_BYTES), open);
  return tail.toString('utf8').split('\n');
}

/** The event in the last line; undefined if the line is incomplete or none. */
export function lastRecord(path: string): LogRecord | undefined {
  const [line, rest] = lastLines(path).slice(-2);
  const parsed = rest === '' ? parseEvent(line) : 'incomplete';
  return typeof parsed === 'string' ? undefined : parsed;
}

/** The events in the last complete lines. */
export function lastRecords(path: string): LogRecord[] {
  const parsed = lastLines(path).slice(0, -1).map(parseEvent);
  return parsed.filter(record => typeof record !== 'string');
}

/** Calls `visit` for each event, in order, and `damaged` for each complete line that is none. */
export function readLog(
  path: string,
  visit: (record: LogRecord) => void,
  damaged: (line: DamagedLine) => void = () => {},
): void {
  eachLine(path, (text, line) => {
    const parsed = parseEvent(text);
    if (typeof parsed === 'string') damaged({ line, message: parsed });
    else visit(parsed);
  });
}

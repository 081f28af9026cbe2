/**
 * `journal.jsonl`, the append-only record of a sweep's decisions and events. Each record starts
 * with its own line break, so that an incomplete line of a killed process cannot corrupt the next.
 * Readers skip incomplete lines, and damaged lines with a warning; they check only version and kind
 * of a record, since validating takes longer than reading.
 */
import { existsSync } from 'node:fs';
import { eachLine, openLines } from '../run/lines.js';
import { integer, literal, named, namedStruct, type TypeOf, text, union } from '../util/schema.js';
import { counted } from '../util/words.js';
import { eventOf, isEvent, type JournalRecord, recordShapes } from './schedule/records.js';

const VERSION = 1 as const;

/** What the writer of a line adds to its record. */
const stamp = {
  v: named('v', literal(VERSION, 'Version of this format.')),
  writer: text({
    name: 'writer',
    description:
      'The process that wrote the line and when it started: unique among all writers of the journal.',
    minLength: 1,
  }),
  n: integer({
    name: 'n',
    description: 'Sequence number of the line among those of its writer, from 1. Duplicate lines count once.',
    min: 1,
  }),
};

type Stamp = { readonly [K in keyof typeof stamp]: TypeOf<(typeof stamp)[K]> };

export const journalLine = union(
  'event',
  recordShapes.map(shape =>
    namedStruct(eventOf(shape).replace('.', '_'), String(shape.schema().description), {
      ...shape.keys,
      ...stamp,
    }),
  ),
  {
    title: 'Sweep journal',
    description:
      "One line of a sweep's journal.jsonl: UTF-8, one JSON object with a newline (0x0A) before and after it, so records are separated by empty lines. Several processes append to it. Lines that are not records (left by a killed process, or damaged) are ignored. The keys `v`, `writer` and `n` come last. Decisions (trial.*, sweep.decided) have no time and no machine: they follow only from the plan and the results.",
  },
);

/** The time that records and directories state. No decision depends on it. */
export function now(): Date {
  return new Date();
}

/**
 * Opens or creates the journal at `path`.
 * @param writer unique among all writers of the journal
 */
export function openJournal(path: string, writer: string) {
  const file = openLines(path);
  let n = 0;
  return {
    /** Appends the records and syncs them to disk. If that fails, no record counts. */
    append(...records: readonly JournalRecord[]): void {
      for (const record of records) {
        const stamp: Stamp = { v: VERSION, writer, n: n + 1 };
        file.write(`\n${JSON.stringify({ ...record, ...stamp })}\n`);
        n += 1;
      }
      if (records.length > 0) file.flush();
    },
    close: () => file.close(),
  };
}

const JOURNAL = 'journal.jsonl';
/** Maximum number of sentences about damage. */
const MAX_DAMAGE = 5;

/**
 * Reads all complete records in order, each once; and a sentence for each of the first damaged
 * places, without an incomplete line at the end.
 */
export function readJournal(path: string) {
  const records: JournalRecord[] = [];
  const damage: string[] = [];
  const last = new Map<string, number>();
  const visit = (text: string | undefined, line: number): void => {
    if (text === '') return;
    const parsed = parse(text);
    if (!isStamped(parsed)) {
      damage.push(`line ${line} of ${JOURNAL} is damaged and was skipped`);
      return;
    }
    const { v: _, writer, n, ...record } = parsed;
    const missing = n - (last.get(writer) ?? 0) - 1;
    if (missing < 0) return;
    if (missing > 0) damage.push(`${JOURNAL} is missing ${counted(missing, 'record')} before line ${line}`);
    last.set(writer, n);
    records.push(record);
  };
  // a killed process may leave an incomplete line at the end, which is not visited
  if (existsSync(path)) eachLine(path, visit);
  const left = damage.length - MAX_DAMAGE;
  if (left > 0) damage.splice(MAX_DAMAGE, left, `and ${counted(left, 'more damaged place')} in ${JOURNAL}`);
  return { records, damage };
}

function isStamped(line: Readonly<Record<string, unknown>>): line is JournalRecord & Stamp {
  const { event, v, writer, n } = line;
  const isCount = Number.isSafeInteger(n) && (n as number) >= 1;
  return v === VERSION && typeof writer === 'string' && isCount && isEvent(event);
}

/** Empty for a line that is no object. */
function parse(text = ''): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

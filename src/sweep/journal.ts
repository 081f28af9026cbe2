/**
 * `journal.jsonl`, the append-only record of a sweep's decisions and events. Several processes may
 * append at once, and any may be killed at any time. Each record is one write to a file opened for
 * appending, which the system performs atomically, and starts with its own line break, so an
 * incomplete line of a killed process cannot corrupt the next record. Readers skip incomplete
 * lines, and damaged lines with a warning. They check only the version and kind of a record:
 * validating against schemas/journal.schema.json, as tests do, takes longer than reading most
 * journals.
 */
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { readText, withFileErrors } from '../run/files.js';
import { refuseUnlessOwned } from '../run/locks/ownership.js';
import { damagedError, EXIT, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { isEvent, type JournalRecord } from './schedule/records.js';

const VERSION = 1;

/** Does not follow a link in place of the journal. (Windows has no such flag.) */
const APPENDING = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);

/**
 * Fields of a line besides its record: the version of the format, the writer, and the writer's
 * sequence number.
 */
interface Stamp {
  readonly v: typeof VERSION;
  readonly writer: string;
  readonly n: number;
}

export class Journal {
  private n = 0;

  private constructor(
    private readonly path: string,
    private readonly file: number,
    private readonly writer: string,
  ) {}

  /** Opens or creates the journal at `path`.
   * @param writer unique among all writers of the journal
   * @throws UserError (exit 1) if the system refuses */
  static open(path: string, writer: string): Journal {
    return withFileErrors(path, () => new Journal(path, openSync(path, APPENDING, 0o644), writer));
  }

  /** Appends the records and syncs them to disk.
   * @throws UserError (exit 1) if that fails; then no record counts */
  append(...records: readonly JournalRecord[]): void {
    refuseUnlessOwned(this.path);
    this.refuseUnlessThere();
    withFileErrors(this.path, () => {
      for (const record of records) this.write(record);
      if (records.length > 0) fsyncSync(this.file);
    });
  }

  close(): void {
    closeSync(this.file);
  }

  /** Records written to a removed file would be lost. */
  private refuseUnlessThere(): void {
    const [own, there] = withFileErrors(this.path, () => [
      fstatSync(this.file),
      lstatSync(this.path, { throwIfNoEntry: false }),
    ]);
    if (there?.ino === own.ino && there.dev === own.dev) return;
    throw new UserError(EXIT.unexpected, [
      {
        code: 'sweep/journal-gone',
        message: 'the journal was removed or replaced, so the sweep stops',
        file: this.path,
        expected: 'the journal, restored from a copy; then run `sweep resume`',
      },
    ]);
  }

  private write(record: JournalRecord): void {
    const stamp: Stamp = { v: VERSION, writer: this.writer, n: this.n + 1 };
    const bytes = Buffer.from(`\n${JSON.stringify({ ...record, ...stamp })}\n`);
    // one write per record, since another process could write before the rest of a short write
    const written = writeSync(this.file, bytes);
    if (written < bytes.length)
      throw Object.assign(new Error('incomplete write'), { code: 'ENOSPC', syscall: 'write' });
    this.n += 1;
  }
}

export interface JournalContent {
  readonly records: readonly JournalRecord[];
  /** Number of lines that are not records: incomplete or damaged ones. */
  readonly torn: number;
  /** A sentence for each of the first damaged places, without an incomplete line at the end. */
  readonly damage: readonly string[];
}

/**
 * Reads all complete records in order, each once.
 * @throws UserError (exit 2) if it cannot be read, (exit 5) if another version wrote the journal
 */
export function readJournal(path: string): JournalContent {
  if (!existsSync(path)) return { records: [], torn: 0, damage: [] };
  const collected = new Collector(path);
  const lines = readText(path).split('\n');
  const last = lines.pop() ?? '';
  for (const line of lines) collected.add(line);
  collected.addLast(last);
  return collected;
}

/** Like `readJournal`, line by line, for journals that are large or still growing. */
export async function* streamJournal(path: string): AsyncGenerator<JournalRecord> {
  const collected = new Collector(path);
  for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
    const record = collected.add(line);
    if (record) yield record;
  }
}

const JOURNAL = 'journal.jsonl';
/** Maximum number of sentences about damage. */
const MAX_DAMAGE = 5;
/** Start of every record. */
const RECORD_START = '{"event":"';

class Collector implements JournalContent {
  readonly records: JournalRecord[] = [];
  torn = 0;
  private readonly damaged: string[] = [];
  private lines = 0;
  private readonly last = new Map<string, number>();

  constructor(private readonly path: string) {}

  get damage(): readonly string[] {
    const left = this.damaged.length - MAX_DAMAGE;
    if (left <= 0) return this.damaged;
    return [...this.damaged.slice(0, MAX_DAMAGE), `and ${counted(left, 'more damaged place')} in ${JOURNAL}`];
  }

  /** The record of a line, unless it is a duplicate or not a record. */
  add(line: string): JournalRecord | undefined {
    this.lines += 1;
    if (line === '') return undefined;
    const parsed = parse(line);
    if (isOfAnotherVersion(parsed)) throw this.unknown(parsed);
    if (!isStamped(parsed)) {
      this.torn += 1;
      this.damaged.push(`line ${this.lines} of ${JOURNAL} is damaged and was skipped`);
      return undefined;
    }
    const { v: _, writer, n, ...record } = parsed;
    const missing = n - (this.last.get(writer) ?? 0) - 1;
    if (missing < 0) return undefined;
    if (missing > 0)
      this.damaged.push(`${JOURNAL} is missing ${counted(missing, 'record')} before line ${this.lines}`);
    this.last.set(writer, n);
    this.records.push(record);
    return record;
  }

  private unknown({ v }: { readonly v: number }): UserError {
    return damagedError({
      code: 'sweep/version',
      message: 'the journal was written by another version of cellrun',
      file: this.path,
      line: this.lines,
      expected: `format version ${VERSION}`,
      got: `version ${v}`,
    });
  }

  /** Text after the last line break, which may be an incomplete record of a killed process. */
  addLast(rest: string): void {
    if (
      rest !== '' &&
      (rest.startsWith(RECORD_START) || RECORD_START.startsWith(rest)) &&
      parse(rest) === undefined
    )
      this.torn += 1;
    else this.add(rest);
  }
}

function isOfAnotherVersion(line: unknown): line is { readonly v: number } {
  if (typeof line !== 'object' || line === null || !('v' in line)) return false;
  return Number.isSafeInteger(line.v) && line.v !== VERSION;
}

function isCount(n: unknown): boolean {
  return Number.isSafeInteger(n) && (n as number) >= 1;
}

function isStamped(line: unknown): line is JournalRecord & Stamp {
  if (typeof line !== 'object' || line === null) return false;
  const { event, v, writer, n } = line as Readonly<Record<string, unknown>>;
  return v === VERSION && typeof writer === 'string' && isCount(n) && isEvent(event);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

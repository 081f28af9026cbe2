/**
 * `journal.jsonl`: what was decided and what happened, append-only. Several processes may append at
 * once, and any of them may be killed at any moment: a record is written by one call to a file
 * opened for appending, which the system carries out whole and in turn, and begins with a line
 * break of its own, so that what a killed process left of its line swallows no other. A reader
 * leaves out such remains; nobody was told that they had been written. So it does with a line that
 * was damaged later, and says so. Of a record it checks version and kind; each field is described
 * by schemas/journal.schema.json, to which tests hold every line, for compiling that takes longer
 * than reading most journals.
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
  readFileSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { withFileErrors } from '../experiment/files/file-error.js';
import { refuseUnlessOwned } from '../experiment/locks/ownership.js';
import { damagedError, EXIT, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { isEvent, type JournalRecord } from './records.js';

const VERSION = 1;

/** A link in the journal's place could lead anywhere. (Windows has no such flag.) */
const APPENDING = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);

/**
 * What a line has besides its record: the version of the format, who wrote it, and as its how
 * many-th.
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

  /**
   * Opens the journal at `path`, creating it. `writer` must be unique among all who ever write to
   * it. Throws exit 1 where the system refuses.
   */
  static open(path: string, writer: string): Journal {
    return withFileErrors(path, () => new Journal(path, openSync(path, APPENDING, 0o644), writer));
  }

  /**
   * Appends the records and brings them to the disk before it returns. Throws exit 1 where that
   * fails: then none counts.
   */
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

  /** What is written to a file that was removed is lost, and with it what the sweep has decided. */
  private refuseUnlessThere(): void {
    const [own, there] = withFileErrors(this.path, () => [
      fstatSync(this.file),
      lstatSync(this.path, { throwIfNoEntry: false }),
    ]);
    if (there?.ino === own.ino && there.dev === own.dev) return;
    throw new UserError(EXIT.unexpected, [
      {
        code: 'sweep/journal-gone',
        message: 'the journal was removed, or another file has taken its place: the sweep stops',
        file: this.path,
        expected: 'the journal, put back from a copy; then `sweep resume` goes on',
      },
    ]);
  }

  private write(record: JournalRecord): void {
    const stamp: Stamp = { v: VERSION, writer: this.writer, n: this.n + 1 };
    const bytes = Buffer.from(`\n${JSON.stringify({ ...record, ...stamp })}\n`);
    // one call a record: the rest of a short write, in a second call, could stand behind somebody
    // else's line
    const written = writeSync(this.file, bytes);
    if (written < bytes.length)
      throw Object.assign(new Error('a write took only a part'), { code: 'ENOSPC', syscall: 'write' });
    this.n += 1;
  }
}

export interface JournalContent {
  readonly records: readonly JournalRecord[];
  /** Lines that are no record: killed processes left them unfinished, or something damaged them. */
  readonly torn: number;
  /**
   * What is not as it was written, a sentence each for the first few; not what a process that was
   * killed left at the very end.
   */
  readonly damage: readonly string[];
}

/**
 * All whole records in their order, each once. Throws exit 1 where the system refuses, exit 5 where
 * another version wrote it.
 */
export function readJournal(path: string): JournalContent {
  if (!existsSync(path)) return { records: [], torn: 0, damage: [] };
  const collected = new Collector(path);
  const lines = withFileErrors(path, () => readFileSync(path, 'utf8')).split('\n');
  const last = lines.pop() ?? '';
  for (const line of lines) collected.add(line);
  collected.addLast(last);
  return collected;
}

/** As `readJournal`, line by line: for journals that are large or still grow. */
export async function* streamJournal(path: string): AsyncGenerator<JournalRecord> {
  const collected = new Collector(path);
  for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
    const record = collected.add(line);
    if (record) yield record;
  }
}

const JOURNAL = 'journal.jsonl';
/** Sentences of damage: more are not read. */
const MAX_DAMAGE = 5;
/** Of every record. */
const BEGINNING = '{"event":"';

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
    return [...this.damaged.slice(0, MAX_DAMAGE), `and ${counted(left, 'more such place')} in ${JOURNAL}`];
  }

  /** The record of a line, if it is one that was not there before. */
  add(line: string): JournalRecord | undefined {
    this.lines += 1;
    if (line === '') return undefined;
    const parsed = parse(line);
    if (isOfAnotherVersion(parsed)) throw this.unknown(parsed);
    if (!isStamped(parsed)) {
      this.torn += 1;
      this.damaged.push(`line ${this.lines} of ${JOURNAL} is damaged and left out`);
      return undefined;
    }
    const { v: _, writer, n, ...record } = parsed;
    const missing = n - (this.last.get(writer) ?? 0) - 1;
    if (missing < 0) return undefined;
    if (missing > 0)
      this.damaged.push(`${JOURNAL} has lost ${counted(missing, 'record')} before line ${this.lines}`);
    this.last.set(writer, n);
    this.records.push(record);
    return record;
  }

  private unknown({ v }: { readonly v: number }): UserError {
    return damagedError({
      code: 'sweep/version',
      message: 'another version of cellrun wrote this journal',
      file: this.path,
      line: this.lines,
      expected: `version ${VERSION} of its format`,
      got: `version ${v}`,
    });
  }

  /**
   * What stands after the last line break; the beginning of a record there is what a killed process
   * had written of it.
   */
  addLast(rest: string): void {
    if (
      rest !== '' &&
      (rest.startsWith(BEGINNING) || BEGINNING.startsWith(rest)) &&
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

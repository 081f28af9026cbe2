/**
 * `journal.jsonl`: what was decided and what happened, append-only. Several processes may append at once, and any of them may be killed
 * at any moment: a record is written by one call to a file opened for appending, which the system carries out whole and in turn, and begins
 * with a line break of its own, so that what a killed process left of its line swallows no other. A reader leaves out such remains, which
 * are never JSON, since an object that is cut short is not; nobody was told that they had been written.
 */
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { naming } from '../experiment/file-error.js';
import type { JournalRecord } from './records.js';

/** A link in the journal's place could lead anywhere. (Windows has no such flag.) */
const APPENDING = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);

/** What a line has besides its record: who wrote it, and as its how many-th. */
interface Stamp {
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

  /** Opens the journal at `path`, creating it. `writer` must be unique among all who ever write to it. Throws exit 1 where the system refuses. */
  static open(path: string, writer: string): Journal {
    return naming(path, () => new Journal(path, openSync(path, APPENDING, 0o644), writer));
  }

  /** Appends the records and brings them to the disk before it returns. Throws exit 1 where that fails: then none counts. */
  append(...records: readonly JournalRecord[]): void {
    naming(this.path, () => {
      for (const record of records) this.write(record);
      if (records.length > 0) fsyncSync(this.file);
    });
  }

  close(): void {
    closeSync(this.file);
  }

  private write(record: JournalRecord): void {
    const stamp: Stamp = { writer: this.writer, n: this.n + 1 };
    const bytes = Buffer.from(`\n${JSON.stringify({ ...record, ...stamp })}\n`);
    // one call a record: the rest of a short write, in a second call, could stand behind somebody else's line
    const written = writeSync(this.file, bytes);
    if (written < bytes.length)
      throw Object.assign(new Error('a write took only a part'), { code: 'ENOSPC', syscall: 'write' });
    this.n += 1;
  }
}

export interface JournalContent {
  readonly records: readonly JournalRecord[];
  /** Lines that killed processes left unfinished. */
  readonly torn: number;
}

/** All whole records in their order, each once. Throws exit 1 where the system refuses. */
export function readJournal(path: string): JournalContent {
  if (!existsSync(path)) return { records: [], torn: 0 };
  const collected = new Collector();
  for (const line of naming(path, () => readFileSync(path, 'utf8')).split('\n')) collected.add(line);
  return collected;
}

/** As `readJournal`, line by line: for journals that are large or still grow. */
export async function* streamJournal(path: string): AsyncGenerator<JournalRecord> {
  const collected = new Collector();
  for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
    const record = collected.add(line);
    if (record) yield record;
  }
}

class Collector implements JournalContent {
  readonly records: JournalRecord[] = [];
  torn = 0;
  private readonly last = new Map<string, number>();

  /** The record of a line, if it is one that was not there before. */
  add(line: string): JournalRecord | undefined {
    if (line === '') return undefined;
    const parsed = parse(line);
    if (!parsed) {
      this.torn += 1;
      return undefined;
    }
    const { writer, n, ...record } = parsed;
    if (n <= (this.last.get(writer) ?? 0)) return undefined;
    this.last.set(writer, n);
    this.records.push(record as JournalRecord);
    return record as JournalRecord;
  }
}

function parse(line: string): (JournalRecord & Stamp) | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isRecord =
      typeof value === 'object' && value !== null && 'event' in value && 'writer' in value && 'n' in value;
    return isRecord ? (value as JournalRecord & Stamp) : undefined;
  } catch {
    return undefined;
  }
}

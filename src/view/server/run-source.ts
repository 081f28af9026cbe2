/** A run as a source: its report, and the points that its log adds to the curves. */
import { join } from 'node:path';
import { type CurvePoint, LogFollower, pointsOf, type RunHistory } from '../../run/history.js';
import { isLocked } from '../../run/locks/run-lock.js';
import type { LogRecord } from '../../run/log.js';
import type { RunChange } from './documents.js';
import { RUN_FILES, signatureOf } from './safe-files.js';
import { DOCUMENT, NOTHING, type Source, type Update } from './source.js';

/** Longer curves are reduced to their extremes; twice the columns of a wide screen. */
const CAPACITY = 1000;
/** The log is followed separately. */
const OTHER_FILES = RUN_FILES.filter(name => name !== 'log.jsonl');

export class RunSource implements Source {
  readonly everyMs = 250;
  private readonly log: LogFollower;
  private signature = '';

  /**
   * @param folder the run's directory, absolute
   * @param report builds the document from the directory and the log
   */
  constructor(
    private readonly folder: string,
    private readonly report: (folder: string, history: RunHistory) => object,
  ) {
    this.log = new LogFollower(join(folder, 'log.jsonl'), CAPACITY);
  }

  async poll(): Promise<Update> {
    signatureOf(this.folder, ['log.jsonl']);
    const signature = `${signatureOf(this.folder, OTHER_FILES)} ${isLocked(join(this.folder, 'run.lock'))}`;
    const isOther = signature !== this.signature;
    const { restarted, records } = await this.newRecords();
    this.signature = signature;
    if (isOther || restarted || records.some(({ event }) => event !== 'train.step')) return DOCUMENT;
    return records.length === 0 ? NOTHING : { kind: 'change', change: changeOf(records, this.log.seconds) };
  }

  document(): object {
    signatureOf(this.folder, RUN_FILES);
    return this.report(this.folder, this.log.history);
  }

  close(): void {
    this.log.close();
  }

  /** All new events; other work gets a turn after each megabyte. */
  private async newRecords(): Promise<{ restarted: boolean; records: readonly LogRecord[] }> {
    let restarted = false;
    let records: readonly LogRecord[] = [];
    for (;;) {
      const update = this.log.poll();
      restarted ||= update.restarted;
      // beyond this the whole document is sent, so the events need not be kept
      records = records.length > MAX_POINTS ? records : [...records, ...update.records];
      if (!update.more) return { restarted: restarted || records.length > MAX_POINTS, records };
      await new Promise(resolve => setImmediate(resolve));
    }
  }
}

/** Maximum number of new events to send as a change; beyond it the whole document is sent. */
const MAX_POINTS = 2000;

function changeOf(records: readonly LogRecord[], seconds: number): RunChange {
  const points: Record<string, { steps: number[]; values: (number | null)[] }> = {};
  for (const { curve, step, value } of records.flatMap((record): readonly CurvePoint[] => pointsOf(record))) {
    points[curve] ??= { steps: [], values: [] };
    points[curve].steps.push(step);
    points[curve].values.push(value);
  }
  const { step, epoch } = records[records.length - 1];
  return { steps: Number(step), epochs: Number(epoch), seconds, points };
}

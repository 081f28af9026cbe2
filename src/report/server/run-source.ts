/** One run as a source: its report, and the points that its log adds to the curves. */
import { join } from 'node:path';
import { isLocked } from '../../experiment/locks/run-lock.js';
import type { LogRecord } from '../../experiment/log/parse.js';
import { type CurvePoint, pointsOf, type RunHistory } from '../../review/reading/history.js';
import { LogFollower } from '../../review/reading/log-follower.js';
import type { RunChange } from './documents.js';
import { RUN_FILES, signatureOf } from './safe-files.js';
import { DOCUMENT, type News, NOTHING, type Source } from './source.js';

/** A curve of more points is told by its extremes; twice as many as a wide screen has columns. */
const CAPACITY = 1000;
/** What the log has is followed by itself. */
const OTHER_FILES = RUN_FILES.filter(name => name !== 'log.jsonl');

export class RunSource implements Source {
  readonly everyMs = 250;
  private readonly log: LogFollower;
  private signature = '';

  /**
   * @param folder the run's directory, absolute
   * @param report makes the document from the directory and what its log tells
   */
  constructor(
    private readonly folder: string,
    private readonly report: (folder: string, history: RunHistory) => object,
  ) {
    this.log = new LogFollower(join(folder, 'log.jsonl'), CAPACITY);
  }

  async look(): Promise<News> {
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

  /** All there are; others get their turn after each megabyte. */
  private async newRecords(): Promise<{ restarted: boolean; records: readonly LogRecord[] }> {
    let restarted = false;
    let records: readonly LogRecord[] = [];
    for (;;) {
      const news = this.log.poll();
      restarted ||= news.restarted;
      // of many only that there were some is of interest: they are told as a whole
      records = records.length > MAX_POINTS ? records : [...records, ...news.records];
      if (!news.more) return { restarted: restarted || records.length > MAX_POINTS, records };
      await new Promise(resolve => setImmediate(resolve));
    }
  }
}

/** Of new ones; more are told as a whole document. */
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

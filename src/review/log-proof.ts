/** Whether a log bears out what the summary says: that this run came to its end, and with these metrics. */
import type { Summary } from '../experiment/summary.js';
import type { LogRecord } from './log-reader.js';

/** Collects records one by one; what it keeps does not grow with the log. */
export class LogProof {
  private last: LogRecord | undefined;
  /** The newest of each split. */
  private readonly evaluations = new Map<unknown, LogRecord>();
  private epoch: LogRecord | undefined;
  /** The first run that the log names and that is not the one asked about. */
  private other: string | undefined;

  constructor(private readonly runId: string | undefined) {}

  add(record: LogRecord): void {
    this.last = record;
    const { event, run_id, split } = record;
    if (event === 'eval') this.evaluations.set(split, record);
    if (event === 'train.epoch') this.epoch = record;
    if (event !== 'run.start' && event !== 'run.resume') return;
    if (typeof run_id === 'string' && run_id !== this.runId) this.other ??= run_id;
  }

  /** Why it does not follow from the log that the run of `summary` completed; undefined where it does. @param isTorn whether the log ends within a line */
  doubt(summary: Summary, isTorn: boolean): string | undefined {
    const { steps } = summary;
    const { last, other } = this;
    if (last === undefined) return 'its log has no event';
    if (other !== undefined) return `its log is that of another run, ${other}`;
    if (isTorn) return 'the end of its log is lost';
    if (last.event !== 'run.end') return 'its log goes on to no end of the run';
    if (last.status !== 'completed' || last.steps !== steps)
      return `its log ends with ${last.status} after step ${last.steps}, its summary with completed after step ${steps}`;
    return this.otherMetric(summary);
  }

  private otherMetric({ steps, metrics, ms_per_step, step_ratio }: Summary): string | undefined {
    const { last, evaluations, epoch } = this;
    const told: (readonly [string, number | null | undefined, unknown])[] = [
      ...(['validation', 'test'] as const).flatMap(split =>
        Object.entries(metrics[split] ?? {}).map(
          ([name, value]) => [`${split}.${name}`, value, evaluations.get(split)?.[name]] as const,
        ),
      ),
      // an epoch that was cut short has no event
      ...Object.entries(epoch?.step === steps ? (metrics.train ?? {}) : {}).map(
        ([name, value]) => [`train.${name}`, value, epoch?.[name]] as const,
      ),
      // older logs have no times of steps
      ['ms_per_step', last?.ms_per_step === undefined ? undefined : ms_per_step, last?.ms_per_step],
      ['step_ratio', last?.step_ratio === undefined ? undefined : step_ratio, last?.step_ratio],
    ];
    for (const [name, value, logged] of told) {
      if (value === undefined) continue;
      const isSame = Number.isFinite(value) ? logged === value : logged === null;
      if (!isSame) return `its summary has ${name} ${value}, and its log ${logged ?? 'no such value'}`;
    }
    return undefined;
  }
}

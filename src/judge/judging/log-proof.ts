/**
 * Checks that a log agrees with the summary: that this run completed, and with these metrics.
 */

import { hardestTrivial } from '../../run/gates.js';
import type { LogRecord } from '../../run/log.js';
import type { GateResult, SplitMetrics, Summary } from '../../run/summary.js';

/** The name of a value, the value in the summary, and the value in the log. */
type Comparison = readonly [name: string, value: number | null | undefined, logged: unknown];

function logged(
  split: string,
  metrics: SplitMetrics | undefined,
  record: LogRecord | undefined,
): Comparison[] {
  return Object.entries(metrics ?? {}).map(([name, value]) => [`${split}.${name}`, value, record?.[name]]);
}

/** Fields of a gate without its origin, which is only shown. */
const GATE = [
  'metric',
  'over',
  'value',
  'min',
  'max',
  'baseline',
  'max_drop',
  'max_regress',
  'beats',
  'by',
  'reference',
  'limit',
  'verdict',
] as const satisfies readonly (keyof GateResult)[];

function isSameGate(gate: GateResult, record: LogRecord | undefined): boolean {
  return record !== undefined && GATE.every(name => gate[name] === record[name]);
}

/** Collects records one by one, in constant memory. */
export class LogProof {
  private last: LogRecord | undefined;
  /** True if lines that are not events follow the last event. */
  private hasMore = false;
  private test: LogRecord | undefined;
  /** At the step of the final weights; likewise `epoch`. */
  private validation: LogRecord | undefined;
  private epoch: LogRecord | undefined;
  /** Of the process that ended the run: at most one more than in the summary. */
  private gates: LogRecord[] = [];
  /** The first other run that the log names. */
  private other: string | undefined;

  /**
   * @param summary of the run, if any
   * @param runId from the manifest
   */
  constructor(
    private readonly summary: Summary | undefined,
    private readonly runId = summary?.run_id,
  ) {}

  /** Adds a line that is not an event. */
  addDamage(): void {
    this.hasMore = true;
  }

  add(record: LogRecord): void {
    this.last = record;
    this.hasMore = false;
    const { event, run_id, split, step } = record;
    const { run_id: laterId, restored, gates = [] } = this.summary ?? {};
    const isFinal = restored === undefined || restored.step === step;
    if (event === 'eval' && split === 'test') this.test = record;
    if (event === 'eval' && split === 'validation' && isFinal) this.validation = record;
    if (event === 'train.epoch' && isFinal) this.epoch = record;
    if (event === 'gate' && this.gates.length <= gates.length) this.gates.push(record);
    if (event !== 'run.start' && event !== 'run.resume') return;
    this.gates = [];
    // older versions logged the new name of a renamed run on resume
    const isOwn = run_id === this.runId || (event === 'run.resume' && run_id === laterId);
    if (typeof run_id === 'string' && !isOwn) this.other ??= run_id;
  }

  /**
   * Why the log does not prove that the run of `summary` completed; undefined if it does.
   * @param isTorn true if the log ends with an incomplete line
   */
  doubt(summary: Summary, isTorn: boolean): string | undefined {
    const { steps } = summary;
    const { last, other } = this;
    if (last === undefined) return 'its log is empty';
    if (other !== undefined) return `its log belongs to another run, ${other}`;
    if (isTorn) return 'its log has lost its last lines';
    if (last.event !== 'run.end') return 'its log has no end of the run';
    if (this.hasMore) return 'its log continues after the end of the run';
    if (last.status !== 'completed' || last.steps !== steps)
      return `its log ends with ${last.status} after step ${last.steps} and its summary with completed after step ${steps}`;
    return this.otherMetric(summary) ?? this.otherGate(summary);
  }

  private otherGate(summary: Summary): string | undefined {
    const { gates, baselines } = summary;
    const at = gates.findIndex((gate, i) => !isSameGate(gate, this.gates[i]));
    if (at >= 0) return `its summary and its log differ in the gate on ${gates[at].metric}`;
    // the log has the value of the hardest baseline where a gate compares with it
    const other = gates.find(
      ({ beats, metric, reference }) =>
        beats !== undefined && baselines !== undefined && hardestTrivial(metric, summary) !== reference,
    );
    if (other !== undefined)
      return `its summary has another baseline for ${other.metric} than the gate on it in its log`;
    const left = this.gates[gates.length];
    return left && `its summary lacks the gate on ${left.metric}, which is in its log`;
  }

  private otherMetric(summary: Summary): string | undefined {
    const { steps, epochs, restored, metrics, exit_code } = summary;
    const { duration_s, ms_per_step, calibration_ms, step_ratio } = summary;
    const { last, test, validation, epoch } = this;
    const end = restored?.step ?? steps;
    const told: readonly Comparison[] = [
      ...logged('test', metrics.test, test),
      ...logged('validation', metrics.validation, validation),
      // an incomplete epoch has no event
      ['train.loss', epoch?.step === end ? metrics.train?.loss : undefined, epoch?.loss],
      ['exit_code', exit_code, last?.exit_code],
      ['epochs', epochs, last?.epochs],
      ['duration_s', duration_s, last?.duration_s],
      // older logs have no step times
      ['ms_per_step', last?.ms_per_step === undefined ? undefined : ms_per_step, last?.ms_per_step],
      [
        'calibration_ms',
        last?.calibration_ms === undefined ? undefined : calibration_ms,
        last?.calibration_ms,
      ],
      ['step_ratio', last?.step_ratio === undefined ? undefined : step_ratio, last?.step_ratio],
    ];
    for (const [name, value, inLog] of told) {
      if (value === undefined) continue;
      const isSame = Number.isFinite(value) ? inLog === value : inLog === null;
      if (!isSame) return `${name} is ${value} in its summary and ${inLog ?? 'missing'} in its log`;
    }
    return undefined;
  }
}

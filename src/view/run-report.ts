/** The report of one run, from its files. */

import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lineOf } from '../config/merge/plain.js';
import { isRecord } from '../config/schema/walk.js';
import { indexedCheckpoints } from '../run/checkpoint-files.js';
import { type Curves, finalName, type RunHistory, readHistory } from '../run/history.js';
import { nonFiniteName } from '../run/json.js';
import { type RunRecord, readRun } from '../run/record.js';
import type { GateResult, SplitBaselines } from '../run/summary.js';
import { cautionsOf, endingOf, gateName, requiredWords } from '../run/words.js';
import { configValues } from './config-values.js';
import type {
  BaselineReport,
  CheckpointReport,
  GateReport,
  Measured,
  Metric,
  RunReport,
} from './document.js';
import { environmentOf } from './environment.js';
import { readEvaluation } from './evaluation.js';

/**
 * Maximum number of pieces of a curve, of two points each: more than the pixels of an ordinary
 * chart.
 */
const CAPACITY = 600;

/**
 * @param capacity pieces that long curves are reduced to
 * @throws UserError as `readRun` and `readHistory`
 */
export function buildRunReport(path: string, { capacity = CAPACITY } = {}): RunReport {
  const record = readRun(path);
  return runReportOf(record, readHistory(record.directory.files.log, { capacity }));
}

/** Builds the report from files that were already read. */
export function runReportOf(record: RunRecord, history: RunHistory): RunReport {
  const { summary, manifest, config, directory } = record;
  // a resumed run still has its old summary
  const ended = record.state === 'running' ? undefined : summary;
  const { tags, note } = directory.notes.read();
  return {
    kind: 'run',
    version: 1,
    id: record.id,
    name: record.name,
    description: textOr(config.description, null),
    state: record.state,
    message: ended?.message ?? null,
    started: manifest?.started ?? null,
    seed: summary?.seed ?? numberOr(config.seed, null),
    tags,
    note,
    steps: ended?.steps ?? history.last.step,
    epochs: ended?.epochs ?? history.epochs.at(-1)?.epoch ?? 0,
    planned_epochs: isRecord(config.training) ? numberOr(config.training.num_epochs, null) : null,
    steps_per_epoch: stepsPerEpoch(history),
    skipped_batches: ended?.skipped_batches ?? 0,
    resumes: history.resumes,
    metrics: ended === undefined ? newestOf(history.curves) : finalMetrics(ended.metrics),
    baselines: baselinesOf(ended?.baselines),
    best: ended?.best ?? null,
    ending: ended === undefined ? null : endingOf(ended),
    cautions: ended === undefined ? [] : cautionsOf(ended),
    gates: gatesOf(record),
    curves: history.curves,
    elapsed: history.elapsed,
    evaluation: readEvaluation(directory.files.evaluation),
    config: configValues(config, manifest?.command_line ?? []),
    environment: environmentOf(manifest),
    timings: ended === undefined ? null : timingsOf(ended),
    changes: (manifest?.changes ?? []).map(({ step, key, from, to }) => ({
      step,
      key,
      from: JSON.stringify(from),
      to: JSON.stringify(to),
    })),
    warnings: history.warnings,
    damaged: history.damaged,
    checkpoints: checkpointsOf(directory.files.checkpoints),
  };
}

type Summary = NonNullable<RunRecord['summary']>;

function timingsOf({ duration_s, train_s, eval_s, ms_per_step, peak_rss_mb }: Summary): RunReport['timings'] {
  return { duration_s, train_s, eval_s, ms_per_step, peak_rss_mb };
}

/** Sorted by name, so that equal runs have equal reports. */
export function finalMetrics(metrics: Summary['metrics']): readonly Metric[] {
  const named = (['test', 'validation', 'train'] as const).flatMap(split =>
    Object.entries(metrics[split] ?? {}).map(([name, value]) => ({
      name: `${split}.${name}`,
      value: measured(value),
    })),
  );
  return named.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function baselinesOf(baselines: Summary['baselines']): readonly BaselineReport[] {
  const { validation = {}, test = {} } = baselines ?? {};
  return Object.keys(test).map(name => {
    const of = (split: SplitBaselines) => split[name as keyof SplitBaselines] ?? {};
    return { name, metrics: finalMetrics({ train: {}, validation: of(validation), test: of(test) }) };
  });
}

/** The last point of each metric's curve. */
function newestOf(curves: Curves): readonly Metric[] {
  const metrics = Object.entries(curves).flatMap(([curve, { values }]): Metric[] => {
    const name = finalName(curve);
    return name === undefined ? [] : [{ name, value: values.at(-1) ?? null }];
  });
  return metrics.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function measured(value: number): Measured {
  return nonFiniteName(value) ?? value;
}

/** The gates as the run judged them; before that, as the config requests them. */
function gatesOf({ config, summary, state, directory }: RunRecord): readonly GateReport[] {
  if (summary !== undefined && state !== 'running') return summary.gates.map(judgedGate);
  const file = directory.files.resolvedConfig;
  const asked = Array.isArray(config.gates) ? config.gates.filter(isRecord) : [];
  return asked.map((gate, i) => {
    const origin = [basename(file), lineOf(file, ['gates', i])].filter(part => part !== undefined).join(':');
    // an unchecked file may be of another version
    const { reason: _, ...told } = judgedGate({
      over: 'last',
      value: null,
      verdict: 'inconclusive',
      ...gate,
      origin,
    } as GateResult);
    return { ...told, verdict: null, reason: null };
  });
}

function judgedGate(gate: GateResult): GateReport {
  const { value, verdict, reason = null, origin } = gate;
  return { name: gateName(gate), value, required: requiredWords(gate), verdict, reason, place: origin };
}

/** Null if they differ; the last epoch of a run may be shorter. */
function stepsPerEpoch({ epochs }: RunHistory): number | null {
  const [first] = epochs;
  if (first === undefined) return null;
  const each = first.step / first.epoch;
  return epochs.slice(0, -1).every(({ epoch, step }) => step === epoch * each) ? each : null;
}

function checkpointsOf(folder: string): readonly CheckpointReport[] {
  return indexedCheckpoints(folder).flatMap(one => {
    const path = join(folder, one.file);
    if (!existsSync(path)) return [];
    return [{ ...one, file: `${basename(folder)}/${one.file}`, bytes: statSync(path).size }];
  });
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise;
}

function numberOr<T>(value: unknown, otherwise: T): number | T {
  return typeof value === 'number' ? value : otherwise;
}

/** Reads the facts about a run that a review reports and judges. */

import type { RunStatus } from '../../run/events.js';
import { BestValues, type Gate, lastValue, type WrittenGate } from '../../run/gates.js';
import { type Curves, finalName, HistoryCollector, type RunHistory } from '../../run/history.js';
import { damageOf, readLogEnd } from '../../run/integrity.js';
import { Run, type RunRecord } from '../../run/run.js';
import type { Summary } from '../../run/summary.js';
import { cautionsOf, endingOf } from '../../run/words.js';
import { counted } from '../../util/words.js';
import { type Deciding, decidingOf } from '../deciding.js';
import type { RunFacts } from './document.js';

export interface Doubt {
  readonly reason: string;
  /** True if files are damaged or contradict each other, false if they could not be checked. */
  readonly isDamage: boolean;
}

export interface ReviewedRun {
  readonly record: RunRecord;
  readonly facts: RunFacts;
  readonly summary: Summary | undefined;
  readonly deciding: Deciding | undefined;
  readonly curves: Curves;
  readonly asked: readonly WrittenGate[];
  readonly doubt: Doubt | undefined;
  last(metric: string): number | undefined;
  best(metric: string): number | undefined;
}

/** Enough buckets for a curve in a line of text or a small image. */
const POINTS = 64;

/** @param more a reason, other than its files, to doubt the run */
export function reviewedRun(path: string, more?: Doubt): ReviewedRun {
  const record = Run.read(path);
  const { summary } = record;
  const { history, doubt } = readLogOf(record);
  const best = bestOf(history.curves);
  return {
    record,
    facts: { ...factsOf(record), ...oddities(history) },
    summary,
    deciding: decidingOf(record),
    curves: history.curves,
    asked: askedGates(record),
    doubt: doubt === undefined ? more : { reason: doubt, isDamage: true },
    last: metric => (summary === undefined ? undefined : lastValue(summary, metric)),
    best: metric => best.get(metric),
  };
}

/** The gates of the config, in order. */
export function askedGates({ config, manifest }: RunRecord): WrittenGate[] {
  const asked = (config.gates ?? []) as readonly Gate[];
  return asked.map((gate, i) => ({ ...gate, origin: manifest?.gate_origins[i] ?? 'config.resolved.yaml' }));
}

function readLogOf(record: RunRecord): {
  readonly history: RunHistory;
  readonly doubt: string | undefined;
} {
  const { directory, state, manifest, summary } = record;
  const collector = new HistoryCollector(POINTS);
  const log = readLogEnd(
    directory.files.log,
    manifest?.run_id,
    event => collector.add(event),
    line => collector.addDamage(line),
  );
  // files of an unfinished run still change
  const isOver = state === 'completed' && summary !== undefined;
  const [damage] = isOver ? damageOf(directory, manifest, summary, log) : [];
  return { history: collector.history, doubt: damage && `its ${damage.file} ${damage.what}` };
}

/** Why a run cannot pass; undefined if it completed. */
export function notCompleted({ facts }: ReviewedRun): string | undefined {
  const { state, message } = facts;
  if (state === 'completed') return undefined;
  const said = message === null ? '' : `: ${message}`;
  return `${STATES[state]}${said}`;
}

/** Why these runs cannot be judged together; undefined if they can. */
export function notJudgeable(runs: readonly ReviewedRun[]): string | undefined {
  const undone = runs.filter(run => notCompleted(run) !== undefined).length;
  if (undone > 0) return `${undone} of ${counted(runs.length, 'run')} did not complete`;
  const doubted = runs.find(({ doubt }) => doubt !== undefined);
  return doubted && `${doubted.facts.run_id} is in doubt: ${doubted.doubt?.reason}`;
}

const STATES: Readonly<Record<Exclude<RunStatus, 'completed'> | 'running' | 'killed', string>> = {
  running: 'the run is still running',
  killed: 'the run was killed before it ended',
  interrupted: 'the run was interrupted',
  diverged: 'the run diverged',
  failed: 'the run failed',
};

function oddities({ warnings, damaged, resumes }: RunHistory) {
  return { warnings, damaged_lines: damaged.count, resumes };
}

function factsOf({
  directory,
  id,
  name,
  state,
  config,
  manifest,
  summary,
}: RunRecord): Omit<RunFacts, 'warnings' | 'damaged_lines' | 'resumes'> {
  const isOver = state !== 'running' && state !== 'killed';
  return {
    directory: directory.path,
    run_id: id,
    name,
    state,
    message: (isOver && state !== 'completed' && summary?.message) || null,
    seed: manifest?.seeds.experiment ?? (typeof config.seed === 'number' ? config.seed : null),
    config_hash: manifest?.config_hash ?? null,
    config_files: manifest?.config_files ?? [],
    started: manifest?.started ?? null,
    backend: manifest?.backend ?? null,
    machine: manifest?.machine ?? null,
    versions: manifest?.versions ?? null,
    git: manifest?.git ?? null,
    steps: summary?.steps ?? null,
    epochs: summary?.epochs ?? null,
    duration_s: summary?.duration_s ?? null,
    metrics: summary?.metrics ?? null,
    best: summary?.best ?? null,
    ending: summary ? endingOf(summary) : null,
    cautions: [...(summary ? cautionsOf(summary) : []), ...copyCaution({ directory, manifest })],
    performance: {
      ms_per_step: summary?.ms_per_step ?? null,
      step_ratio: (summary && lastValue(summary, 'performance.step_ratio')) ?? null,
      peak_rss_mb: summary?.peak_rss_mb ?? null,
    },
  };
}

function copyCaution({ directory, manifest }: Pick<RunRecord, 'directory' | 'manifest'>): string[] {
  const original = manifest && directory.originalBy(manifest);
  return original === undefined ? [] : [`this is a copy of the run in ${original}`];
}

/** The best value of each metric. Curves keep their extremes, so they contain it. */
function bestOf(curves: Curves): BestValues {
  const best = new BestValues();
  for (const [name, { values }] of Object.entries(curves)) {
    const metric = finalName(name);
    if (metric !== undefined) for (const value of values) best.add(metric, value);
  }
  return best;
}

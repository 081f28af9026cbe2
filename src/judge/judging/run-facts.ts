/** Reads the facts about a run that a review reports and judges. */

import { BestValues, type Gate, lastValue, type WrittenGate } from '../../run/gates.js';
import { finalName, HistoryCollector, type RunHistory } from '../../run/history.js';
import { damageOf, readLogEnd } from '../../run/integrity.js';
import { Run, type RunRecord, STATE_WORDS } from '../../run/run.js';
import { cautionsOf, endingOf } from '../../run/words.js';
import { counted } from '../../util/words.js';
import { decidingOf, foldOf, seedOf } from '../deciding.js';
import type { RunFacts } from './document.js';

export interface Doubt {
  readonly reason: string;
  /** True if files are damaged or contradict each other, false if they could not be checked. */
  readonly isDamage: boolean;
}

export type ReviewedRun = Readonly<ReturnType<typeof reviewedRun>>;

/** Enough buckets for a curve in a line of text or a small image. */
const POINTS = 64;

/** @param more a reason, other than its files, to doubt the run */
export function reviewedRun(path: string, more?: Doubt) {
  const record = Run.open(path);
  const { directory, manifest, summary, state } = record;
  const collector = new HistoryCollector(POINTS);
  const log = readLogEnd(
    directory.files.log,
    manifest?.run_id,
    event => collector.add(event),
    line => collector.addDamage(line),
  );
  const { history } = collector;
  // files of an unfinished run still change
  const isOver = state === 'completed' && summary !== undefined;
  const [damage] = isOver ? damageOf(directory, manifest, summary, log) : [];
  // curves keep their extremes, so they contain the best values
  const best = new BestValues();
  for (const [name, { values }] of Object.entries(history.curves)) {
    const metric = finalName(name);
    if (metric !== undefined) for (const value of values) best.add(metric, value);
  }
  return {
    record,
    facts: factsOf(record, history),
    deciding: decidingOf(record),
    curves: history.curves,
    asked: askedGates(record),
    doubt: damage ? { reason: `its ${damage.file} ${damage.what}`, isDamage: true } : more,
    // why it is not judged; see trials.ts
    notJudged: null as string | null,
    // why it does not count among other seeds
    leftOut: null as string | null,
    last: (metric: string) => summary && lastValue(summary, metric),
    best: (metric: string) => best.get(metric),
  };
}

/** The gates of the config, in order. */
export function askedGates({ config, manifest }: RunRecord): WrittenGate[] {
  const asked = (config.gates ?? []) as readonly Gate[];
  return asked.map((gate, i) => ({ ...gate, origin: manifest?.gate_origins[i] ?? 'config.resolved.yaml' }));
}

/** Why a run cannot pass; undefined if it completed. */
export function notCompleted({ facts }: ReviewedRun): string | undefined {
  const { state, message } = facts;
  if (state === 'completed') return undefined;
  return `the run ${STATE_WORDS[state]}${message === null ? '' : `: ${message}`}`;
}

/** Why these runs cannot be judged together; undefined if they can. */
export function notJudgeable(runs: readonly ReviewedRun[]): string | undefined {
  const undone = runs.filter(run => notCompleted(run) !== undefined).length;
  if (undone > 0) return `${undone} of ${counted(runs.length, 'run')} did not complete`;
  const doubted = runs.find(({ doubt }) => doubt !== undefined);
  return doubted && `${doubted.facts.run_id} is in doubt: ${doubted.doubt?.reason}`;
}

function factsOf(record: RunRecord, { warnings, damaged, resumes }: RunHistory): RunFacts {
  const { directory, state, manifest, summary, original } = record;
  const isOver = state !== 'running' && state !== 'killed';
  const fold = foldOf(record);
  return {
    directory: directory.path,
    run_id: record.id,
    name: record.name,
    state,
    message: (isOver && state !== 'completed' && summary?.message) || null,
    seed: seedOf(record),
    ...(fold !== null && { fold }),
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
    cautions: [
      ...(summary ? cautionsOf(summary) : []),
      ...(original === undefined ? [] : [`this is a copy of the run in ${original}`]),
    ],
    performance: {
      ms_per_step: summary?.ms_per_step ?? null,
      step_ratio: summary?.step_ratio ?? null,
      peak_rss_mb: summary?.peak_rss_mb ?? null,
    },
    warnings,
    damaged_lines: damaged.count,
    resumes,
  };
}

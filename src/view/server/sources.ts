/**
 * What a page can watch: the list, a run, a sweep, each sent as a whole, then as changes; and the
 * comparison of runs.
 */

import { join } from 'node:path';
import { comparisonOf } from '../../judge/comparison/compare.js';
import { describeSide, effectWords, listed, sentencesOf } from '../../judge/comparison/sentences.js';
import { findTrials } from '../../run/find.js';
import type { CurvePoint } from '../../run/history.js';
import { LogFollower, pointsOf } from '../../run/history.js';
import { isLocked } from '../../run/lock.js';
import type { LogRecord } from '../../run/log.js';
import { Run, type RunRecord } from '../../run/run.js';
import { isSweepWorkedOn } from '../../sweep/index.js';
import type { ComparisonReport, ListChange, ListDocument, Listed, RunChange } from '../document.js';
import { runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import type { Catalog } from './catalog.js';
import { RUN_FILES, SWEEP_FILES, signatureOf } from './listed.js';

export type Update =
  | { readonly kind: 'nothing' }
  /** The document changed in more than `change` can express. */
  | { readonly kind: 'document' }
  | { readonly kind: 'change'; readonly change: object };

export interface Source {
  /** Milliseconds between polls. */
  readonly everyMs: number;
  /** Reads what has changed since the last poll. Rejects if that fails. */
  poll(): Promise<Update>;
  /**
   * The whole document at the last poll.
   * @throws UserError if its files cannot be read
   */
  document(): object;
  close(): void;
}

export const NOTHING: Update = { kind: 'nothing' };
export const DOCUMENT: Update = { kind: 'document' };

export class ListSource implements Source {
  readonly everyMs = 1000;
  private told: ListDocument | undefined;

  constructor(private readonly catalog: Catalog) {}

  async poll(): Promise<Update> {
    await this.catalog.freshen();
    const before = this.told;
    const now = this.catalog.list;
    this.told = now;
    if (before === undefined || before.exists !== now.exists || before.deeper !== now.deeper) return DOCUMENT;
    const change = changeBetween(before, now);
    return isChange(change) ? { kind: 'change', change } : NOTHING;
  }

  document(): ListDocument {
    return this.told ?? this.catalog.list;
  }

  close(): void {}
}

function isChange({ common_config, changed, removed }: ListChange): boolean {
  return common_config !== undefined || changed.length + removed.length > 0;
}

function changeBetween(before: ListDocument, now: ListDocument): ListChange {
  const old = byPath(before);
  const current = byPath(now);
  return {
    ...(before.common_config !== now.common_config && { common_config: now.common_config }),
    // the catalog keeps the object of an unchanged one
    changed: [...current.values()].filter(one => {
      const known = old.get(one.path);
      return known !== one && JSON.stringify(known) !== JSON.stringify(one);
    }),
    removed: [...old.keys()].filter(path => !current.has(path)),
  };
}

function byPath({ runs, sweeps }: ListDocument): ReadonlyMap<string, Listed> {
  return new Map([...runs, ...sweeps].map(one => [one.path, one]));
}

/** Longer curves are reduced to their extremes; twice the columns of a wide screen. */
const CAPACITY = 1000;
/** The log is followed separately. */
const OTHER_FILES = RUN_FILES.filter(name => name !== 'log.jsonl');

export class RunSource implements Source {
  readonly everyMs = 250;
  private readonly log: LogFollower;
  private signature = '';

  /** @param folder the run's directory, absolute */
  constructor(private readonly folder: string) {
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
    return runReportOf(Run.read(this.folder), this.log.history);
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

export class SweepSource implements Source {
  readonly everyMs = 500;
  private signature = '';

  /** @param folder the sweep's directory, absolute */
  constructor(private readonly folder: string) {}

  async poll(): Promise<Update> {
    const own = signatureOf(this.folder, SWEEP_FILES);
    const logs = findTrials(this.folder).map(({ path }) => signatureOf(path, ['log.jsonl']));
    const signature = [own, isSweepWorkedOn(this.folder), ...logs].join(' ');
    if (signature === this.signature) return NOTHING;
    this.signature = signature;
    return DOCUMENT;
  }

  document(): object {
    return buildSweepReport(this.folder);
  }

  close(): void {}
}

/**
 * Compares runs. Runs that differ only in their seed form one side.
 * @param placed by the dashboard's path
 */
export function comparisonReportOf(placed: ReadonlyMap<string, RunRecord>): ComparisonReport {
  const runs = [...placed.values()];
  const pathOf = new Map([...placed].map(([path, { directory }]) => [directory.path, path]));
  const names = [...new Set(runs.map(({ name }) => name))];
  const groups = names.map(name => ({ argument: name, runs: runs.filter(run => run.name === name) }));
  const { comparison } = comparisonOf(groups, { metrics: [], all: true, leftOut: [] });
  const { sides, config, facts, metrics } = comparison;
  return {
    kind: 'comparison',
    version: 1,
    sides: sides.map(side => ({
      id: side.id,
      name: side.name,
      description: describeSide(side),
      runs: side.runs.map(({ directory }) => pathOf.get(directory) ?? directory),
    })),
    changes: Object.fromEntries(config.map(({ key, changes }) => [key, effectWords(changes)])),
    facts: facts
      .filter(({ differs }) => differs)
      .map(({ key, values, changes_results }) => ({ key, values: values.map(listed), changes_results })),
    metrics,
    sentences: sentencesOf(comparison),
  };
}

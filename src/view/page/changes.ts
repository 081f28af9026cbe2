/** Applies changes from the server without mutating the document. */
import type { Curve } from '../../run/curve.js';
import type { ListChange, ListDocument, Listed, RunChange, RunReport } from '../document.js';

export function applyListChange(
  list: ListDocument,
  { common_config = list.common_config, changed, removed }: ListChange,
): ListDocument {
  const gone = new Set(removed);
  return {
    ...list,
    common_config,
    runs: merged(list.runs, changed.filter(isRun), gone),
    sweeps: merged(list.sweeps, changed.filter(isSweep), gone),
  };
}

function isRun(one: Listed): one is Listed & { kind: 'run' } {
  return one.kind === 'run';
}

function isSweep(one: Listed): one is Listed & { kind: 'sweep' } {
  return one.kind === 'sweep';
}

/** Inserts new entries in the order of their paths. */
function merged<T extends Listed>(
  old: readonly T[],
  changed: readonly T[],
  gone: ReadonlySet<string>,
): readonly T[] {
  const news = new Map(changed.map(one => [one.path, one]));
  const known = new Set(old.map(({ path }) => path));
  const added = changed.filter(({ path }) => !known.has(path));
  const kept = old.filter(({ path }) => !gone.has(path)).map(one => news.get(one.path) ?? one);
  return added.length === 0 ? kept : [...kept, ...added].sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function applyRunChange(report: RunReport, { steps, epochs, seconds, points }: RunChange): RunReport {
  const names = [...new Set([...Object.keys(report.curves), ...Object.keys(points)])];
  return {
    ...report,
    steps,
    // completed epochs, without the current one
    epochs: Math.max(report.epochs, epochs - 1),
    elapsed: {
      steps: [...report.elapsed.steps, steps],
      values: [...report.elapsed.values, seconds],
    },
    curves: Object.fromEntries(names.map(name => [name, extended(report.curves[name], points[name])])),
  };
}

const EMPTY: Curve = { steps: [], values: [], count: 0 };

function extended(curve: Curve = EMPTY, more: RunChange['points'][string] | undefined): Curve {
  if (more === undefined) return curve;
  return {
    steps: [...curve.steps, ...more.steps],
    values: [...curve.values, ...more.values],
    count: curve.count + more.steps.length,
  };
}

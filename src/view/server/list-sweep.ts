/** A sweep's entry in the list, from its plan and journal. */
import { basename, dirname } from 'node:path';
import { bestRow, readSweepResults } from '../../sweep/index.js';
import type { ListedSweep } from './documents.js';
import type { RunPlace } from './list-run.js';

/** @throws UserError (exit 2 or 5) if a file cannot be read */
export function listSweep({ path, folder }: RunPlace): ListedSweep {
  const { directory, plan, state, records } = readSweepResults(folder);
  const best = bestRow(plan, records);
  const { tags, note } = directory.notes.read();
  return {
    kind: 'sweep',
    path,
    name: plan.name,
    id: directory.id,
    state,
    started: records.started ?? null,
    metric: plan.objective.metric,
    trials: records.rows.length,
    planned_trials: plan.budget.trials,
    running: state === 'running' ? new Set(records.running.map(({ trial }) => trial)).size : 0,
    best: best === undefined || best.value === null ? null : { trial: best.trial, value: best.value },
    duration_s: records.seconds ?? null,
    tags,
    note,
    message: null,
  };
}

/** The entry of a sweep whose files cannot be read. */
export function damagedSweep({ path, folder }: RunPlace, message: string): ListedSweep {
  return {
    kind: 'sweep',
    path,
    name: basename(dirname(folder)),
    id: basename(folder),
    state: 'damaged',
    started: null,
    metric: '',
    trials: 0,
    planned_trials: null,
    running: 0,
    best: null,
    duration_s: null,
    tags: [],
    note: null,
    message,
  };
}

/** Reads a sweep's directory, whether or not a process is working on it. */
import { join } from 'node:path';
import { lockHolder } from '../../run/locks/run-lock.js';
import { readJournal } from '../journal.js';
import type { SweepPlan } from '../plan.js';
import type { JournalRecord } from '../records.js';
import { SweepDirectory } from '../sweep-directory.js';
import { recordsOf, type SweepRecords, withoutProcess } from './trials.js';
import { troubleOf } from './trouble.js';

export type SweepState = 'running' | 'completed' | 'failed' | 'interrupted' | 'killed' | 'not begun';

export interface SweepResults {
  readonly directory: SweepDirectory;
  readonly plan: SweepPlan;
  readonly state: SweepState;
  readonly records: SweepRecords;
  /** All records of the journal. */
  readonly journal: readonly JournalRecord[];
  /** A sentence for each damaged place of the journal. */
  readonly damage: readonly string[];
}

/** Reads the undamaged parts of a sweep.
 * @throws UserError (exit 2) if `path` is not a sweep, (exit 5) if its plan is damaged */
export function readSweepResults(path: string): SweepResults {
  const directory = SweepDirectory.open(path);
  const plan = directory.readPlan();
  const { records: journal, damage } = readJournal(directory.files.journal);
  const records = recordsOf(journal);
  const state = stateOf(directory, records);
  const settled = state === 'running' ? records : withoutProcess(records);
  return { directory, plan, state, records: settled, journal, damage };
}

/** Whether a process is working on the sweep in `folder`, as far as known. */
export function isSweepWorkedOn(folder: string): boolean {
  return lockHolder(join(folder, 'sweep.lock')) !== undefined;
}

function stateOf({ files }: SweepDirectory, records: SweepRecords): SweepState {
  if (lockHolder(files.lock) !== undefined) return 'running';
  if (records.isComplete) return troubleOf(records) === undefined ? 'completed' : 'failed';
  if (records.isStopped) return 'interrupted';
  return records.started === undefined ? 'not begun' : 'killed';
}

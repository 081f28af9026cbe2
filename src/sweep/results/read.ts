/** A sweep's directory as its reader finds it, whether or not a process works on it. */
import { join } from 'node:path';
import { lockHolder } from '../../experiment/locks/run-lock.js';
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
  /** As the journal has them. */
  readonly journal: readonly JournalRecord[];
  /** What of it is not as it was written, a sentence each. */
  readonly damage: readonly string[];
}

/**
 * A damaged journal is read as far as it is whole, and its damage told. Throws UserError: exit 2
 * where `path` is no sweep, exit 5 where its plan is damaged.
 */
export function readSweepResults(path: string): SweepResults {
  const directory = SweepDirectory.open(path);
  const plan = directory.readPlan();
  const { records: journal, damage } = readJournal(directory.files.journal);
  const records = recordsOf(journal);
  const state = stateOf(directory, records);
  const settled = state === 'running' ? records : withoutProcess(records);
  return { directory, plan, state, records: settled, journal, damage };
}

/** Whether a process works on the sweep in `folder`, as far as that can be told. */
export function isSweepWorkedOn(folder: string): boolean {
  return lockHolder(join(folder, 'sweep.lock')) !== undefined;
}

function stateOf({ files }: SweepDirectory, records: SweepRecords): SweepState {
  if (lockHolder(files.lock) !== undefined) return 'running';
  if (records.isComplete) return troubleOf(records) === undefined ? 'completed' : 'failed';
  if (records.isStopped) return 'interrupted';
  return records.started === undefined ? 'not begun' : 'killed';
}

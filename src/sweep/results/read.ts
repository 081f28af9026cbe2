/** A sweep's directory as its reader finds it, whether or not a process works on it. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { isSameProcess } from '../../experiment/process-identity.js';
import { readJournal } from '../journal.js';
import type { SweepPlan } from '../plan.js';
import type { JournalRecord } from '../records.js';
import { SweepDirectory } from '../sweep-directory.js';
import { recordsOf, type SweepRecords } from './trials.js';

export type SweepState = 'running' | 'completed' | 'interrupted' | 'killed' | 'not begun';

export interface SweepResults {
  readonly directory: SweepDirectory;
  readonly plan: SweepPlan;
  readonly state: SweepState;
  readonly records: SweepRecords;
  /** As the journal has them. */
  readonly journal: readonly JournalRecord[];
}

/** Throws UserError: exit 2 where `path` is no sweep, exit 5 where its plan is damaged. */
export function readSweepResults(path: string): SweepResults {
  const directory = SweepDirectory.open(path);
  const plan = directory.readPlan();
  const { records: journal } = readJournal(directory.files.journal);
  const records = recordsOf(journal);
  return { directory, plan, state: stateOf(directory, records), records, journal };
}

function stateOf({ files }: SweepDirectory, records: SweepRecords): SweepState {
  if (isWorkedOn(files.lock)) return 'running';
  if (records.isComplete) return 'completed';
  if (records.isStopped) return 'interrupted';
  return records.started === undefined ? 'not begun' : 'killed';
}

/** Whether the owner of a lock lives, as far as that can be told: of another machine's it can't, and it counts as alive. */
function isWorkedOn(lock: string): boolean {
  try {
    const owner: unknown = JSON.parse(readFileSync(lock, 'utf8'));
    if (typeof owner !== 'object' || owner === null || !('pid' in owner) || !('host' in owner)) return false;
    if (owner.host !== hostname()) return true;
    const started = 'started' in owner ? (owner.started ?? '') : '';
    return isSameProcess(`${owner.pid}@${started} ${owner.host}`);
  } catch {
    return false;
  }
}

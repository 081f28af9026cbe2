/** Why a finished sweep counts as failed. */
import { EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { SweepRecords, TrialState } from './trials.js';

export interface Trouble {
  readonly exitCode: ExitCode;
  /** One line. */
  readonly message: string;
}

/**
 * A finished sweep fails if a failed trial stopped it (exit 1), or if no trial has a value of the
 * objective (exit 4 if all diverged, otherwise exit 1). Undefined if it did not fail or is not
 * finished.
 */
export function troubleOf({ rows, reason, winner }: SweepRecords): Trouble | undefined {
  if (reason === 'trial_error') {
    const failed = rows.find(({ state }) => state === 'failed');
    const what = `trial ${failed?.trial} failed: ${failed?.message ?? 'unknown'}`;
    return { exitCode: EXIT.unexpected, message: `stopped: ${what}` };
  }
  if (reason === undefined || winner !== undefined) return undefined;
  const count = (state: TrialState): number => rows.filter(row => row.state === state).length;
  const [failed, diverged] = [count('failed'), count('diverged')];
  const kinds = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(diverged > 0 ? [`${diverged} diverged`] : []),
  ];
  const allDiverged = rows.length > 0 && diverged === rows.length;
  return {
    exitCode: allDiverged ? EXIT.diverged : EXIT.unexpected,
    message: `none of ${counted(rows.length, 'trial')} has a value of the objective${kinds.length > 0 ? `: ${kinds.join(', ')}` : ''}`,
  };
}

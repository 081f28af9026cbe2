/** What keeps a sweep that came to its end from counting as done. */
import { EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { SweepRecords, TrialState } from './trials.js';

export interface Trouble {
  readonly exitCode: ExitCode;
  /** One line. */
  readonly message: string;
}

/**
 * A failed trial where `on_trial_error` is `stop` (exit 1), and that no trial has a value of the
 * objective: exit 4 where all diverged, else exit 1. A sweep in which one trial has a value is
 * done, whatever became of the others. Undefined also as long as it is not decided.
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

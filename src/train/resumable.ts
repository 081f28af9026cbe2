/** Checks that a run can resume from its checkpoint, before anything is changed on disk. */
import type { LoadedExperiment } from '../config/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { carriedStates } from '../math/model/walk.js';
import { optimizerOf } from '../math/optimizers/index.js';
import type { Checkpoint } from '../run/checkpoint-files.js';
import type { RunDirectory } from '../run/directory.js';
import { isAbsent, withFile } from '../run/files.js';
import { type Diagnostic, damagedError, UserError, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { type Change, inWords, kindOf } from './changes.js';
import type { SavedState } from './checkpoints.js';
import { batchOrder, totalSteps } from './plan.js';
import type { Session } from './session.js';
import { unfitTensors } from './weights.js';

interface Resumption {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly changes: readonly Change[];
}

/**
 * `checkpoint` and its `saved` state are undefined if the run has no checkpoint.
 * @throws UserError (exit 2) if the changes need another model, optimizer or batch order than the
 *   checkpoint's, or end the run before the checkpoint's step
 * @throws UserError (exit 5) if the checkpoint is incomplete or was lost
 */
export function checkResumable(
  directory: RunDirectory,
  checkpoint: Checkpoint | undefined,
  saved: SavedState | undefined,
  { loaded, session, changes }: Resumption,
): void {
  if (!checkpoint || !saved) {
    checkNothingLost(directory);
    return;
  }
  const problems = [...unfit(checkpoint, loaded, session), ...unfitOrder(saved, loaded, session)];
  if (problems.length > 0) throw refusal(problems, changes);
  checkEnd(saved, loaded, session);
}

function unfit({ path, tensors }: Checkpoint, { experiment }: LoadedExperiment, { spec }: Session) {
  const { batch_size } = experiment.training;
  return unfitTensors(path, tensors, {
    layout: new ParameterLayout(spec),
    optimizerStates: optimizerOf(experiment.optimizer).state(experiment.optimizer),
    hasAverage: experiment.training.average !== undefined,
    carried: new Map(carriedStates(spec).map(({ name, size }) => [name, [batch_size, size]])),
  });
}

function unfitOrder(
  { position }: SavedState,
  loaded: LoadedExperiment,
  session: Session,
): readonly Diagnostic[] {
  try {
    batchOrder(loaded, session, position.order);
    return [];
  } catch (error) {
    if (error instanceof UserError) return error.diagnostics;
    throw error;
  }
}

/** A misfit is damage only if the config has not changed; otherwise the changes cause it. */
function refusal(problems: readonly Diagnostic[], changes: readonly Change[]): UserError {
  const [first] = problems;
  if (changes.length === 0) return damagedError(...problems);
  return usageError({
    ...first,
    code: 'resume/unfit',
    message: `the run cannot resume from its checkpoint with these changes (${changes.map(inWords).join('; ')}): ${first.message}`,
  });
}

/** Without this check, a run that lost its checkpoints would silently start over. */
function checkNothingLost({ files }: RunDirectory): void {
  if (isAbsent(files.log)) return;
  const log = withFile(files.log, file => file.read(0, file.bytes), { follow: false });
  if (!log.includes('"event":"checkpoint.saved"')) return;
  throw damagedError({
    code: 'resume/checkpoints-lost',
    message: 'the log records checkpoints, but none exists: restore one, or start a new run',
    file: files.checkpoints,
  });
}

/**
 * @throws UserError (exit 2) if a change would alter results but no step is left to run: the
 *   manifest would record settings that the run was not trained with
 */
export function checkUse(saved: SavedState | undefined, { loaded, session, changes }: Resumption): void {
  const change = changes.find(one => kindOf(one, loaded) === 'unsafe');
  if (change === undefined || saved?.evaluated !== true) return;
  const { position } = saved;
  if (position.step < endOf(position, loaded, session)) return;
  throw usageError({
    code: 'resume/nothing-left',
    message: `the run has completed all of its ${counted(position.step, 'step')}, so changing \`${change.key}\` has no effect`,
    expected: 'more steps as well: --set training.num_epochs=N or training.max_steps=N; or a new run',
  });
}

function endOf(position: SavedState['position'], loaded: LoadedExperiment, session: Session): number {
  return totalSteps(loaded, batchOrder(loaded, session, position.order), position.step);
}

/** Refuses a new end of training before the checkpoint's step. */
function checkEnd({ position }: SavedState, loaded: LoadedExperiment, session: Session): void {
  const { training } = loaded.experiment;
  const end = endOf(position, loaded, session);
  if (position.step <= end) return;
  const decides = end === training.max_steps ? 'max_steps' : 'num_epochs';
  const message = `the run has completed ${counted(position.step, 'step')}, but the new config ends after ${end}`;
  throw usageError(
    loaded.locator.atValue(['training', decides], 'resume/past-end', message, {
      expected: 'larger training.num_epochs or training.max_steps',
      got: `num_epochs ${training.num_epochs}, max_steps ${training.max_steps ?? 'not set'}`,
    }),
  );
}

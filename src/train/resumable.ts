/** Checks that a run can resume from its checkpoint, before anything is changed on disk. */
import type { LoadedExperiment } from '../config/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { carriedStates } from '../math/model/walk.js';
import { optimizerOf } from '../math/optimizers/index.js';
import type { Checkpoint } from '../run/checkpoints.js';
import type { RunDirectory } from '../run/directory.js';
import { readEvents } from '../run/log.js';
import { type Diagnostic, damagedError, UserError, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { type Change, inWords, kindOf } from './changes.js';
import type { SavedState } from './checkpoints.js';
import { batchOrder, totalSteps } from './plan.js';
import type { Session } from './session.js';
import { unfitTensors } from './weights.js';

/** Without this check, a run that lost its checkpoints would silently start over. */
export function refuseLostCheckpoints({ files }: RunDirectory): void {
  if (!readEvents(files.log).some(({ event }) => event === 'checkpoint.saved')) return;
  throw damagedError({
    code: 'resume/checkpoints-lost',
    message: 'the log records checkpoints, but none exists: restore one, or start a new run',
    file: files.checkpoints,
  });
}

/** Without changes, a checkpoint that does not fit is damaged (exit 5). */
export function checkResumable(
  { path, tensors }: Checkpoint,
  { position }: SavedState,
  loaded: LoadedExperiment,
  session: Session,
  changes: readonly Change[],
): void {
  const { optimizer, training } = loaded.experiment;
  const problems: Diagnostic[] = unfitTensors(path, tensors, {
    layout: new ParameterLayout(session.spec),
    optimizerStates: optimizerOf(optimizer).state(optimizer),
    hasAverage: training.average !== undefined,
    carried: new Map(
      carriedStates(session.spec).map(({ name, size }) => [name, [training.batch_size, size]]),
    ),
  });
  let end = 0;
  try {
    end = totalSteps(loaded, batchOrder(loaded, session, position.order), position.step);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push(...error.diagnostics);
  }
  const [first] = problems;
  if (first && changes.length === 0) throw damagedError(...problems);
  if (first)
    throw usageError({
      ...first,
      code: 'resume/unfit',
      message: `the run cannot resume from its checkpoint with these changes (${changes.map(inWords).join('; ')}): ${first.message}`,
    });
  if (position.step <= end) return;
  const decides = end === training.max_steps ? 'max_steps' : 'num_epochs';
  const message = `the run has completed ${counted(position.step, 'step')}, but the new config ends after ${end}`;
  const expected = 'larger training.num_epochs or training.max_steps';
  throw usageError(loaded.locator.atValue(['training', decides], 'resume/past-end', message, { expected }));
}

/** Otherwise the manifest would record settings that the run was not trained with. */
export function checkUse(
  { position, evaluated }: SavedState,
  loaded: LoadedExperiment,
  session: Session,
  changes: readonly Change[],
): void {
  const change = changes.find(one => kindOf(one, loaded) === 'unsafe');
  if (change === undefined || !evaluated) return;
  if (position.step < totalSteps(loaded, batchOrder(loaded, session, position.order), position.step)) return;
  throw usageError({
    code: 'resume/nothing-left',
    message: `the run has completed all of its ${counted(position.step, 'step')}, so changing \`${change.key}\` has no effect`,
    expected: 'more steps as well: --set training.num_epochs=N or training.max_steps=N; or a new run',
  });
}

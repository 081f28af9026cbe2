/** A run that is killed once, at an exact moment, and resumed. */
import { runUnder } from '../../src/verify/resume.js';
import type { Finish } from './finish.js';
import type { Killable } from './killable.js';
import { differences } from './left-behind.js';
import { type AtOperation, momentInWords, signalled } from './moments.js';

/** Right after the record of `step` is written, and nothing after it. */
export function afterStep(step: number): AtOperation {
  return { kind: 'operation', after: `"event":"train.step".*"step":${step},`, at: 0 };
}

/**
 * Moments between the last evaluation and the end of `run`, from which nothing may be left undone.
 */
export function seamsAtEnd({ straight: { steps, gates } }: Killable): AtOperation[] {
  const before = (only: string, at = 1): AtOperation => ({
    kind: 'operation',
    after: `"event":"eval".*"step":${steps},`,
    only,
    at,
  });
  return [
    // the evaluation is told, and not saved
    before('openSync .tmp-PID-step'),
    // the checkpoint is there, the index does not name it, and those that are to go are still there
    before('openSync .tmp-PID-index'),
    // the checkpoint is there, and no record of it
    before('writeSync log.jsonl'),
    // the summary says that the run is complete, and the log does not
    before('writeSync log.jsonl', gates.length + 2),
  ];
}

/**
 * Gives what differs once the run was resumed to its end, in one sentence; undefined where nothing
 * does.
 */
export async function killOnce(
  run: Killable,
  output: string,
  moment: AtOperation,
  finish: Finish,
): Promise<string | undefined> {
  const told = (what: string) => `${run.name}, killed at ${momentInWords(moment)}: ${what}`;
  const args = [...run.args, '--threads', '1', '--output', output];
  const { outcome } = await signalled(args, { output, directory: undefined }, moment, 'SIGKILL');
  const directory = runUnder(output);
  if (outcome.signal !== 'SIGKILL' || directory === undefined) return told('it was not killed');
  try {
    await finish(['resume', directory, '--threads', '1']);
  } catch (error) {
    return told(String(error));
  }
  const found = differences(run.straight.directory, directory);
  return found.length === 0 ? undefined : told(found.join('; '));
}

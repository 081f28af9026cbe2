/** `--input` and `--on-error` of verbs, and advice if the data of a run are missing. */
import type { Readable } from 'node:stream';
import {
  type ByteSource,
  type InputSource,
  newSequenceFiles,
  rawBytes,
  STDIN_NAME,
  streamBytes,
} from '../../data/index.js';
import type { SavedModel } from '../../predict/open.js';
import { RejectedError } from '../../predict/predictor.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { counted, printable } from '../../util/words.js';
import { HintedError, printDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { choice } from './verb.js';

export const onError = choice(
  '<action>',
  ['stop', 'skip'],
  'what to do with sequences of the input that cannot be used',
)
  .default('stop')
  .with({ conflicts: ['split'], requires: 'input' });

const STDIN = '-';

/** Help of verbs whose runs predict together. */
export const TOGETHER = `
Several runs, and those of a sweep or cross-validation, predict together: the mean of their
probabilities or values.`;

/** Opens what `--input` names. @param hasTargets true if files of targets belong to it */
export async function openInput(
  { loaded }: SavedModel,
  input: readonly string[],
  io: Io,
  hasTargets = false,
): Promise<readonly InputSource[]> {
  if (input.includes('') || (input.includes(STDIN) && input.length > 1))
    throw usageError(
      'cli/input',
      input.includes('') ? 'the path is empty' : 'standard input is the only input if it is one',
      { file: '--input', expected: 'files, folders and patterns, or - alone for standard input' },
    );
  if (!input.includes(STDIN)) return newSequenceFiles(loaded.experiment.dataset, input, hasTargets);
  const stdin = standardInput(io);
  return [{ name: STDIN_NAME, open: () => streamBytes(STDIN_NAME, stdin) }];
}

/** Standard input as it is. @param input what `--input` names */
export function openSamples(input: readonly string[], io: Io): ByteSource {
  if (input.length === 1 && input[0] === STDIN) return rawBytes(STDIN_NAME, standardInput(io));
  throw usageError('cli/rate', '--rate is for samples from standard input; a WAV file has its rate', {
    file: '--rate',
    expected: '--input -',
  });
}

function standardInput({ stdin, outClosed }: Io): Readable {
  if (stdin === undefined) throw new Error('there is no standard input');
  // stop waiting for input once nobody reads the predictions
  outClosed?.addEventListener('abort', () => void stdin.destroy());
  return stdin;
}

const MAX_SHOWN = 5;
const UNKNOWN: ReadonlySet<string> = new Set(['data/unknown-class', 'data/unknown-symbol']);

/** What happens to sequences that cannot be read: the first are shown, all are counted. */
export function rejections(io: Io, action: 'stop' | 'skip') {
  const state = { count: 0, shown: 0 };
  /** A row may spoil several sequences, but is shown once. */
  const shown = new Set<Diagnostic>();
  /** Of values that the model does not know, which are shown once, wherever they are. */
  const unknown = new Map<string, number>();
  const isFirst = ({ code, message }: Diagnostic): boolean => {
    if (!UNKNOWN.has(code)) return true;
    const count = (unknown.get(message) ?? 0) + 1;
    unknown.set(message, count);
    return count === 1;
  };
  const add = (problems: readonly Diagnostic[]): void => {
    const firsts = problems.filter(isFirst);
    state.count++;
    if (firsts.length === 0 || ++state.shown > MAX_SHOWN) return;
    const unseen = firsts.filter(problem => !shown.has(problem));
    printDiagnostics(unseen, 'warning', io);
    for (const problem of unseen) shown.add(problem);
  };
  /** Call at the end. @param read number of sequences that could be read */
  const tell = (read: number): void => {
    const { count } = state;
    if (count === 0) return;
    for (const [message, times] of unknown) if (times > 1) io.err(`${printable(message)}: ${times} times\n`);
    const hidden = Math.max(0, state.shown - MAX_SHOWN);
    const rest = hidden > 0 ? `; the problems of ${hidden} of them are not shown` : '';
    io.err(`skipped ${count} of ${counted(count + read, 'sequence')}${rest}\n`);
  };
  return { state, onRejected: action === 'skip' ? add : undefined, tell };
}

const SKIP = `To leave out what cannot be read: --on-error skip
`;

/** Runs `use`. Adds advice to the error if a sequence of the input cannot be read. */
export async function hintingAtSkip<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    throw error instanceof RejectedError && !error.isOnly ? new HintedError(error, SKIP) : error;
  }
}

const MOVED = `If the data have moved, say where they are: --set dataset.path=FILE, or the key that names them.
\`predict RUN --input FILE\` does not need them.
`;

/** Runs `use`. Adds advice to the error if the run's data cannot be read. */
export async function hintingAtMovedData<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const isLost =
      error instanceof UserError && error.diagnostics.some(({ code }) => code === 'data/unreadable');
    throw isLost ? new HintedError(error, MOVED) : error;
  }
}

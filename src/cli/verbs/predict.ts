/**
 * `predict RUN`: what a checkpoint says of each sequence of a split or an input, written while it
 * is computed.
 */
import { type ByteSource, fileBytes, streamBytes } from '../../data/index.js';
import type { SequencePrediction } from '../../prediction/answers.js';
import { loadModel } from '../../prediction/model.js';
import { type PredictionForm, predictInput, predictSplit } from '../../prediction/predict.js';
import { openModel } from '../../prediction/saved-model.js';
import { type Diagnostic, EXIT, type ExitCode, usageError } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { PredictOptions } from '../options.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import { hintingAtMovedData } from '../terminal/hinted-error.js';
import type { Io } from '../terminal/io.js';
import { csvHeader, csvLines, jsonLine } from './prediction-lines.js';

/** What `--input` calls standard input, and what messages call it. */
const [STDIN, STDIN_NAME] = ['-', '<stdin>'];

export async function predict(runPath: string, options: PredictOptions, io: Io): Promise<ExitCode> {
  const { input, split, limit = Number.POSITIVE_INFINITY } = options;
  if (options.generate) return generate(runPath, options, io);
  refuseLoose(options);
  const saved = openModel(runPath, options);
  const write = (form: PredictionForm, predictions: AsyncIterable<readonly SequencePrediction[]>) =>
    writeLines(form, predictions, { ...options, limit }, io);
  if (input === undefined) {
    await hintingAtMovedData(() => predictSplit(saved, { ...options, split, limit }, write));
    return EXIT.done;
  }
  const rejections = new Rejections(io);
  const onRejected = options.onError === 'skip' ? rejections.add : undefined;
  const source = await openInput(input, io);
  return rejections.printCount(await predictInput(saved, source, { ...options, onRejected }, write));
}

/** Writes the prompt and what the model makes of it, symbol by symbol. */
async function generate(
  runPath: string,
  { prompt = '', length = 500, temperature, seed, ...options }: PredictOptions,
  io: Io,
): Promise<ExitCode> {
  const model = await loadModel(runPath, options);
  try {
    io.out(prompt);
    for await (const text of model.generateText(prompt, { length, temperature, seed })) {
      io.out(text);
      if (io.outClosed?.aborted) break;
      await io.drained?.();
    }
    io.out('\n');
    return EXIT.done;
  } finally {
    await model.close();
  }
}

/** An option that is said without the one that it belongs to would do nothing. */
function refuseLoose(options: PredictOptions): void {
  const loose = (['prompt', 'length', 'temperature', 'seed'] as const).find(
    key => options[key] !== undefined,
  );
  if (loose === undefined) return;
  const message = `--${loose} belongs to --generate`;
  throw usageError({ code: 'cli/generate', message, file: `--${loose}`, expected: 'both, or none of them' });
}

async function openInput(input: string, { stdin, outClosed }: Io): Promise<ByteSource> {
  if (input !== STDIN) return fileBytes(input);
  if (stdin === undefined) throw new Error('there is no standard input');
  // who waits for more of it is not kept by it once nobody reads the answers
  outClosed?.addEventListener('abort', () => void stdin.destroy());
  return streamBytes(STDIN_NAME, stdin);
}

/** Returns how many predictions were written. */
async function writeLines(
  form: PredictionForm,
  predictions: AsyncIterable<readonly SequencePrediction[]>,
  {
    format,
    top,
    raw = false,
    limit,
  }: Pick<PredictOptions, 'format' | 'top' | 'raw'> & { readonly limit: number },
  io: Io,
): Promise<number> {
  if (top !== undefined && form.kind !== 'class') {
    const message = 'this model predicts values: there are no classes to rank';
    throw usageError({ code: 'cli/top', message, file: '--top' });
  }
  const style = { ...form, top, raw };
  if (format === 'csv') io.out(csvHeader(style));
  const lines = format === 'csv' ? csvLines : jsonLine;
  let written = 0;
  if (limit === 0) return written;
  for await (const batch of predictions) {
    const wanted = batch.slice(0, limit - written);
    io.out(wanted.map(prediction => lines(style, prediction)).join(''));
    written += wanted.length;
    if (written >= limit || io.outClosed?.aborted) break;
    await io.drained?.();
  }
  return written;
}

/** Sequences of the input whose problems are shown one by one. */
const MAX_SHOWN = 5;

/** Sequences that are left out. */
class Rejections {
  private count = 0;

  constructor(private readonly io: Io) {}

  readonly add = (problems: readonly Diagnostic[]): void => {
    this.count++;
    if (this.count > MAX_SHOWN) return;
    const { err, color } = this.io;
    err(formatDiagnostics(problems, { color: color.err, severity: 'warning' }));
  };

  /** Says how many there were; an input that is all wrong is no input of this model. */
  printCount(predicted: number): ExitCode {
    if (this.count === 0) return EXIT.done;
    const all = counted(this.count + predicted, 'sequence');
    this.io.err(`${this.count} of ${all} left out, since they cannot be read\n`);
    return predicted === 0 ? EXIT.damaged : EXIT.done;
  }
}

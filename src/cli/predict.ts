/** `predict RUN`: what a checkpoint says of each sequence of a split, written while it is computed. */
import { EXIT, type ExitCode } from '../errors.js';
import { predictCheckpoint } from '../training/evaluate.js';
import type { Io } from './io.js';
import type { PredictOptions } from './options.js';
import { csvHeader, csvLines, jsonLine } from './prediction-lines.js';
import { openModel } from './saved-model.js';

export async function predict(
  runPath: string,
  { checkpoint, weights, format, raw, ...options }: PredictOptions,
  io: Io,
): Promise<ExitCode> {
  const model = openModel(runPath, checkpoint, weights);
  await predictCheckpoint(model, { ...options, signal: io.outClosed }, form => {
    if (format === 'csv') io.out(csvHeader(form, raw));
    return sequence => io.out(format === 'csv' ? csvLines(form, sequence, raw) : jsonLine(form, sequence));
  });
  return EXIT.done;
}

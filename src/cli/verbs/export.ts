/** `export RUN… --tensorboard`, `--weights`: what other programs read of a run. */
import { join, resolve, sep } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../experiment/checkpoints/safetensors.js';
import { atNamedPlace } from '../../experiment/files/file-error.js';
import { makeFolder } from '../../experiment/files/new-folder.js';
import { exportRun } from '../../interop/tensorboard/export.js';
import { openModel, type WhichCheckpoint } from '../../prediction/saved-model.js';
import { type Found, kindOf, runsAt } from '../../review/reading/find.js';
import { readRun } from '../../review/reading/run-record.js';
import { type WeightsName, weightsAlone } from '../../training/step/weights.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { quoted } from '../program-name.js';
import type { Io } from '../terminal/io.js';

export interface ExportOptions {
  /** Undefined: into each run's own directory. */
  readonly output?: string | undefined;
  readonly json: boolean;
  /** Of the weights; see `openModel`. */
  readonly checkpoint?: WhichCheckpoint | undefined;
}

export function exportTensorboard(
  paths: readonly string[],
  { output, json }: ExportOptions,
  io: Io,
): ExitCode {
  const runs = paths.flatMap(path => runsAt(path));
  const isOne = paths.length === 1 && kindOf(paths[0]) === 'run';
  const written = runs.map(found => {
    const directory = targetOf(found, output, isOne);
    const run = readRun(found.path);
    return { run: found.path, directory, files: atNamedPlace(() => exportRun(run, directory)) };
  });
  if (json) io.out(`${JSON.stringify({ version: 1, format: 'tensorboard', exports: written })}\n`);
  else {
    for (const { directory } of written) io.out(`${directory}\n`);
    const folder = output ?? commonFolder(written.map(({ directory }) => directory));
    io.err(`Look at it with: tensorboard --logdir ${quoted(folder)}\n`);
  }
  return EXIT.done;
}

const WEIGHTS = 'weights.safetensors';

export function exportWeights(
  paths: readonly string[],
  { output, json, ...which }: ExportOptions & { readonly weights?: WeightsName | undefined },
  io: Io,
): ExitCode {
  const runs = paths.flatMap(path => runsAt(path));
  const isOne = paths.length === 1 && kindOf(paths[0]) === 'run';
  // before anything is written
  const models = runs.map(found => ({ found, model: openModel(found.path, which) }));
  const written = models.map(({ found: { path, name, id }, model: { file, weights, step } }) => {
    const folder = output === undefined ? path : isOne ? resolve(output) : join(resolve(output), name, id);
    const target = join(folder, WEIGHTS);
    const tensors = weightsAlone(readSafetensors(file).tensors, weights);
    makeFolder(folder, output ?? folder, 'this folder');
    // what programs that read PyTorch's files look for
    atNamedPlace(() => writeSafetensors(target, tensors, { format: 'pt' }));
    return { run: path, file: target, weights, step, tensors: tensors.size };
  });
  if (json) io.out(`${JSON.stringify({ version: 1, format: 'weights', exports: written })}\n`);
  else for (const { file } of written) io.out(`${file}\n`);
  return EXIT.done;
}

/** The deepest folder that all are in, or that the only one is. */
function commonFolder(folders: readonly string[]): string {
  const [first, ...others] = folders.map(folder => folder.split(sep));
  const length = first.findIndex((part, i) => others.some(other => other[i] !== part));
  return length < 0 ? folders[0] : first.slice(0, length).join(sep);
}

/** One run fills the folder that was named for it; several have folders below, whose names are what TensorBoard shows. */
function targetOf({ path, name, id }: Found, output: string | undefined, isOne: boolean): string {
  if (output === undefined) return join(path, 'tensorboard');
  return isOne ? resolve(output) : join(resolve(output), name, id);
}

/** `export RUN…`: writes TensorBoard event files, or weights for PyTorch. */
import { join, resolve, sep } from 'node:path';
import { exportRun } from '../../interop/tensorboard/export.js';
import { openModel } from '../../predict/open.js';
import type { WhichCheckpoint } from '../../predict/predictions.js';
import { atNamedPlace } from '../../run/file-errors.js';
import { kindOf, runsAt } from '../../run/find.js';
import { makeFolder } from '../../run/folders.js';
import { Run } from '../../run/run.js';
import { writeSafetensors } from '../../run/safetensors.js';
import { type WeightsName, weightsAlone } from '../../train/weights.js';
import { EXIT, usageError } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { quoted } from '../command/command-line.js';
import { checkpoint, json, WEIGHTS } from '../command/options.js';
import { choice, defineVerb, flag, folder } from '../command/verb.js';
import type { Io } from '../terminal/io.js';

export const verb = defineVerb({
  arguments: '<runs...>',
  options: {
    tensorboard: flag('event files with curves, config and hyperparameters'),
    weights: choice(
      '[which]',
      WEIGHTS,
      'weights.safetensors with PyTorch names: trained or average (default: the average if the run keeps one)',
    ).conflicts('tensorboard'),
    checkpoint: checkpoint.conflicts('tensorboard'),
    output: folder('<dir>', "output directory (default: each run's, or its subdirectory tensorboard)").short(
      '-o',
    ),
    json: json('the list of files written'),
  },
  help: 'Sweeps and directories of runs can be given too.',
  action([paths], { tensorboard, weights, ...options }, { io }) {
    if (tensorboard) exportTensorboard(paths, options, io);
    // commander reads a bare --weights as true
    else if (weights !== undefined)
      exportWeights(
        paths,
        options,
        WEIGHTS.find(which => which === weights),
        io,
      );
    else
      throw usageError({
        code: 'cli/export-format',
        message: 'no export format given',
        expected: '--tensorboard or --weights',
      });
    return EXIT.done;
  },
});

interface ExportOptions {
  readonly output: string | undefined;
  readonly json: boolean;
  readonly checkpoint: WhichCheckpoint | undefined;
}

function exportTensorboard(paths: readonly string[], { output, json }: ExportOptions, io: Io): void {
  const written = runsWithTargets(paths, output).map(({ path, target }) => {
    const directory = output === undefined ? join(path, 'tensorboard') : target;
    const run = Run.read(path);
    return { run: path, directory, files: atNamedPlace(() => exportRun(run, directory)) };
  });
  if (json) io.data(`${JSON.stringify({ version: 1, format: 'tensorboard', exports: written })}\n`);
  else {
    for (const { directory } of written) io.out(`${printable(directory)}\n`);
    const folder = output ?? commonFolder(written.map(({ directory }) => directory));
    io.err(`View it with: tensorboard --logdir ${quoted(folder)}\n`);
  }
}

const WEIGHTS_FILE = 'weights.safetensors';

function exportWeights(
  paths: readonly string[],
  { output, json, checkpoint }: ExportOptions,
  weights: WeightsName | undefined,
  io: Io,
): void {
  // open every model before writing anything
  const models = runsWithTargets(paths, output).map(run => ({
    ...run,
    model: openModel(run.path, { checkpoint, weights }),
  }));
  const written = models.map(({ path, target: folder, model: { tensors: all, weights, step } }) => {
    const target = join(folder, WEIGHTS_FILE);
    const tensors = weightsAlone(all, weights);
    makeFolder(folder, output ?? folder, 'this folder');
    // programs that read PyTorch's files look for this key
    atNamedPlace(() => writeSafetensors(target, tensors, { format: 'pt' }));
    return { run: path, file: target, weights, step, tensors: tensors.size };
  });
  if (json) io.data(`${JSON.stringify({ version: 1, format: 'weights', exports: written })}\n`);
  else for (const { file } of written) io.out(`${printable(file)}\n`);
}

/**
 * The runs at `paths`, each with its target directory: its own directory or, with `output`, that
 * for a single run and subdirectories of it for several. TensorBoard shows their names.
 */
function runsWithTargets(paths: readonly string[], output: string | undefined) {
  const isOne = paths.length === 1 && kindOf(paths[0]) === 'run';
  return paths.flatMap(runsAt).map(({ path, name, id }) => ({
    path,
    target: output === undefined ? path : isOne ? resolve(output) : join(resolve(output), name, id),
  }));
}

/** The deepest directory that contains all of `folders`. */
function commonFolder(folders: readonly string[]): string {
  const [first, ...others] = folders.map(folder => folder.split(sep));
  const length = first.findIndex((part, i) => others.some(other => other[i] !== part));
  return length < 0 ? folders[0] : first.slice(0, length).join(sep);
}

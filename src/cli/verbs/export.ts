/** `export RUN…`: writes TensorBoard event files, or weights for PyTorch. */
import { join, resolve, sep } from 'node:path';
import { exportRun } from '../../interop/tensorboard.js';
import { openModel } from '../../predict/open.js';
import { makeFolder } from '../../run/files.js';
import { kindOf, runsAt } from '../../run/find.js';
import { Run } from '../../run/run.js';
import { writeSafetensors } from '../../run/safetensors.js';
import { weightsAlone } from '../../train/weights.js';
import { EXIT, usageError } from '../../util/errors.js';
import { atNamedPlace } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import { quoted } from '../command/command-line.js';
import { checkpoint, choice, defineVerb, flag, folder, json, WEIGHTS } from '../command/verb.js';

export const verb = defineVerb({
  arguments: '<runs...>',
  options: {
    tensorboard: flag('event files with curves, config and hyperparameters'),
    weights: choice(
      '[which]',
      WEIGHTS,
      'weights.safetensors with PyTorch names: trained or average (default: the average if the run keeps one)',
    ).with({ conflicts: ['tensorboard'] }),
    checkpoint: checkpoint.with({ conflicts: ['tensorboard'] }),
    output: folder('<dir>', "output directory (default: each run's, or its subdirectory tensorboard)").with({
      short: '-o',
    }),
    json: json('the list of files written'),
  },
  help: 'Sweeps and directories of runs can be given too.',
  action([paths], { tensorboard, weights, checkpoint, output, json }, { io }) {
    if (!tensorboard && weights === undefined)
      throw usageError('cli/export-format', 'no export format given', {
        expected: '--tensorboard or --weights',
      });
    const runs = runsWithTargets(paths, output);
    const print = (format: string, exports: readonly object[], places: readonly string[]) => {
      if (json) io.data(`${JSON.stringify({ version: 1, format, exports })}\n`);
      else for (const place of places) io.out(`${printable(place)}\n`);
      return EXIT.done;
    };
    if (tensorboard) {
      const written = runs.map(({ path, target }) => {
        const directory = output === undefined ? join(path, 'tensorboard') : target;
        const run = Run.read(path);
        return { run: path, directory, files: atNamedPlace(() => exportRun(run, directory)) };
      });
      const directories = written.map(({ directory }) => directory);
      const folder = output ?? commonFolder(directories);
      if (!json) io.err(`View it with: tensorboard --logdir ${quoted(folder)}\n`);
      return print('tensorboard', written, directories);
    }
    // commander reads a bare --weights as true
    const which = WEIGHTS.find(name => name === weights);
    // open every model before writing anything
    const models = runs.map(run => ({ ...run, model: openModel(run.path, { checkpoint, weights: which }) }));
    const written = models.map(({ path, target: folder, model: { tensors: all, weights, step } }) => {
      const file = join(folder, 'weights.safetensors');
      const tensors = weightsAlone(all, weights);
      makeFolder(folder, output ?? folder, 'this folder');
      // programs that read PyTorch's files look for this key
      atNamedPlace(() => writeSafetensors(file, tensors, { format: 'pt' }));
      return { run: path, file, weights, step, tensors: tensors.size };
    });
    const files = written.map(({ file }) => file);
    return print('weights', written, files);
  },
});

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

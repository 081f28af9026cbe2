/** `export RUN…`: writes a predictor for other programs, weights, or TensorBoard event files. */
import { join, resolve, sep } from 'node:path';
import { costText, type ExportedModule, exportModule, exportTogether } from '../../interop/js/export.js';
import { PRECISIONS, type Precision } from '../../interop/js/weights.js';
import { onnx } from '../../interop/onnx/export.js';
import { type Exported, exportPredictor } from '../../interop/predictor.js';
import { pytorch } from '../../interop/pytorch/export.js';
import { exportRun } from '../../interop/tensorboard.js';
import { verificationText } from '../../interop/verify.js';
import { thresholdsOfMean } from '../../predict/ensemble.js';
import { openModel, type SavedModel } from '../../predict/open.js';
import { makeFolder, writeAtomic } from '../../run/files.js';
import { kindOf, runsAt } from '../../run/find.js';
import { Run } from '../../run/run.js';
import { encodeSafetensors } from '../../run/safetensors.js';
import { finalRun, predictingRuns, readSweepResults } from '../../sweep/results.js';
import { weightsAlone } from '../../train/weights.js';
import { EXIT, usageError } from '../../util/errors.js';
import { atNamedPlace } from '../../util/system-errors.js';
import { printable, quoted } from '../../util/words.js';
import { checkpoint, choice, defineVerb, flag, folder, json, refuseGiven, WEIGHTS } from '../command/verb.js';

/** Formats of several files, by default in a subdirectory of the run. */
const FOLDERS: readonly string[] = ['tensorboard', 'pytorch'];
const FORMATS = ['tensorboard', 'safetensors', 'onnx', 'pytorch', 'js'] as const;

export const verb = defineVerb({
  arguments: '<runs...>',
  options: {
    format: choice(
      '<format>',
      FORMATS,
      'tensorboard: event files with curves, config and hyperparameters; safetensors: weights with PyTorch names; onnx, pytorch, js: the whole predictor',
    ),
    weights: choice(
      '<which>',
      WEIGHTS,
      'which weights: trained or average (default: the average if the run keeps one)',
    ),
    checkpoint,
    precision: choice(
      '<type>',
      PRECISIONS,
      'type of the weights in the file of --format js: float32, float16, or int8 with a scale per row (default: float32)',
    ),
    ensemble: flag('one module of --format js that predicts the mean of all runs').with({
      requires: 'output',
    }),
    output: folder(
      '<dir>',
      "output directory (default: each run's, or its subdirectory tensorboard or pytorch)",
    ).with({
      short: '-o',
    }),
    json: json('the list of files written'),
  },
  help: 'Sweeps and directories of runs can be given too.',
  async action([paths], { format, weights, checkpoint, precision, ensemble, output, json }, { io }) {
    if (format === undefined)
      throw usageError('cli/export-format', 'no export format given', {
        expected: `--format ${FORMATS.join(' or ')}`,
      });
    const code = 'cli/export-format';
    if (format === 'tensorboard') {
      const message = 'the event files of TensorBoard contain no weights';
      refuseGiven(
        { weights, checkpoint },
        { code, message, expected: '--format safetensors, onnx, pytorch or js' },
      );
    }
    if (format !== 'js') {
      const message = `the format ${format} always has weights in float32`;
      refuseGiven({ precision }, { code, message, expected: '--format js' });
      const alone = `the format ${format} has one model in each file`;
      refuseGiven({ ensemble }, { code, message: alone, expected: '--format js' });
    }
    const isFolder = FOLDERS.includes(format);
    const { runs: given, thresholds } = ensemble ? predictingRuns(paths) : { runs: paths };
    const runs = runsWithTargets(given, output, isFolder ? format : '');
    const print = (exports: readonly object[], places: readonly string[]) => {
      if (json) io.data(`${JSON.stringify({ version: 1, format, exports })}\n`);
      else for (const place of places) io.out(`${printable(place)}\n`);
      return EXIT.done;
    };
    if (format === 'tensorboard') {
      const written = runs.map(({ path, target: directory }) => {
        const run = Run.read(path);
        return { run: path, directory, files: atNamedPlace(() => exportRun(run, directory)) };
      });
      const directories = written.map(({ directory }) => directory);
      const folder = output ?? commonFolder(directories);
      if (!json) io.err(`View it with: tensorboard --logdir ${quoted(folder)}\n`);
      return print(written, directories);
    }
    // open every model before writing anything
    const models = runs.map(run => ({ ...run, model: openModel(run.path, { checkpoint, weights }) }));
    const place = (folder: string, name: string) => {
      makeFolder(folder, output ?? folder, 'this folder');
      return join(folder, name);
    };
    const written: object[] = [];
    const places: string[] = [];
    const type = precision ?? 'float32';
    const exported = async function* () {
      if (ensemble && output !== undefined) {
        const members = models.map(({ model }) => model);
        const warn = (warning: string) => io.err(`warning: ${warning}\n`);
        const ofMean = thresholdsOfMean(members, thresholds, warn);
        const [first, ...others] = await exportTogether(members, type, ofMean);
        for (const { verified } of others) if (!json) io.err(`${verificationText(verified)}\n`);
        yield { path: models.map(({ path }) => path), target: resolve(output), made: first };
      } else
        for (const { path, target, model } of models)
          yield { path, target, made: await EXPORTS[format](model, type) };
    };
    for await (const { path, target, made } of exported()) {
      const { files, ...facts } = made as Written;
      for (const [name, content] of files) {
        const file = place(target, name);
        atNamedPlace(() => writeAtomic(file, content));
      }
      const all = [...files.keys()].map(name => (isFolder ? name : join(target, name)));
      const where = isFolder
        ? { directory: target, files: all }
        : { file: all[0], ...(all.length > 1 && { files: all }) };
      if (facts.verified !== undefined && !json) io.err(`${verificationText(facts.verified)}\n`);
      if (facts.cost && !json) io.err(`With ${precision}: ${costText(facts.cost)}.\n`);
      written.push({ run: path, ...where, ...facts });
      places.push(...(isFolder ? [target] : all));
    }
    return print(written, places);
  },
});

interface Written
  extends Pick<Exported, 'files' | 'weights' | 'step'>,
    Partial<Pick<ExportedModule, 'verified' | 'cost'>> {}

/** What each format writes of a model. */
const EXPORTS: Readonly<
  Record<
    Exclude<(typeof FORMATS)[number], 'tensorboard'>,
    (model: SavedModel, precision: Precision) => Written | Promise<Written>
  >
> = {
  safetensors: exportWeights,
  onnx: model => exportPredictor(model, onnx),
  pytorch: model => exportPredictor(model, pytorch),
  js: exportModule,
};

function exportWeights({ tensors: all, weights, step }: SavedModel) {
  const tensors = weightsAlone(all, weights);
  // programs that read PyTorch's files look for this key
  const content = encodeSafetensors(tensors, { format: 'pt' });
  return { files: new Map([['weights.safetensors', content]]), weights, step, tensors: tensors.size };
}

/**
 * The runs at `paths`, each with its target directory: its own directory or, with `output`, that
 * for a single run and subdirectories of it for several. TensorBoard shows their names.
 */
function runsWithTargets(paths: readonly string[], output: string | undefined, subfolder: string) {
  const isOne = paths.length === 1 && kindOf(paths[0]) === 'run';
  return paths.flatMap(runsOf).map(({ path, name, id }) => ({
    path,
    target:
      output === undefined
        ? join(path, subfolder)
        : isOne
          ? resolve(output)
          : join(resolve(output), name, id),
  }));
}

/** The run on all data of a cross-validation that has one; else all runs of a folder or sweep. */
function runsOf(path: string): ReturnType<typeof runsAt> {
  const final = kindOf(path) === 'sweep' ? finalRun(readSweepResults(path)) : undefined;
  return runsAt(final ?? path);
}

/** The deepest directory that contains all of `folders`. */
function commonFolder(folders: readonly string[]): string {
  const [first, ...others] = folders.map(folder => folder.split(sep));
  const length = first.findIndex((part, i) => others.some(other => other[i] !== part));
  return length < 0 ? folders[0] : first.slice(0, length).join(sep);
}

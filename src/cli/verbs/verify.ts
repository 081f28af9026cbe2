/** `verify resume | backends | gradients CONFIG`: checks of this machine. */
import { join } from 'node:path';
import { BACKENDS } from '../../engine/backend-names.js';
import { shapeText } from '../../math/graph/shape.js';
import { CHECKS, utcStamp } from '../../run/directory.js';
import { makeFolder, writeJsonAtomic } from '../../run/files.js';
import { spellNonFinite } from '../../run/json.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { aligned } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import type { BackendsResults } from '../../verify/backends.js';
import type { GradientsResults } from '../../verify/gradients.js';
import type { ResumeResults } from '../../verify/resume.js';
import { onStopSignal } from '../command/signals.js';
import {
  backend,
  count,
  defineVerb,
  folder,
  json,
  parsed,
  quiet,
  seed,
  set,
  threads,
  type Values,
} from '../command/verb.js';
import type { Io } from '../terminal/io.js';

const sharedOptions = {
  set,
  threads,
  output: folder('<dir>', 'output directory; the results are written to <dir>/verify').default('experiments'),
  json: json('the results'),
  quiet,
};

/**
 * Runs a check, writes and prints what it found, and returns exit code 1 if it does not hold.
 * @param check gets `note`, which shows progress
 * @param text the results in complete lines
 */
async function report<R extends { readonly holds: boolean } | { readonly identical: boolean }>(
  what: 'resume' | 'backends' | 'gradients',
  config: string,
  { output, json, quiet }: Pick<Values<typeof sharedOptions>, 'output' | 'json' | 'quiet'>,
  io: Io,
  check: (note: (line: string) => void) => Promise<R>,
  text: (results: R) => string,
): Promise<ExitCode> {
  const folder = join(output, CHECKS);
  // before the work, so that none is lost
  makeFolder(folder, output);
  const started = new Date();
  const results = await check(line => {
    if (!quiet) io.err(`${line}\n`);
  });
  const document = spellNonFinite({ version: 1, what, time: started.toISOString(), config, ...results });
  const file = join(folder, `${utcStamp(started)}-${what}.json`);
  writeJsonAtomic(file, document);
  if (json) io.data(`${JSON.stringify(document)}\n`);
  else io.out(`${text(results)}Results: ${printable(file)}\n`);
  return ('holds' in results ? results.holds : results.identical) ? EXIT.done : EXIT.unexpected;
}

export const resume = defineVerb({
  arguments: '<config>',
  options: {
    ...sharedOptions,
    backend,
    kills: count('<n>', 'number of kills, over all runs').default(6),
    seed: seed.default(0),
  },
  help: `
Exit codes: 0 all runs are byte-identical, 1 one is not; the runs are kept then.`,
  async action([config], options, { io }) {
    const { set, backend, threads } = options;
    const { loadExperiment } = await import('../../config/index.js');
    const { verifyResume } = await import('../../verify/resume.js');
    // reports errors of the config like `run`
    loadExperiment(config, { set });
    const stop = onStopSignal(io);
    const flags = [
      ...set.flatMap(assignment => ['--set', assignment]),
      ...['--backend', backend],
      ...(threads === undefined ? [] : ['--threads', String(threads)]),
    ];
    const program = [process.execPath, programFile('cli/main.js')] as const;
    const check = (note: (line: string) => void) =>
      verifyResume(config, { ...options, program, flags, stop: stop.signal, note });
    return report('resume', config, options, io, check, resumeText).finally(stop.release);
  },
});

function resumeText({ identical, kept, kills, runs, steps }: ResumeResults): string {
  const verdict = `${identical ? 'byte-identical' : 'NOT identical'} to an uninterrupted run`;
  const differences = runs.flatMap(run => run.differences.map(({ file, what }) => `${file}: ${what}`));
  return [
    `${counted(kills, 'kill')} in ${counted(runs.length, 'run')} of ${counted(steps, 'step')}: ${verdict}.`,
    ...differences,
    ...(kept === null ? [] : [`The runs are kept in ${kept}`]),
    '',
  ].join('\n');
}

export const backends = defineVerb({
  arguments: '<config>',
  options: {
    ...sharedOptions,
    backends: parsed(
      '<names>',
      'backends, separated by commas (default: cpu, webasm, and webgpu on a hardware adapter)',
      `two or more of ${BACKENDS.join(', ')}, separated by commas`,
      names => {
        const found = names.split(',').map(word => BACKENDS.find(name => name === word.trim()));
        const known = [...new Set(found.filter(name => name !== undefined))];
        return found.includes(undefined) || known.length < 2 ? undefined : known;
      },
    ),
    steps: count('<n>', 'optimizer steps on each backend').default(20),
  },
  help: `
Every backend makes the same first optimizer steps, with the config's own batches, parameters and
optimizer. All pairs of backends are compared after each step; the first tensor beyond tolerance
ends the comparison:
  loss, gradient_norm  relative difference <= 1e-5 (loss) and 1e-4 (norm) at the first step, 1e-3 later
  parameters           ||a - b|| of a tensor, relative to its change since the first step, <= 1e-3
Backends round differently, and training can amplify rounding errors: a difference that grows slowly
comes from the config, a sudden one is a bug.

A software WebGPU adapter is only used if named. The cpu backend is slow (six seconds per step of
configs/mnist-lstm.yaml): use fewer --steps or --set training.batch_size=N.

Exit codes: 0 the backends agree, 1 they differ.`,
  async action([config], options, { io }) {
    const { verifyBackends } = await import('../../verify/backends.js');
    const check = (note: (line: string) => void) => verifyBackends(config, { ...options, note });
    return report('backends', config, options, io, check, backendsText);
  },
});

function backendsText(results: BackendsResults): string {
  const { first_beyond: first, steps, tensors } = results;
  const rows = tensors.map(({ tensor, difference, tolerance, step, backends }) => [
    ...[tensor, small(difference), small(tolerance), `${step}`, backends.join(' and ')],
  ]);
  const head = ['tensor', 'difference', 'tolerance', 'step', 'backends'];
  const names = results.backends.map(({ name }) => name).join(', ');
  const verdict =
    first === null
      ? `${names} agree within tolerance in all ${counted(steps.length, 'step')}.`
      : `${first.backends.join(' and ')} differ from step ${first.step} on: ${first.tensor} by ${small(first.difference)} > ${small(first.tolerance)}${history(results, first.step)}.`;
  return lines(...aligned([head, ...rows], i => i > 0 && i < 4), '', verdict);
}

function lines(...texts: readonly string[]): string {
  return texts.map(text => `${text}\n`).join('');
}

/** Earlier differences: amplified rounding errors grow step by step, a bug appears suddenly. */
function history({ steps }: BackendsResults, step: number): string {
  const before = steps[step - 2];
  if (before === undefined) return '';
  return ` (largest difference one step before: ${small(before.largest.difference)}; at step 1: ${small(steps[0].largest.difference)})`;
}

function small(value: number): string {
  return value.toExponential(1);
}

export const gradients = defineVerb({
  arguments: '<config>',
  options: {
    ...sharedOptions,
    backend,
    rows: count('<n>', 'sequences of the first batch to use (default: up to 4)'),
    seed: seed.default(0),
  },
  help: `
The kernels compute the gradient of the config's first training batch at its initial parameters, in
the shards and threads of a run. Only a few sequences count in the loss. Two comparisons are made
for every parameter tensor:
  kernels      their gradient with the gradient of the same graph in float64:
               ||a - b|| / ||b|| <= 1e-4, as for the loss
  differences  the float64 gradient with the slope of the float64 loss along a random direction
               (central differences, extrapolated to step zero): relative error <= 1e-6
An error of the kernels is a bug of the compiler or the backend, an error of the differences one of
the differentiation. Errors are relative to the tensor's own gradient, or to 1e-20 (kernels) or 1e-3
(differences) of the whole gradient if that is larger. Gradients that vanish over a long sequence
are marked as small.

Without --rows, up to four sequences are used, fewer if they are long or the model is large.
configs/mnist-lstm.yaml uses two and takes about a minute.

Exit codes: 0 all errors are within tolerance, 1 one is not.`,
  async action([config], options, { io }) {
    const { verifyGradients } = await import('../../verify/gradients.js');
    const check = (note: (line: string) => void) => verifyGradients(config, { ...options, note });
    return report('gradients', config, options, io, check, gradientsText);
  },
});

function gradientsText(results: GradientsResults): string {
  const { rows, batch_size, backend, sequence_length, tensors, tolerances, loss } = results;
  const table = tensors.map(({ name, shape, resolved, holds, ...tensor }) => [
    name,
    shapeText(shape),
    small(tensor.gradient_norm),
    small(tensor.kernel_error),
    resolved || !holds ? small(tensor.difference_error) : 'small',
    holds ? '' : 'WRONG',
  ]);
  const head = ['tensor', 'shape', '|gradient|', 'kernels', 'differences', ''];
  const first = ['loss', '', '', small(loss.kernel_error), '', ''];
  const wrong = tensors.filter(({ holds }) => !holds).map(({ name }) => name);
  if (!(loss.kernel_error <= tolerances.kernels)) wrong.unshift('loss');
  return lines(
    `${backend}: ${rows.length} of ${counted(batch_size, 'sequence')} of the first batch, ${counted(sequence_length, 'step')} each`,
    '',
    ...aligned([head, first, ...table], i => i > 1 && i < 5),
    '',
    `kernels: relative error of the compiled gradient against float64 (tolerance ${small(tolerances.kernels)})`,
    `differences: relative error of the float64 gradient against finite differences of the loss (tolerance ${small(tolerances.differences)})`,
    ...(tensors.some(({ resolved }) => !resolved)
      ? ['small: the gradient is too small for finite differences to distinguish it from zero']
      : []),
    '',
    results.holds ? 'All gradients are within tolerance.' : `NOT within tolerance: ${wrong.join(', ')}.`,
  );
}

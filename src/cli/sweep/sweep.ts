/** `sweep WORDS…`: trains variants of a config and finds the best. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkNotesChange } from '../../run/notes.js';
import {
  fromCommandLine,
  kindOfFile,
  type LoadedSweep,
  loadSweep,
  type SweepFlags,
} from '../../sweep/config/index.js';
import { runSweep } from '../../sweep/run.js';
import { usageError } from '../../util/errors.js';
import { backend, experiments, notes } from '../options.js';
import { formatWarnings } from '../terminal/diagnostics.js';
import { defineVerb, flag, list, text } from '../verb.js';
import { addNotes } from '../verbs/tag.js';
import { runnerOptions, runToEnd, withLauncherProblems, withQueue } from './runner.js';

export const verb = defineVerb({
  arguments: '<words...>',
  options: {
    set: list('<key.path=value>', 'override a value of the config in every trial'),
    objective: text('<metric:goal>', 'objective, such as test.accuracy:max'),
    method: text('<name>', 'search method: grid, random, sobol or tpe'),
    trials: text('<n>', 'maximum number of trials'),
    time: text('<duration>', 'start no trial after this time, such as 90s, 10m or 2h'),
    target: text('<value>', 'stop as soon as a trial reaches this value'),
    seeds: text('<list>', 'seeds to train each point with, separated by commas'),
    pruner: text('<name>', 'none, median, asha or hyperband; or a mapping'),
    parallel: text('<n>', 'number of trials at the same time (default: 1)'),
    backend,
    output: experiments,
    ...notes,
    dryRun: flag('list the points without training'),
    ...runnerOptions,
  },
  help: `
Pass a sweep file (see \`cellrun schema sweep\`), or configs and values for their keys:
  cellrun sweep configs/sweeps/mnist-lstm.yaml
  cellrun sweep configs/mnist-lstm.yaml optimizer.learning_rate=1e-3,1e-2 model.hidden_size=64,128
  cellrun sweep configs/variants --seeds 0,1,2
  cellrun sweep configs/mnist-lstm.yaml 'optimizer.learning_rate=log_uniform(1e-4,1e-1)' \\
    --method tpe --trials 30

One value for a key that cannot be varied overrides it in every trial: training.num_epochs=2.

Options override the sweep file. Without a sweep file, the method is grid and the objective is the
config's checkpoint.metric. All points are checked before the first trial starts. A trial has
--threads / --parallel threads. The best trial is the one with the best value among those that were
trained for the most epochs.

To resume a stopped or killed sweep, run \`cellrun sweep resume SWEEP\`: the result is the same.

Exit codes: 0 a trial has a value, 1 no trial has a value, a failed trial stopped the sweep or the
disk is full, 4 all trials diverged, 130 the sweep was stopped and can be resumed.`,
  async action([words], given, shell) {
    const { set, output, tag, note } = given;
    const options = withQueue(given);
    const change = { add: tag, remove: [], note };
    const loaded = withLauncherProblems(options, () => {
      checkNotesChange(change);
      const { objective, method, trials, time, target, seeds, pruner, parallel } = given;
      const flags = { objective, method, trials, time, target, seeds, pruner, parallel };
      return load(words, { set, flags: withoutUndefined(flags) });
    });
    const { SweepModels } = await import('../../library/sweep-models.js');
    const models = new SweepModels(loaded);
    const warnings = [...loaded.warnings, ...(await models.check())];
    if (warnings.length > 0) shell.io.err(`${formatWarnings(warnings, shell.io.color.err)}\n`);
    const { plan, bases, givenYaml } = loaded;
    if (given.dryRun) {
      const { dryRun } = await import('./dry-run.js');
      return dryRun(loaded, models, given.json, shell.io);
    }
    return runToEnd(options, output, shell, (shared, opened) =>
      runSweep({ plan, bases, givenYaml, output }, shared, directory => {
        addNotes(directory.path, change);
        opened(directory);
      }),
    );
  },
});

function withoutUndefined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function load(
  words: readonly string[],
  options: { readonly set: readonly string[]; readonly flags: SweepFlags },
): LoadedSweep {
  const assignments = words.filter(word => word.includes('='));
  const files = words.filter(word => !word.includes('=')).flatMap(configsIn);
  if (files.length === 0) {
    const expected = 'a sweep file, or configs and KEY=VALUE,VALUE…';
    throw usageError({ code: 'cli/sweep', message: 'no config to sweep over', expected });
  }
  const sweeps = files.filter(file => kindOfFile(file) !== 'config');
  if (files.length === 1 && sweeps.length === 1 && assignments.length === 0)
    return loadSweep(files[0], options);
  if (sweeps.length > 0) {
    const message = `${sweeps[0]} is a sweep file, which cannot be combined with configs or KEY=VALUE`;
    throw usageError({ code: 'cli/sweep', message, expected: 'the sweep file alone, or configs' });
  }
  return fromCommandLine(files, assignments, options);
}

const CONFIG = /\.(ya?ml|json)$/i;

/**
 * The configs in a directory, sorted by name; or the file itself.
 * @throws UserError (exit 2) if a directory has none
 */
function configsIn(path: string): readonly string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(path).filter(name => CONFIG.test(name));
  if (names.length > 0) return names.toSorted().map(name => join(path, name));
  throw usageError({
    code: 'cli/sweep',
    message: 'this directory contains no config',
    file: path,
    expected: 'files ending in .yaml, .yml or .json',
  });
}
